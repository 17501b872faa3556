//! Push and pull through a real registry, beside real peers. They need docker-registry, skopeo and openssl.

use crate::image::{sh, store};
use crate::support::archives::{Layout, archive, member};
use crate::support::registries::{Registry, With, cutting_proxy};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use taremark::image::digest::Digest;
use taremark::image::load::load;
use taremark::image::reference::Reference;
use taremark::image::registry::pull::{Choice, pull};
use taremark::image::registry::push::push;
use taremark::image::registry::{How, Options, RegistryError, Step};
use taremark::image::store::Store;
use taremark::image::{ImageError, remove};

/// Quick to give up, and plain HTTP.
pub fn plain() -> Options {
    Options { insecure: true, first_wait: Duration::from_millis(5), ..Options::default() }
}

/// Nobody listens.
pub fn quiet(_: &Step<'_>) {}

/// A parsed reference.
pub fn reference(text: &str) -> Reference {
    text.parse().expect("reference")
}

/// Bytes that no codec makes smaller (xorshift64).
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

/// An image of three layers, one of them of a few MB, in an OCI layout below `dir`.
pub fn sample(dir: &Path, store: &Store, name: &str) -> Digest {
    let big = noise(3 << 20);
    let layers = [
        archive(&[
            member("etc/", b'5', "", b""),
            member("etc/passwd", b'0', "", b"root:x:0:0::/:\napp:x:1:1::/:\n"),
        ]),
        archive(&[member("big", b'0', "", &big)]),
        archive(&[member("name", b'0', "", name.as_bytes())]),
    ];
    let path = dir.join(name.replace(['/', ':'], "-"));
    Layout(&path).finish(Layout(&path).image("amd64", &layers), Some(name));
    load(store, &path).expect("load");
    store.resolve(name).expect("image").digest().clone()
}

fn blobs(store: &Store, digest: &Digest) -> Vec<(String, Vec<u8>)> {
    let image = taremark::image::Image::read(store, digest).expect("image");
    let all = image.blobs().expect("blobs");
    all.keys().map(|d| (d.to_string(), std::fs::read(store.blob_path(d)).expect("blob"))).collect()
}

#[test]
fn a_round_trip_keeps_every_byte_and_moves_nothing_twice() {
    let registry = Registry::start();
    let (dir, here) = store();
    let (_elsewhere, there) = store();
    let digest = sample(dir.path(), &here, "sample:1");
    let name = reference(&format!("{}/team/sample:1", registry.host));
    let told: Mutex<Vec<How>> = Mutex::default();
    let listener = |step: &Step<'_>| {
        if let Step::Ends { how, .. } = step {
            told.lock().expect("lock").push(*how);
        }
    };
    let ends = || std::mem::take(&mut *told.lock().expect("lock"));
    let pushed = push(&here, "sample:1", &name, &[], &plain(), &listener).expect("push");
    assert_eq!((pushed.digest, ends()), (digest.clone(), vec![How::Moved; 4]));
    push(&here, "sample:1", &name, &[], &plain(), &listener).expect("push again");
    assert_eq!(ends(), [How::Already; 4]);
    let other = reference(&format!("{}/other/place:2", registry.host));
    push(&here, "sample:1", &other, &[], &plain(), &listener).expect("push elsewhere");
    assert_eq!(ends(), [How::Mounted; 4], "blobs went twice to one registry");
    let pulled = pull(&there, &other, &Choice::Host, &plain(), &listener).expect("pull");
    assert_eq!((&pulled.digest, ends()), (&digest, vec![How::Moved; 4]));
    assert_eq!(blobs(&there, &digest), blobs(&here, &digest));
    pull(&there, &name, &Choice::Host, &plain(), &listener).expect("pull again");
    assert_eq!(ends(), [How::Already; 4]);
    let fixed = reference(&format!("{}/team/sample@{digest}", registry.host));
    pull(&there, &fixed, &Choice::Host, &plain(), &listener).expect("by digest");
    remove::remove(&there, &other).expect("remove");
    remove::remove(&there, &name).expect("remove");
    assert_eq!(blobs(&there, &digest).len(), 5, "a name by digest did not keep its image");
    let missing = reference(&format!("{}/team/none:1", registry.host));
    let e = pull(&there, &missing, &Choice::Host, &plain(), &quiet).expect_err("not there");
    assert!(e.to_string().ends_with("/team/none:1 is not in the registry"), "{e}");
    let e = pull(&there, &reference("team/sample"), &Choice::Host, &plain(), &quiet).expect_err("no host");
    assert!(matches!(e, ImageError::Registry(RegistryError::NoHost(_))), "{e}");
}

#[test]
fn skopeo_reads_what_we_push_and_we_what_it_pushes() {
    let registry = Registry::start();
    let (dir, here) = store();
    let (_elsewhere, there) = store();
    let host = &registry.host;
    let layers = [archive(&[member("x", b'0', "", b"x")]), archive(&[member("y", b'0', "", b"y")])];
    let path = dir.path().join("multi");
    let oci = Layout(&path);
    let index = oci.index(&[oci.image("amd64", &layers), oci.image("arm64", &layers[..1])]);
    let index_digest = index["digest"].as_str().expect("digest").to_owned();
    oci.finish(index, Some("multi"));
    sh(
        dir.path(),
        &format!("skopeo copy -q --all --dest-tls-verify=false oci:multi:multi docker://{host}/multi:1"),
    );
    let name = reference(&format!("{host}/multi:1"));
    let pulled = pull(&here, &name, &Choice::All, &plain(), &quiet).expect("all platforms");
    assert_eq!(pulled.digest.to_string(), index_digest);
    assert_eq!(here.resolve(&name.to_string()).expect("this host's").platform(), "linux/amd64");
    let pushed = push(&here, &name.to_string(), &reference(&format!("{host}/ours:2")), &[], &plain(), &quiet);
    assert_eq!(pushed.expect("push the index").digest.to_string(), index_digest);
    sh(dir.path(), &format!("skopeo copy -q --all --src-tls-verify=false docker://{host}/ours:2 oci:back:x"));
    let text = std::fs::read_to_string(dir.path().join("back/index.json")).expect("index");
    assert!(text.contains(&index_digest), "{text}");
    let one = pull(&there, &name, &Choice::Host, &plain(), &quiet).expect("this host's");
    assert_eq!((one.asked.to_string(), one.digest != one.asked), (index_digest, true));
    let arm = Choice::For("linux/arm64".parse().expect("platform"));
    pull(&there, &name, &arm, &plain(), &quiet).expect("arm");
    assert_eq!(there.resolve(&name.to_string()).expect("arm").platform(), "linux/arm64");
    let none = Choice::For("linux/s390x".parse().expect("platform"));
    let e = pull(&there, &name, &none, &plain(), &quiet).expect_err("none").to_string();
    assert!(e.ends_with("is not there for linux/s390x, but for linux/amd64, linux/arm64"), "{e}");
    // Docker's own form of manifests.
    let one = dir.path().join("one");
    Layout(&one).finish(Layout(&one).image("amd64", &layers[..1]), Some("one"));
    let v2s2 = format!("skopeo copy -q -f v2s2 --dest-tls-verify=false oci:one:one docker://{host}/docker:1");
    sh(dir.path(), &v2s2);
    let docker = reference(&format!("{host}/docker:1"));
    let e = pull(&there, &docker, &arm, &plain(), &quiet).expect_err("another").to_string();
    assert!(e.ends_with("is not there for linux/arm64, but for linux/amd64"), "{e}");
    there.resolve(&docker.to_string()).expect_err("it has a name");
    let lost = reference(&format!("{host}/docker@sha256:{}", "0".repeat(64)));
    let e = pull(&there, &lost, &Choice::Host, &plain(), &quiet).expect_err("not there").to_string();
    assert!(e.contains("/docker@sha256:0000") && e.ends_with("is not in the registry"), "{e}");
    pull(&there, &docker, &Choice::Host, &plain(), &quiet).expect("schema 2");
    let image = there.resolve(&docker.to_string()).expect("image");
    assert_eq!(image.lower_dirs(&there).expect("unpacks").len(), 1);
    push(&there, &docker.to_string(), &reference(&format!("{host}/docker:2")), &[], &plain(), &quiet)
        .expect("push");
}

#[test]
fn credentials_come_from_files_and_helpers() {
    // htpasswd -nbB app secret
    let (dir, here) = store();
    sh(dir.path(), "htpasswd -nbB app secret > users");
    let users = std::fs::read_to_string(dir.path().join("users")).expect("users");
    let registry = Registry::start_with(With { htpasswd: Some(&users), ..With::default() });
    sample(dir.path(), &here, "sample:1");
    let name = reference(&format!("{}/sample:1", registry.host));
    let attempt = |auth: &str| {
        let file = dir.path().join("auth.json");
        std::fs::write(&file, auth).expect("file");
        push(&here, "sample:1", &name, &[], &Options { auth_file: Some(file), ..plain() }, &quiet)
    };
    let none = attempt("{}").expect_err("nobody");
    assert!(matches!(none, ImageError::Registry(RegistryError::Denied { .. })), "{none}");
    assert_eq!(none.to_string().split(':').next(), Some("127.0.0.1"), "{none}");
    // base64 of app:secret and of app:wrong
    let wrong = format!(r#"{{"auths":{{"{}":{{"auth":"YXBwOndyb25n"}}}}}}"#, registry.host);
    attempt(&wrong).expect_err("wrong password");
    attempt(&wrong.replace("YXBwOndyb25n", "YXBwOnNlY3JldA==")).expect("Docker's form");
    let podman = dir.path().join("podman.json");
    let login = format!("skopeo login --tls-verify=false --authfile {} -u app -p secret", podman.display());
    sh(dir.path(), &format!("{login} {}", registry.host));
    attempt(&std::fs::read_to_string(podman).expect("file")).expect("what skopeo login wrote");
    // A helper on the PATH, as a process of its own: the environment of this one is shared by all tests.
    let helper = "#!/bin/sh\nread -r server; echo \"{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"app\\\",\\\"Secret\\\":\\\"secret\\\"}\"";
    std::fs::write(dir.path().join("docker-credential-test"), helper).expect("helper");
    std::fs::create_dir(dir.path().join("docker")).expect("folder");
    let config = format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, registry.host);
    std::fs::write(dir.path().join("docker/config.json"), config).expect("config");
    sh(
        dir.path(),
        &format!(
            "chmod +x docker-credential-test; export PATH=$PWD:$PATH DOCKER_CONFIG=$PWD/docker HOME=$PWD REGISTRY_AUTH_FILE=$PWD/none
             TAREMARK_STORE={} {} image push sample:1 {name} --insecure --quiet > out
             grep -q '{name} sha256:' out",
            here.root().display(),
            env!("CARGO_BIN_EXE_taremark")
        ),
    );
}

#[test]
fn tls_is_checked_against_the_given_authority() {
    let (dir, here) = store();
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
                -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE 2>/dev/null";
    sh(dir.path(), make);
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let registry = Registry::start_with(With { tls: Some((&cert, &key)), ..With::default() });
    sample(dir.path(), &here, "sample:1");
    let name = reference(&format!("{}/sample:1", registry.host));
    let quick = Options { insecure: false, retries: 0, ..plain() };
    let send = |options: &Options| push(&here, "sample:1", &name, &[], options, &quiet);
    let told = send(&quick).map(drop).map_err(anyhow::Error::from).expect_err("an unknown authority");
    assert!(format!("{told:#}").to_lowercase().contains("certificate"), "{told:#}");
    send(&Options { ca: Some(cert), ..quick.clone() }).expect("with its authority");
    send(&Options { insecure: true, ..quick.clone() }).expect("insecure takes any");
    let none = Options { ca: Some(dir.path().join("key.pem")), ..quick };
    let told = send(&none).expect_err("no certificate in it").to_string();
    assert!(told.ends_with("no certificate in PEM form is in it"), "{told}");
}

#[test]
fn what_broke_off_goes_on_where_it_broke() {
    let registry = Registry::start();
    let (dir, here) = store();
    let digest = sample(dir.path(), &here, "sample:1");
    let name = |host: &str| reference(&format!("{host}/sample:1"));
    // Three cuts of the upload.
    let up = cutting_proxy(&registry.host, false, 1 << 20, 3);
    let waits = Mutex::new(0);
    let count = |step: &Step<'_>| {
        if let Step::Waits { .. } = step {
            *waits.lock().expect("lock") += 1;
        }
    };
    push(&here, "sample:1", &name(&up), &[], &plain(), &count).expect("push through cuts");
    assert!(*waits.lock().expect("lock") >= 3, "nothing was cut");
    // One attempt only, cut: what came stays, and the next goes on from there, in another process' store handle.
    let (_elsewhere, there) = store();
    let cut = cutting_proxy(&registry.host, true, 2 << 20, 1);
    let once = Options { retries: 0, jobs: 1, ..plain() };
    let told = pull(&there, &name(&cut), &Choice::Host, &once, &quiet).expect_err("cut");
    assert!(matches!(told, ImageError::Registry(RegistryError::BrokeOff { .. })), "{told}");
    let parts = || std::fs::read_dir(there.root().join("partial")).expect("partial").count();
    assert_eq!(parts(), 1);
    let again = Store::open(there.root()).expect("store");
    let begun = Mutex::new(Vec::new());
    let froms = |step: &Step<'_>| {
        if let Step::Begins { from, .. } = step {
            begun.lock().expect("lock").push(*from);
        }
    };
    let pulled = pull(&again, &name(&registry.host), &Choice::Host, &once, &froms).expect("the rest");
    assert_eq!(pulled.digest, digest);
    let begun = begun.into_inner().expect("lock");
    assert!(begun.iter().any(|from| *from > 1 << 20), "it began anew: {begun:?}");
    assert_eq!(parts(), 0);
    assert_eq!(blobs(&again, &digest), blobs(&here, &digest));
    // Cut again and again: each attempt gets a little further.
    let (_third, third) = store();
    let often = cutting_proxy(&registry.host, true, 600_000, usize::MAX);
    pull(&third, &name(&often), &Choice::Host, &Options { retries: 2, ..plain() }, &quiet)
        .expect("bit by bit");
    assert_eq!(blobs(&third, &digest), blobs(&here, &digest));
}
