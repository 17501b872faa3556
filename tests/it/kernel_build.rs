//! Building a guest kernel, by real make and compiler, from a source tree that is one file long: a kernel's own takes
//! minutes, and `scripts/bench-machines` builds that.

use std::path::{Path, PathBuf};
use std::process::Command;
use taremark::machine::kernel::{self, Build, Origin};

/// Its Makefile has the targets that a kernel's has, and its vmlinux the PVH note that a kernel's has.
const MAKEFILE: &str = "
O ?= .
allnoconfig:
\tcp $(KCONFIG_ALLCONFIG) $(O)/.config
\tmkdir -p $(O)/include/config
\techo 6.1.0-tiny > $(O)/include/config/kernel.release
vmlinux:
\tgcc -nostdlib -static -no-pie -Wl,-N,--build-id=none,-Ttext=0x100000 -o $(O)/vmlinux start.S
";
const START: &str = "
.text
.globl _start
_start: hlt
.space 12288
.section .note.Xen, \"a\", @note
.long 4, 8, 18
.asciz \"Xen\"
.quad _start
";

fn source(dir: &Path, makefile: &str) -> PathBuf {
    let tree = dir.join("tiny");
    std::fs::create_dir_all(&tree).expect("folder");
    std::fs::write(tree.join("Makefile"), makefile).expect("write");
    std::fs::write(tree.join("start.S"), START).expect("write");
    let archive = dir.join(format!("tiny-{}.tar", makefile.len()));
    let tar = Command::new("tar").arg("-C").arg(dir).arg("-cf").arg(&archive).arg("tiny").status();
    assert!(tar.expect("tar").success());
    archive
}

#[test]
fn a_kernel_is_built_once_for_each_source_and_configuration() {
    let dir = tempfile::tempdir().expect("folder");
    let cache = dir.path().join("cache");
    let source = Some(source(dir.path(), MAKEFILE));
    let build = |what: &Build| kernel::build(&cache, what);
    let plain = Build { source: source.clone(), ..Build::default() };
    let first = build(&plain).expect("this test needs gcc, make, flex, bison, bc and xz-utils");
    assert!(first.made && first.kernel.origin == Origin::Own && first.kernel.release == "6.1.0-tiny");
    let again = build(&plain).expect("again");
    assert_eq!((again.made, &again.name, &again.digest), (false, &first.name, &first.digest));
    build(&Build { again: true, ..plain.clone() }).expect("the same bytes");
    let fragment = dir.path().join("more.config");
    std::fs::write(&fragment, "# CONFIG_NET is not set\n").expect("write");
    let other = build(&Build { fragments: vec![fragment], ..plain.clone() }).expect("other");
    assert!(other.made && other.name != first.name, "the configuration is not in the name");
    let config = other.kernel.vmlinux.with_file_name("config");
    let config = std::fs::read_to_string(config).expect("the configuration is kept");
    assert!(config.contains("# CONFIG_NET is not set\n") && config.contains("CONFIG_CPU_MITIGATIONS=y\n"));
    assert_eq!(kernel::own(&cache).expect("own").vmlinux, other.kernel.vmlinux, "the last is used");
    kernel::choose(&cache, &first.name).expect("use");
    assert_eq!(kernel::own(&cache).expect("own").vmlinux, first.kernel.vmlinux);
    assert_eq!(kernel::list(&cache).len(), 2);
}

#[test]
fn what_goes_wrong_in_a_build_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("folder");
    let cache = dir.path().join("cache");
    let build = |makefile: &str| {
        let source = Some(source(dir.path(), makefile));
        kernel::build(&cache, &Build { source, ..Build::default() })
            .expect_err("it cannot be built")
            .to_string()
    };
    let drops = MAKEFILE.replace("cp $(KCONFIG_ALLCONFIG)", "grep -v CONFIG_PVH $(KCONFIG_ALLCONFIG) >");
    assert!(build(&drops).contains("CONFIG_PVH is n instead of y"));
    let breaks = MAKEFILE.replace("gcc -nostdlib", "gcc --no-such-option");
    assert!(build(&breaks).contains("make ended with"), "{}", build(&breaks));
    let differs = MAKEFILE.replace("start.S", "start.S && strip -R .note.Xen $(O)/vmlinux");
    assert!(build(&differs).contains("PVH"), "{}", build(&differs));
    assert!(kernel::list(&cache).is_empty());
    let left = std::fs::read_dir(cache.join("kernels")).expect("folder").count();
    assert_eq!(left, 0, "something of a failed build is left");
}
