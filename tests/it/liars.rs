//! Registries that lie, hang, drop, or lead elsewhere: the error says what is wrong, and the store stays as it was.

use crate::image::store;
use crate::registry::{noise, plain, quiet, reference, sample};
use crate::support::archives::{Layout, archive, member};
use crate::support::liar::{Asked, Liar, Reply};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use taremark::image::ImageError;
use taremark::image::digest::Digest;
use taremark::image::registry::Options;
use taremark::image::registry::pull::{Choice, pull};
use taremark::image::registry::push::push;
use taremark::image::store::Store;
use taremark::image::verify::verify;

/// An image as a registry keeps it.
pub struct Kept {
    manifest: Vec<u8>,
    /// By digest.
    pub blobs: HashMap<String, Vec<u8>>,
    /// Digest of the one layer.
    pub layer: String,
}

impl Kept {
    /// One with a single layer.
    pub fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().expect("folder");
        let layout = Layout(dir.path());
        let image = layout.image("amd64", &[archive(&[member("big", b'0', "", &noise(400_000))])]);
        let digest: Digest = image["digest"].as_str().and_then(|d| d.parse().ok()).expect("digest");
        let entries = std::fs::read_dir(dir.path().join("blobs/sha256")).expect("blobs").flatten();
        let blobs: HashMap<_, _> = entries
            .map(|e| {
                let bytes = std::fs::read(e.path()).expect("blob");
                (Digest::of(&bytes).to_string(), bytes)
            })
            .collect();
        let manifest = blobs[&digest.to_string()].clone();
        let value: serde_json::Value = serde_json::from_slice(&manifest).expect("manifest");
        let layer = value["layers"][0]["digest"].as_str().expect("layer").to_owned();
        Arc::new(Self { manifest, blobs, layer })
    }

    /// As an honest registry answers.
    pub fn honest(&self, asked: &Asked) -> Reply {
        if asked.path.ends_with("/v2/") {
            return Reply::Say(200, vec![], vec![]);
        }
        let last = asked.path.rsplit('/').next().unwrap_or_default();
        match self.blobs.get(last) {
            Some(blob) => Reply::Say(200, vec![], blob.clone()),
            None if asked.path.contains("/manifests/") => Reply::Say(200, vec![], self.manifest.clone()),
            None => Reply::Say(404, vec![], vec![]),
        }
    }
}

/// Gives up soon.
pub fn hasty() -> Options {
    Options { retries: 1, idle: Duration::from_millis(300), ..plain() }
}

/// A pull that gives up soon.
pub fn attempt(store: &Store, host: &str) -> Result<(), ImageError> {
    pull(store, &reference(&format!("{host}/liar:1")), &Choice::Host, &hasty(), &quiet).map(drop)
}

/// Pulls from a registry that is honest but for what `lie` answers, and gives the whole error in one line.
fn told(kept: &Arc<Kept>, lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> String {
    let kept = kept.clone();
    let liar = Liar::start(move |asked| lie(asked).unwrap_or_else(|| kept.honest(asked)));
    let (_dir, store) = store();
    let begun = Instant::now();
    let error = attempt(&store, &liar.host).expect_err("it was believed");
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    let found = verify(&store).expect("verify");
    assert_eq!((found.problems, found.references), (Vec::new(), 0));
    let held: u64 = std::fs::read_dir(store.root().join("partial"))
        .expect("partial")
        .flatten()
        .map(|e| e.metadata().expect("part").len())
        .sum();
    assert!(held <= 500_000, "{held} bytes were kept of what it sent");
    format!("{:#}", anyhow::Error::from(error))
}

type Lie = Box<dyn Fn() -> Reply + Send + Sync>;

fn say(bytes: Vec<u8>) -> Lie {
    Box::new(move || Reply::Say(200, vec![], bytes.clone()))
}

#[test]
fn what_a_registry_gives_for_a_blob_is_checked() {
    let kept = Kept::new();
    let (_dir, store) = store();
    let honest = kept.clone();
    let liar = Liar::start(move |asked| honest.honest(asked));
    attempt(&store, &liar.host).expect("an honest one");
    let layer = kept.layer.clone();
    let blob = move |asked: &Asked| asked.path.ends_with(&layer);
    let whole = kept.blobs[&kept.layer].clone();
    let length = whole.len() as u64;
    let mut flipped = whole.clone();
    flipped[1000] ^= 1;
    let half = whole[..whole.len() / 2].to_vec();
    let circle = format!("/v2/liar/blobs/{}", kept.layer);
    let blobs: Vec<(&str, Lie, &str)> = vec![
        ("a flipped bit", say(flipped), "it is damaged"),
        ("half of it", say(half.clone()), "were promised"),
        ("more than it", say([whole.clone(), vec![0]].concat()), "were promised"),
        ("without an end", Box::new(|| Reply::Endless(vec![7; 60_000])), "more than the"),
        ("drops", Box::new(move || Reply::Cut(length, half.clone())), "broke off after"),
        ("hangs in the middle", Box::new(move || Reply::Stall(length, vec![1; 1000])), "broke off after"),
        ("hangs", Box::new(|| Reply::Silence), "timeout"),
        ("not there", Box::new(|| Reply::Say(404, vec![], vec![])), "answers 404"),
        ("nowhere", Box::new(|| Reply::Say(307, vec![], vec![])), "there is no Location"),
        (
            "in a circle",
            Box::new(move || Reply::Say(307, vec![("Location", circle.clone())], vec![])),
            "redirects",
        ),
    ];
    for (name, lie, expected) in blobs {
        let blob = blob.clone();
        let error = told(&kept, move |asked| blob(asked).then(&lie));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn what_a_registry_gives_for_a_manifest_is_checked() {
    let kept = Kept::new();
    let manifest = |asked: &Asked| asked.path.contains("/manifests/");
    let length = kept.blobs[&kept.layer].len();
    let text = String::from_utf8(kept.manifest.clone()).expect("text");
    let changed = |from: &str, to: &str| -> Lie {
        assert!(text.contains(from), "{from} is not in {text}");
        let bytes = text.replacen(from, to, 1).into_bytes();
        Box::new(move || Reply::Say(200, vec![], bytes.clone()))
    };
    let size = format!("\"size\":{length}");
    let layer = &kept.layer;
    let twice = format!(r#""layers":[{{"mediaType":"x","digest":"{layer}","size":{length}}},"#);
    let promised = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let same = kept.manifest.clone();
    let manifests: Vec<(&str, Lie, &str)> = vec![
        ("no JSON", say(b"<html>".to_vec()), "is not readable"),
        ("nothing", say(vec![]), "is not readable"),
        ("without an end", Box::new(|| Reply::Endless(vec![b' '; 60_000])), "a manifest of more than"),
        ("hangs", Box::new(|| Reply::Silence), "timeout"),
        ("another size", changed(&size, "\"size\":5"), "5 were promised"),
        ("a petabyte", changed(&size, "\"size\":1125899906842624"), "no more than"),
        ("a path for a digest", changed(&kept.layer, "sha256:../../../../etc/passwd"), "value ../../"),
        (
            "another digest in its header",
            Box::new(move || Reply::Say(200, vec![("Docker-Content-Digest", promised.into())], same.clone())),
            "it says that the manifest is",
        ),
        ("two layers, one diff id", changed("\"layers\":[", &twice), "diff ids"),
    ];
    for (name, lie, expected) in manifests {
        let error = told(&kept, move |asked| manifest(asked).then(&lie));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn credentials_do_not_follow_to_another_host() {
    let kept = Kept::new();
    let elsewhere = {
        let kept = kept.clone();
        Liar::start(move |asked| kept.honest(asked))
    };
    let to = format!("http://{}", elsewhere.host);
    let liar = {
        let (kept, to) = (kept.clone(), to.clone());
        Liar::start(move |asked| match asked.header("authorization") {
            None => Reply::Say(401, vec![("WWW-Authenticate", "Basic realm=\"x\"".into())], vec![]),
            Some(_) if asked.method == "GET" && asked.path.contains("/blobs/") => {
                Reply::Say(307, vec![("Location", format!("{to}{}", asked.path))], vec![])
            }
            Some(_) if asked.method == "HEAD" => Reply::Say(404, vec![], vec![]),
            Some(_) if asked.method == "POST" => {
                Reply::Say(202, vec![("Location", format!("{to}/upload"))], vec![])
            }
            Some(_) => kept.honest(asked),
        })
    };
    let (dir, store) = store();
    let file = dir.path().join("auth.json");
    // base64 of app:secret
    let auths = format!(r#"{{"auths":{{"{}":{{"auth":"YXBwOnNlY3JldA=="}}}}}}"#, liar.host);
    std::fs::write(&file, auths).expect("file");
    let options = Options { auth_file: Some(file), ..hasty() };
    let name = reference(&format!("{}/liar:1", liar.host));
    pull(&store, &name, &Choice::Host, &options, &quiet).expect("along the redirect");
    sample(dir.path(), &store, "sample:1");
    push(&store, "sample:1", &name, &[], &options, &quiet).expect_err("the other host takes no uploads");
    let asked = elsewhere.all();
    assert!(
        asked.iter().any(|a| a.method == "GET") && asked.iter().any(|a| a.method == "PATCH"),
        "{asked:?}"
    );
    for one in &asked {
        assert_eq!(
            one.header("authorization"),
            None,
            "credentials went to another host: {} {}",
            one.method,
            one.path
        );
    }
    assert!(liar.all().iter().any(|a| a.header("authorization").is_some()));
}

#[test]
fn a_token_is_fetched_shown_and_renewed() {
    let kept = Kept::new();
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let tokens = Liar::start(move |asked| {
        let right = asked.path == "/token?service=here&scope=repository:liar:pull"
            && asked.header("authorization") == Some("Basic YXBwOnNlY3JldA==");
        let n = count.fetch_add(1, Ordering::SeqCst);
        let body = format!(r#"{{"token":"t{n}"}}"#).into_bytes();
        if right { Reply::Say(200, vec![], body) } else { Reply::Say(403, vec![], vec![]) }
    });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"here\"", tokens.host);
    let served = AtomicUsize::new(0);
    let liar = {
        let kept = kept.clone();
        Liar::start(move |asked| {
            // The first token is good for two answers only.
            let late = served.fetch_add(1, Ordering::SeqCst) > 2;
            let wanted = if late { "Bearer t1" } else { "Bearer t0" };
            match asked.header("authorization") {
                Some(shown) if shown == wanted => kept.honest(asked),
                _ => Reply::Say(401, vec![("WWW-Authenticate", realm.clone())], vec![]),
            }
        })
    };
    let (dir, store) = store();
    let file = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}":{{"username":"app","password":"secret"}}}}}}"#, liar.host);
    std::fs::write(&file, auths).expect("file");
    let options = Options { auth_file: Some(file), jobs: 1, ..hasty() };
    let name = reference(&format!("{}/liar:1", liar.host));
    pull(&store, &name, &Choice::Host, &options, &quiet).expect("pull");
    assert_eq!(given.load(Ordering::SeqCst), 2, "tokens that were fetched");
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let kept = Kept::new();
    let times = AtomicUsize::new(0);
    let liar = {
        let kept = kept.clone();
        Liar::start(move |asked| match times.fetch_add(1, Ordering::SeqCst) {
            1 => Reply::Say(429, vec![("Retry-After", "1".into())], vec![]),
            3 => Reply::Say(503, vec![], vec![]),
            _ => kept.honest(asked),
        })
    };
    let (_dir, store) = store();
    let begun = Instant::now();
    attempt(&store, &liar.host).expect("pull");
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After was not heeded");
}

#[test]
fn a_full_disk_ends_a_pull_and_leaves_the_store_whole() {
    if !crate::support::in_namespace("liars::a_full_disk_ends_a_pull_and_leaves_the_store_whole", &[]) {
        return;
    }
    let kept = Kept::new();
    let liar = Liar::start(move |asked| kept.honest(asked));
    let (ground, _unused) = store();
    crate::image::sh(ground.path(), "mkdir small; mount -t tmpfs -o size=300k none small");
    let store = Store::open(&ground.path().join("small/store")).expect("store");
    let error = anyhow::Error::from(attempt(&store, &liar.host).expect_err("no room"));
    assert!(format!("{error:#}").contains("No space left"), "{error:#}");
    assert_eq!(verify(&store).expect("verify").problems, Vec::<String>::new());
    taremark::image::remove::prune(&store).expect("prune");
    assert_eq!(std::fs::read_dir(store.root().join("partial")).expect("partial").count(), 0);
    drop(store);
    crate::image::sh(ground.path(), "umount small");
}
