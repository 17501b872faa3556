//! A store with a base image, contexts, and builds in them.

use super::{TAREC, busybox};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use taremark::builder::Builder;
use taremark::image::Image;
use taremark::image::build::{BuildError, Built, Context, Event, Options, build};
use taremark::image::digest::Digest;
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;

/// Old, so that it is told apart from what a build makes: 2001-09-09.
pub const OLD: i64 = 1_000_000_000;

/// Runs a script of bash in `dir`.
pub fn sh(script: &str, dir: &Path) {
    let output = Command::new("bash").args(["-euc", script]).current_dir(dir).output().expect("bash");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A store with the image `base`, the tree that it was made of, and a context.
pub struct Ground {
    /// All of it.
    pub dir: tempfile::TempDir,
    /// Its store.
    pub store: Store,
}

impl Ground {
    /// Anew.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let layer = busybox();
        let base = dir.path().join("base");
        std::fs::rename(layer.path(), &base).expect("rename");
        sh(
            "printf 'root:x:0:0::/root:/bin/sh\\napp:x:1000:1001::/home/app:/bin/sh\\n' > etc/passwd
             printf 'root:x:0:\\napp:x:1001:\\nmore:x:5:app\\n' > etc/group
             echo motd > etc/motd; echo m > etc/move-me; touch etc/hosts etc/resolv.conf etc/hostname
             mkdir -p gone/with/more opt root home/app run var/tmp; echo x > gone/with/more/x; chmod 1777 tmp var/tmp
             for a in rm mkdir mv chmod chown ln mkfifo pwd stat find wc head sed date env printf; do ln -sf busybox bin/$a; done
             find . -exec touch -h -d @1000000000 {} +",
            &base,
        );
        sh("tar --numeric-owner -C base -cf base.tar .", dir.path());
        let store = Store::open(&dir.path().join("store")).expect("store");
        let options = ImportOptions { env: vec!["PATH=/bin".into()], ..ImportOptions::default() };
        let archive = std::fs::File::open(dir.path().join("base.tar")).expect("tar");
        import(&store, archive, &"base".parse().expect("reference"), &options).expect("import");
        Self { dir, store }
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A context with one of everything.
    pub fn context(&self) -> PathBuf {
        let context = self.path("context");
        std::fs::create_dir(&context).expect("folder");
        sh(
            r#"umask 022
             echo a > a.txt; echo b > b.txt; printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh; echo s > 'name with spaces'
             mkdir -p tree/sub/deep tree/empty libtree/lib special; echo 1 > tree/one; echo 2 > tree/sub/a2; echo 3 > tree/sub/d3
             echo 4 > tree/sub/e4; echo 5 > tree/sub/deep/five; chmod 640 tree/one; chmod 4755 tree/sub/a2
             chmod 700 tree/empty; ln -s one tree/link; ln -s /etc/passwd tree/absolute; echo h > tree/hard1; ln tree/hard1 tree/hard2
             ln -s a.txt link-to-a; ln -s tree link-to-tree; echo so > libtree/lib/x.so
             cp /bin/busybox static; echo not an archive > no-archive.tar.gz
             mkdir -p special/.hidden 'special/ä ö'; mkfifo special/fifo; printf 'x\ny' > special/.hidden/f; truncate -s 100000 special/sparse
             chown 3:4 tree/one
             mkdir -p pack/in; echo p > pack/in/p; ln -s p pack/in/l; ln pack/in/p pack/in/h; chown 42:43 pack/in/p; chmod 2750 pack/in
             find . -exec touch -h -d @1000000000 {} +
             tar -C pack --numeric-owner -cf plain.tar .; tar -C pack --numeric-owner -czf packed.tar.gz in
             tar -C pack --numeric-owner -cJf packed.tar.xz in; tar -C pack --numeric-owner --transform s/in/bz/ -cjf packed.tar.bz2 in
             touch -d @1000000000 . *.tar*"#,
            &context,
        );
        xattr::set(context.join("special/sparse"), "user.note", b"kept").expect("attribute");
        context
    }

    /// Builds.
    pub fn build(&self, options: &Options) -> Result<Built, BuildError> {
        self.build_seeing(options, &|_| ())
    }

    /// Builds, and sees what is told meanwhile.
    pub fn build_seeing(
        &self,
        options: &Options,
        tell: &(dyn Fn(&Event<'_>) + Sync),
    ) -> Result<Built, BuildError> {
        let builder = Builder::new(TAREC.into());
        build(&self.store, options, std::io::empty(), &|step| builder.run(step), tell)
    }

    /// Builds a Dockerfile given as text.
    pub fn text(
        &self,
        dockerfile: &str,
        context: &Path,
        change: impl FnOnce(&mut Options),
    ) -> Result<Image, BuildError> {
        let file = self.path("Dockerfile");
        std::fs::write(&file, dockerfile).expect("write");
        let mut options = Options::new(Context::Folder(context.to_owned()));
        options.file = Some(file);
        change(&mut options);
        Ok(Image::read(&self.store, &self.build(&options)?.digest)?)
    }

    /// All of an image as one tree.
    pub fn flat(&self, image: &Image) -> tempfile::TempDir {
        self.flat_of(&self.store, image)
    }

    /// The same of an image of another store.
    pub fn flat_of(&self, store: &Store, image: &Image) -> tempfile::TempDir {
        let dir = tempfile::tempdir_in(self.dir.path()).expect("folder");
        image.flatten_to(store, dir.path()).expect("flatten");
        dir
    }
}

/// All that can be told about a tree; times of what the build made itself are not compared.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), Vec<PathBuf>> = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let short = path.strip_prefix(root).expect("below").to_owned();
        let about = std::fs::symlink_metadata(&path).expect("metadata");
        let kind = about.file_type();
        let mut told = format!("{:o} {}:{}", about.mode(), about.uid(), about.gid());
        // A folder's time changes with what is put into it.
        if about.mtime() <= OLD && !kind.is_dir() {
            told += &format!(" at {}", about.mtime());
        }
        if kind.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("folder").flatten().map(|e| e.path()));
        } else {
            inodes.entry((about.dev(), about.ino())).or_default().push(short.clone());
        }
        if kind.is_file() {
            let content = std::fs::read(&path).expect("content");
            told += &format!(" {} bytes {}", content.len(), &Digest::of(&content).hex()[..12]);
            for name in xattr::list(&path).expect("attributes") {
                let value = xattr::get(&path, &name).expect("attribute").unwrap_or_default();
                told += &format!(
                    " {}={}",
                    String::from_utf8_lossy(name.as_bytes()),
                    String::from_utf8_lossy(&value)
                );
            }
        }
        if kind.is_symlink() {
            told += &format!(" -> {}", std::fs::read_link(&path).expect("link").display());
        }
        if kind.is_char_device() || kind.is_block_device() {
            told += &format!(" device {:x}", about.rdev());
        }
        // The root's mode is that of the storage.
        if !short.as_os_str().is_empty() {
            all.insert(short, told);
        }
    }
    for mut same in inodes.into_values() {
        same.sort();
        for path in &same {
            all.get_mut(path).expect("listed").push_str(&format!(" = {}", same[0].display()));
        }
    }
    all
}

/// A file of a tree.
pub fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A context of these files.
pub fn folder(ground: &Ground, files: &[(&str, &str)]) -> PathBuf {
    let context = ground.path("context");
    for (path, text) in files {
        let path = context.join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("write");
    }
    std::fs::create_dir_all(&context).expect("folder");
    context
}
