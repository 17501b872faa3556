//! The disk: a table of partitions, GRUB before the first, and a file system from the tree. All by writing files: GRUB's
//! two parts are put where its own installer would put them (docs: GRUB manual, "BIOS installation").

use super::super::convert::ext4;
use super::super::error::{MachineError, io};
use super::super::program::{find, run};
use super::{Flavour, tree::Tree};
use crate::sys::port;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The same for both ways of booting. Names of network cards as they were, because our part expects `eth0`; the timer is
/// not tried, because under emulation on a busy host the trial fails and the kernel panics.
pub(super) const COMMAND_LINE: &str =
    "root=/dev/vda1 ro quiet loglevel=1 console=ttyS0 net.ifnames=0 no_timer_check panic=-1";
/// Where GRUB's files for PCs with a BIOS are.
const GRUB: &str = "/usr/lib/grub/i386-pc";
/// The first partition begins here; GRUB lies before it.
const FIRST: u64 = 1 << 20;
/// Bytes of the first sector that are code; the table of partitions follows.
const BOOT_CODE: usize = 440;

/// An error if this host lacks GRUB, before minutes are spent.
pub(super) fn check() -> Result<(), MachineError> {
    find("grub-mkimage", "grub-common")?;
    find("qemu-img", "qemu-utils")?;
    let image = Path::new(GRUB).join("boot.img");
    if image.is_file() {
        return Ok(());
    }
    Err(MachineError::Missing { program: image.display().to_string(), package: "grub-pc-bin" })
}

/// Makes `to` from the tree, with `dir` for what is not kept; gives the bytes that the guest sees.
pub(super) fn disk(tree: &Tree, dir: &Path, to: &Path) -> Result<u64, MachineError> {
    let config = tree.dir.join("boot/grub/grub.cfg");
    let parent = tree.dir.join("boot/grub");
    std::fs::create_dir_all(&parent).map_err(io("create", &parent))?;
    std::fs::write(&config, menu()).map_err(io("write", &config))?;
    let partition = dir.join("partition");
    let spare = match tree.flavour {
        Flavour::Full => 1 << 30,
        Flavour::Small => 128 << 20,
    };
    ext4(&tree.dir, &partition, spare)?;
    let bytes = std::fs::metadata(&partition).map_err(io("look at", &partition))?.len();
    let raw = dir.join("raw");
    let core = core(dir)?;
    assemble(&raw, &core, &partition, bytes)?;
    let options = ["convert", "-q", "-f", "raw", "-O", "qcow2"];
    run(Command::new(find("qemu-img", "qemu-utils")?).args(options).arg(&raw).arg(to))?;
    Ok(FIRST + bytes)
}

/// GRUB's menu, which is not shown, with a stamp when it begins and when it has loaded everything.
fn menu() -> String {
    let (port, begun, loaded) = (port::PORT, port::FIRMWARE, port::LOADER);
    format!(
        "outb {port:#x} {begun}\nlinux /vmlinuz {COMMAND_LINE}\ninitrd /initrd.img\noutb {port:#x} {loaded}\nboot\n"
    )
}

/// GRUB with the modules that it needs to find the menu.
fn core(dir: &Path) -> Result<PathBuf, MachineError> {
    let (early, core) = (dir.join("early.cfg"), dir.join("core.img"));
    let text = "set root=(hd0,msdos1)\nset prefix=(hd0,msdos1)/boot/grub\nconfigfile /boot/grub/grub.cfg\n";
    std::fs::write(&early, text).map_err(io("write", &early))?;
    let mut mkimage = Command::new(find("grub-mkimage", "grub-common")?);
    mkimage.args(["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-c"]).arg(&early).arg("-o").arg(&core);
    run(mkimage.args(["biosdisk", "part_msdos", "ext2", "normal", "configfile", "linux", "iorw"]))?;
    Ok(core)
}

fn assemble(raw: &Path, core: &Path, partition: &Path, bytes: u64) -> Result<(), MachineError> {
    let read = |path: &Path| std::fs::read(path).map_err(io("read", path));
    let boot = read(&Path::new(GRUB).join("boot.img"))?;
    let core = read(core)?;
    let written = || io("write", raw);
    let mut file = File::create(raw).map_err(io("create", raw))?;
    file.set_len(FIRST + bytes).map_err(written())?;
    file.write_all(&first_sector(&boot, bytes)).map_err(written())?;
    // GRUB's first part looks for the second in the next sector.
    if core.len() as u64 > FIRST - 512 {
        let why = std::io::Error::other(format!("GRUB has {} bytes", core.len()));
        return Err(io("put GRUB before the first partition of", raw)(why));
    }
    file.write_all(&core).map_err(written())?;
    file.seek(SeekFrom::Start(FIRST)).map_err(written())?;
    copy_sparse(&mut File::open(partition).map_err(io("open", partition))?, &mut file).map_err(written())
}

/// GRUB's code and a table with one partition to boot from (type 0x83, in sectors of 512 bytes).
fn first_sector(code: &[u8], bytes: u64) -> [u8; 512] {
    let mut sector = [0; 512];
    let n = code.len().min(BOOT_CODE);
    sector[..n].copy_from_slice(&code[..n]);
    let entry = &mut sector[446..462];
    // Active; cylinders, heads and sectors that say "beyond what they can".
    entry[..8].copy_from_slice(&[0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&((FIRST / 512) as u32).to_le_bytes());
    entry[12..].copy_from_slice(&((bytes / 512) as u32).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Leaves holes where there are only zeros.
fn copy_sparse(from: &mut File, to: &mut File) -> std::io::Result<()> {
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n if buffer[..n].iter().all(|b| *b == 0) => drop(to.seek(SeekFrom::Current(n as i64))?),
            n => to.write_all(&buffer[..n])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sector_has_code_and_one_partition() {
        let sector = first_sector(&[7; 512], 3 << 20);
        assert_eq!((sector[0], sector[439], sector[440]), (7, 7, 0), "the code runs into the table");
        assert_eq!(sector[446..454], [0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
        assert_eq!(sector[454..462], [0, 8, 0, 0, 0, 24, 0, 0], "1 MiB in, 3 MiB long");
        assert_eq!(sector[510..], [0x55, 0xaa]);
    }

    #[test]
    fn holes_stay_holes() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let mut bytes = vec![0u8; 8 << 20];
        bytes[5 << 20] = 1;
        std::fs::write(&from, &bytes).expect("write");
        let mut copy = File::create(&to).expect("create");
        copy.set_len(8 << 20).expect("length");
        copy_sparse(&mut File::open(&from).expect("open"), &mut copy).expect("copy");
        assert_eq!(std::fs::read(&to).expect("read"), bytes);
        assert!(std::fs::metadata(&to).expect("file").blocks() * 512 <= 2 << 20);
    }
}
