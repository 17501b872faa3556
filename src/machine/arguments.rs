//! Parts of QEMU's command line that all machines share.

use super::fds::{CHANNEL, CONSOLE, QMP, SCRATCH, SCRATCH_READ, STAMPS, TAP};
use super::qemu::Accelerator;
use crate::guest::wire::PORT_NAME;

/// How virtio devices are attached: the ending of their names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bus {
    /// virtio-mmio, the microVM's.
    Mmio,
    /// PCI.
    Pci,
}

impl Bus {
    fn device(self, kind: &str) -> String {
        let ending = match self {
            Self::Mmio => "device",
            Self::Pci => "pci",
        };
        format!("virtio-{kind}-{ending}")
    }
}

/// The object `ram`, a guest's RAM: a private mapping of /dev/zero, which is as any private memory (the kernel gives it huge
/// pages where it may, as to every QEMU that is started with `-m` alone) but has a name by which its share of QEMU's memory is
/// told from the rest. In a memfd, which has a name, too, each page is a fault of its own: a boot takes a twentieth longer.
/// `merged`: the host's kernel may merge its pages with others (KSM).
pub(super) fn fresh_ram(bytes: u64, merged: bool) -> String {
    let merge = if merged { "on" } else { "off" };
    format!("memory-backend-file,id=ram,size={bytes}B,share=off,align=2M,merge={merge},mem-path={FRESH}")
}

/// What [`fresh_ram`] is a mapping of.
pub(super) const FRESH: &str = "/dev/zero";

/// What QEMU says of it before it goes on: it would give a file the length of the RAM.
pub(super) const OF_FRESH: &str = "ftruncate: Invalid argument";

/// An argument vector in the making.
pub(super) struct Arguments {
    argv: Vec<String>,
    bus: Bus,
}

impl Arguments {
    /// `machine` is the value of `-machine`.
    pub fn new(program: &str, machine: String, bus: Bus) -> Self {
        let mut made = Self { argv: vec![program.into()], bus };
        made.add("-machine", machine);
        made
    }

    pub fn add(&mut self, name: &str, value: String) {
        self.argv.extend([name.to_owned(), value]);
    }

    /// Processors and the guest's RAM, which is the object `ram`.
    pub fn processors(&mut self, accelerator: Accelerator, cpus: u32, memory_bytes: u64, ram: String) {
        self.add("-accel", accelerator.name().into());
        self.add("-cpu", accelerator.processor().into());
        self.add("-smp", cpus.to_string());
        self.add("-m", format!("{memory_bytes}B"));
        self.add("-object", ram);
    }

    /// Console, stamps, monitor, and the channel to the guest's init.
    pub fn wires(&mut self) {
        self.add("-chardev", format!("socket,id=console,fd={CONSOLE}"));
        self.add("-serial", "chardev:console".into());
        self.add("-chardev", format!("socket,id=stamps,fd={STAMPS}"));
        self.add("-device", "isa-debugcon,iobase=0xe9,chardev=stamps".into());
        self.add("-chardev", format!("socket,id=qmp,fd={QMP}"));
        self.add("-mon", "chardev=qmp,mode=control".into());
        self.add("-chardev", format!("socket,id=channel,fd={CHANNEL}"));
        self.add("-device", format!("{},max_ports=2", self.bus.device("serial")));
        self.add("-device", format!("virtserialport,chardev=channel,name={PORT_NAME}"));
    }

    /// A raw disk that cannot be written, known to the guest by `serial`.
    pub fn read_only_disk(&mut self, serial: &str, fd: i32) {
        self.add("-add-fd", format!("fd={fd},set={fd}"));
        self.add("-drive", format!("if=none,id={serial},format=raw,readonly=on,file=/dev/fdset/{fd}"));
        self.add("-device", format!("{},drive={serial},serial={serial}", self.bus.device("blk")));
    }

    /// The volume for workloads that write.
    pub fn scratch(&mut self) {
        self.add("-add-fd", format!("fd={SCRATCH},set={SCRATCH}"));
        self.add("-add-fd", format!("fd={SCRATCH_READ},set={SCRATCH}"));
        let file = format!("file=/dev/fdset/{SCRATCH}");
        self.add("-drive", format!("if=none,id=scratch,format=raw,cache=writeback,{file}"));
        self.add("-device", format!("{},drive=scratch,serial=scratch", self.bus.device("blk")));
    }

    /// A card with this hardware address on the tap device.
    pub fn network(&mut self, mac: [u8; 6]) {
        let mac = mac.map(|b| format!("{b:02x}")).join(":");
        self.add("-netdev", format!("tap,id=net,fd={TAP},vhost=off"));
        self.add("-device", format!("{},netdev=net,mac={mac}", self.bus.device("net")));
    }

    /// The whole.
    pub fn finish(mut self, isolated: bool) -> Vec<String> {
        if isolated {
            let deny = "obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
            self.add("-sandbox", format!("on,{deny}"));
        }
        self.argv.extend(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"].map(String::from));
        self.argv
    }
}
