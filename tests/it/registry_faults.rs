//! What goes wrong between a registry and us, seen from outside: bytes on the line, certificates, tokens, bars.

use crate::image::{sh, store};
use crate::liars::{Kept, attempt, hasty};
use crate::registry::{plain, quiet, reference, sample};
use crate::support::in_namespace;
use crate::support::keeper::Keeper;
use crate::support::liar::{Liar, Reply};
use crate::support::registries::{Registry, With, counting_proxy};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use taremark::image::registry::Options;
use taremark::image::registry::pull::{Choice, pull};
use taremark::image::registry::push::push;
use taremark::image::verify::verify;

/// docker-registry forgets an upload whose request broke: every cut costs what was sent before it, and no more.
#[test]
fn an_upload_that_a_registry_forgets_begins_anew() {
    let registry = Registry::start();
    let (dir, here) = store();
    let digest = sample(dir.path(), &here, "sample:1");
    let bytes: u64 = here.resolve("sample:1").expect("image").blobs().expect("blobs").values().sum();
    let (proxy, sent) = counting_proxy(&registry.host, false, 1 << 20, 2);
    let name = reference(&format!("{proxy}/sample:1"));
    push(&here, "sample:1", &name, &[], &plain(), &quiet).expect("push through cuts");
    let sent = sent.load(Ordering::SeqCst) as u64;
    assert!(sent >= bytes && sent < bytes + (2 << 20) + (100 << 10), "{sent} bytes were sent for {bytes}");
    let (_dir, there) = store();
    let from = reference(&format!("{}/sample:1", registry.host));
    let pulled = pull(&there, &from, &Choice::Host, &plain(), &quiet).expect("pull");
    assert_eq!(pulled.digest, digest);
}

/// One that keeps what arrived, as distribution-spec has it, gets the rest and not a byte twice.
#[test]
fn an_upload_that_broke_goes_on_with_the_next_byte() {
    let (dir, here) = store();
    sample(dir.path(), &here, "sample:1");
    let image = here.resolve("sample:1").expect("image");
    let blobs = image.blobs().expect("blobs");
    let keeper = Keeper::start(700_000);
    let name = reference(&format!("{}/sample:1", keeper.host));
    let options = Options { jobs: 1, ..plain() };
    push(&here, "sample:1", &name, &[], &options, &quiet).expect("push through cuts");
    let kept = keeper.kept.lock().expect("lock");
    assert!(kept.cuts >= 4, "it was cut {} times", kept.cuts);
    for (digest, bytes) in blobs.iter().filter(|(d, _)| *d != image.digest()) {
        let path = here.blob_path(digest);
        let got = &kept.done[&digest.to_string()];
        assert_eq!(got.len() as u64, *bytes, "{digest}: bytes that were sent");
        assert!(*got == std::fs::read(path).expect("blob"), "{digest} came damaged");
    }
}

#[test]
fn a_blob_that_comes_in_drops_is_given_up() {
    let kept = Kept::new();
    let layer = kept.layer.clone();
    let liar = Liar::start(move |asked| match asked.path.ends_with(&layer) {
        true => Reply::Drip(kept.blobs[&layer].len() as u64, Duration::from_millis(50)),
        false => kept.honest(asked),
    });
    let (_dir, store) = store();
    let begun = Instant::now();
    let told = attempt(&store, &liar.host).map_err(anyhow::Error::from).expect_err("it would take hours");
    assert!(format!("{told:#}").contains("bytes a second only"), "{told:#}");
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    assert_eq!(verify(&store).expect("verify").problems, Vec::<String>::new());
}

#[test]
fn an_identity_token_is_changed_for_an_access_token() {
    let kept = Kept::new();
    let tokens = Liar::start(|asked| {
        let form = "grant_type=refresh_token&client_id=taremark&refresh_token=of%20the/helper";
        let right = asked.method == "POST"
            && asked.body.starts_with(form)
            && asked.body.contains("scope=repository:liar:pull")
            && asked.body.contains("service=here");
        let answer = br#"{"access_token":"good"}"#.to_vec();
        if right { Reply::Say(200, vec![], answer) } else { Reply::Say(403, vec![], vec![]) }
    });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"here\"", tokens.host);
    let liar = Liar::start(move |asked| match asked.header("authorization") {
        Some("Bearer good") => kept.honest(asked),
        _ => Reply::Say(401, vec![("WWW-Authenticate", realm.clone())], vec![]),
    });
    let (dir, store) = store();
    let file = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}":{{"identitytoken":"of the/helper"}}}}}}"#, liar.host);
    std::fs::write(&file, auths).expect("file");
    let options = Options { auth_file: Some(file), ..hasty() };
    let name = reference(&format!("{}/liar:1", liar.host));
    pull(&store, &name, &Choice::Host, &options, &quiet)
        .map_err(|e| format!("{e} {:?}", tokens.all()))
        .expect("pull");
    assert_eq!(tokens.all().len(), 1);
}

fn certificate(dir: &Path) {
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
                -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE 2>/dev/null";
    sh(dir, make);
}

#[test]
fn authorities_of_certs_d_are_trusted_for_their_registry() {
    if !in_namespace("registry_faults::authorities_of_certs_d_are_trusted_for_their_registry", &[]) {
        return;
    }
    let (dir, here) = store();
    certificate(dir.path());
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let registry = Registry::start_with(With { tls: Some((&cert, &key)), ..With::default() });
    sample(dir.path(), &here, "sample:1");
    let name = reference(&format!("{}/sample:1", registry.host));
    let options = Options { insecure: false, retries: 0, ..plain() };
    let send = || push(&here, "sample:1", &name, &[], &options, &quiet);
    for (folder, file, trusted) in [
        ("/etc/containers/certs.d", "ca.crt", true),
        ("/etc/containers/certs.d", "ca.pem", false),
        ("/etc/docker/certs.d", "ca.crt", true),
    ] {
        let above = Path::new(folder).parent().expect("parent");
        std::fs::create_dir_all(above).expect("folder");
        sh(dir.path(), &format!("mount -t tmpfs none {}", above.display()));
        let at = Path::new(folder).join(&registry.host);
        std::fs::create_dir_all(&at).expect("folder");
        std::fs::copy(&cert, at.join(file)).expect("copy");
        assert_eq!(send().is_ok(), trusted, "{folder} {file}");
        sh(dir.path(), &format!("umount {}", above.display()));
    }
    send().expect_err("nobody vouches for it any more");
}

/// Answers `/v2/`, and leads everything else to the URL that it was given.
const LEADS: &str = r#"
import http.server, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        there = self.path == "/v2/"
        self.send_response(200 if there else 307)
        if not there: self.send_header("Location", sys.argv[3] + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[1], sys.argv[2])
s.socket = c.wrap_socket(s.socket, server_side=True)
print(s.server_address[1], flush=True)
s.serve_forever()
"#;

/// Ended with the test, however that ends.
struct Leads(Child);

impl Drop for Leads {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("ended");
    }
}

#[test]
fn a_redirect_from_tls_to_plain_http_is_refused() {
    let (dir, here) = store();
    certificate(dir.path());
    let kept = Kept::new();
    let clear = Liar::start(move |asked| kept.honest(asked));
    let server = Command::new("python3")
        .args(["-c", LEADS, "cert.pem", "key.pem", &format!("http://{}", clear.host)])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3: apt-get install python3");
    let mut server = Leads(server);
    let mut port = String::new();
    let mut out = std::io::BufReader::new(server.0.stdout.take().expect("output"));
    std::io::BufRead::read_line(&mut out, &mut port).expect("port");
    let options = Options { insecure: false, ca: Some(dir.path().join("cert.pem")), ..hasty() };
    let name = reference(&format!("127.0.0.1:{}/liar:1", port.trim()));
    let told = pull(&here, &name, &Choice::Host, &options, &quiet).expect_err("refused").to_string();
    assert!(told.contains("from TLS to plain HTTP: refused"), "{told}");
    assert_eq!(clear.all().len(), 0, "it was asked in the clear");
}

#[test]
fn bars_are_shown_on_a_terminal_and_nowhere_else() {
    let registry = Registry::start();
    let (dir, source) = store();
    sample(dir.path(), &source, "sample:1");
    let name = format!("{}/sample:1", registry.host);
    push(&source, "sample:1", &reference(&name), &[], &plain(), &quiet).expect("push");
    let command = format!("{} image pull --insecure {name}", env!("CARGO_BIN_EXE_taremark"));
    let said = |program: &str, args: &[&str]| {
        let (_dir, store) = store();
        let run = Command::new(program)
            .args(args)
            .env("TAREMARK_STORE", store.root())
            .env("TERM", "xterm")
            .output();
        let run = run.expect("script");
        let told =
            format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{told}");
        told
    };
    let live = said("script", &["-qec", &command, "/dev/null"]);
    assert!(live.matches(" done").count() >= 4 && live.contains("\u{1b}["), "{live:?}");
    let dull = said("sh", &["-c", &command]);
    assert_eq!(dull.lines().count(), 1, "{dull:?}");
    assert!(dull.starts_with(&format!("{name} sha256:")), "{dull:?}");
}
