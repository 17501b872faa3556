//! QEMU machines: accelerator probe, arguments, QMP, kernel, initramfs, disks.
