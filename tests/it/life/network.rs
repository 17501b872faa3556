//! Published ports, and containers that find each other.

use super::{Ground, fails, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The page at an address; empty if there is none.
pub fn get(address: &str) -> String {
    let mut page = String::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return page };
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    let _ = stream.read_to_string(&mut page);
    page
}

const SERVE: &str = "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w";

#[test]
fn containers_of_one_network_find_each_other_and_their_ports_are_published() {
    let ground = Ground::new();
    let serve = |name: &str, network: &str| {
        let run =
            ["run", "-d", "--name", name, "--hostname", name, "--network", network, "-p", "127.0.0.1::80"];
        ground.says(&[&run[..], &["shell", "sh", "-c", SERVE]].concat());
    };
    serve("one", "here");
    serve("two", "here");
    serve("other", "there");
    for name in ["one", "two", "other"] {
        let at = ground.says(&["port", name, "80"]).trim().to_owned();
        assert!(at.starts_with("127.0.0.1:"), "{at}");
        until("its page", || get(&at).ends_with(&format!("{name}\n")));
        assert!(ground.says(&["ps"]).contains(&format!("{at}->80/tcp")));
    }
    // A page longer than any buffer on the way.
    ground.says(&["exec", "one", "sh", "-c", "head -c 5000000 /dev/zero >/w/long"]);
    let at = ground.says(&["port", "one"]);
    let at = at.trim().strip_prefix("80/tcp -> ").expect("one port").to_owned();
    let mut stream = TcpStream::connect(&at).expect("connect");
    stream.write_all(b"GET /long HTTP/1.0\r\n\r\n").expect("ask");
    let mut long = Vec::new();
    stream.read_to_end(&mut long).expect("read");
    assert!(long.len() > 5_000_000, "{} bytes", long.len());
    let ask = |from: &str, url: &str| ground.run(&["exec", from, "wget", "-qO-", url]);
    assert_eq!(ask("one", "http://two/").stdout, b"two\n");
    assert_eq!(ask("two", "http://one/").stdout, b"one\n");
    assert!(!ask("one", "http://other/").status.success(), "it is in another network");
    // One that comes later is found, and one that is gone is not.
    ground.says(&["rm", "-f", "two"]);
    serve("three", "here");
    until("its page", || ask("one", "http://three/").stdout == b"three\n");
    let hosts = ground.says(&["exec", "one", "cat", "/etc/hosts"]);
    assert!(hosts.contains("three") && !hosts.contains("two"), "{hosts}");
    let alone = ["run", "--rm", "--network", "none", "shell", "sh", "-c", "ls /sys/class/net"];
    assert_eq!(ground.says(&alone), "lo\n");
}

#[test]
fn a_port_that_is_taken_is_named_and_the_host_is_left_alone() {
    let ground = Ground::new();
    let links = || std::fs::read_to_string("/proc/net/dev").expect("links").lines().count();
    let before = links();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let port = taken.local_addr().expect("address").port();
    let publish = format!("127.0.0.1:{port}:80");
    let output = ground.run(&["run", "-d", "--name", "x", "-p", &publish, "shell", "sleep", "60"]);
    fails(&output, 125, &format!("cannot listen on 127.0.0.1:{port}/tcp"));
    ground.says(&["rm", "x"]);
    fails(&ground.run(&["run", "-p", "70000", "shell"]), 2, "HOSTPORT");
    let alone = ground.run(&["run", "--network", "none", "-p", "80", "shell"]);
    fails(&alone, 125, "-p needs a network");
    let host = ["run", "--rm", "--network", "host", "shell", "cat", "/proc/net/dev"];
    assert_eq!(ground.says(&host).lines().count(), before, "it is not the host's network");
    // A bare process listens on the host itself; the forwarder leads there.
    let run =
        ["run", "-d", "--name", "bare", "--target", "process", "-p", "127.0.0.1::18431", "shell", "sh", "-c"];
    ground.says(
        &[&run[..], &["mkdir /w; echo bare >/w/index.html; exec httpd -f -p 127.0.0.1:18431 -h /w"]].concat(),
    );
    let at = ground.says(&["port", "bare", "18431"]);
    until("its page", || get(at.trim()).ends_with("bare\n"));
    ground.says(&["rm", "-f", "bare"]);
    assert_eq!(links(), before, "a link of the host was made");
}
