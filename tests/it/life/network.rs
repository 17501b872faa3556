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
    // But for those of our own that lead to published ports of other tests' networks.
    let links = || {
        let all = std::fs::read_to_string("/proc/net/dev").expect("links");
        all.lines().filter(|l| !l.trim().starts_with("tare")).count()
    };
    let before = links();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let port = taken.local_addr().expect("address").port();
    let publish = format!("127.0.0.1:{port}:80");
    let output = ground.run(&["run", "-d", "--name", "x", "-p", &publish, "shell", "sleep", "60"]);
    fails(&output, 125, &format!("cannot listen on 127.0.0.1:{port}/tcp"));
    ground.says(&["rm", "x"]);
    fails(&ground.run(&["run", "-p", "70000", "shell"]), 125, "HOSTPORT");
    let alone = ground.run(&["run", "--network", "none", "-p", "80", "shell"]);
    fails(&alone, 125, "-p needs a network");
    let host = ["run", "--rm", "--network", "host", "shell", "cat", "/proc/net/dev"];
    let seen = ground.says(&host);
    let seen = seen.lines().filter(|l| !l.trim().starts_with("tare")).count();
    assert_eq!(seen, before, "it is not the host's network");
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

/// A network namespace of the test's own in the host's place: what is run in it may make rules.
struct Host(std::process::Child);

impl Host {
    fn new(forwards: bool) -> Self {
        let mut command = std::process::Command::new("unshare");
        let forwards = u8::from(forwards);
        let script = format!(
            "ip link set lo up && echo {forwards} >/proc/sys/net/ipv4/ip_forward && echo up && exec sleep 600"
        );
        let mut child = command
            .args(["--net", "sh", "-c", &script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut up = [0; 3];
        child.stdout.as_mut().expect("stdout").read_exact(&mut up).expect("a namespace");
        Self(child)
    }

    fn run(&self, ground: &Ground, args: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.id())).args(args);
        command.env("TAREMARK_STORE", ground.path("store")).env("TAREMARK_STATE", ground.path("state"));
        command.stdin(std::process::Stdio::null()).output().expect("nsenter")
    }

    #[track_caller]
    fn says(&self, ground: &Ground, args: &[&str]) -> String {
        let output = self.run(ground, args);
        assert!(output.status.success(), "{args:?}: {}", crate::support::errors(&output));
        crate::support::text(&output)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Words that come back by TCP and by UDP.
const ECHO: &str = "import socket, threading
tcp = socket.create_server(('', 80))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('', 81))
def datagrams():
    while True:
        word, who = udp.recvfrom(99); udp.sendto(word, who)
threading.Thread(target=datagrams, daemon=True).start()
while True:
    one, _ = tcp.accept(); one.sendall(one.recv(99)); one.close()";

const ASK: &str = "import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[3:] else socket.SOCK_STREAM
one = socket.socket(socket.AF_INET, kind); one.settimeout(2); one.connect((sys.argv[1], int(sys.argv[2])))
one.sendall(b'word'); print(one.recv(99).decode())";

/// The host's python, for a container whose image has none.
const PYTHON: [&str; 6] = ["-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"];

#[test]
fn ports_are_carried_by_rules_of_our_own_that_go_with_the_container() {
    let ground = Ground::new();
    let host = Host::new(true);
    host.says(&ground, &["nft", "add table ip theirs"]);
    let taremark = super::TAREMARK;
    let published = ["-p", "127.0.0.1:18451:80", "-p", "18452:80", "-p", "127.0.0.1:18453:81/udp"];
    let run = [
        &[taremark, "run", "-d", "--name", "web"][..],
        &PYTHON,
        &published,
        &["shell", "/usr/bin/python3", "-c", ECHO],
    ]
    .concat();
    host.says(&ground, &run);
    let by = |name: &str| {
        host.says(&ground, &[taremark, "inspect", "-f", "{{.NetworkSettings.PublishedBy}}", name])
    };
    assert_eq!(by("web"), "nftables\n");
    let ask = |address: &str, port: &str, udp: Option<&str>| {
        let mut ask = vec!["python3", "-c", ASK, address, port];
        ask.extend(udp);
        crate::support::text(&host.run(&ground, &ask))
    };
    until("the server", || ask("127.0.0.1", "18451", None) == "word\n");
    assert_eq!(ask("127.0.0.1", "18452", None), "word\n", "all addresses");
    assert_eq!(ask("127.0.0.1", "18453", Some("udp")), "word\n", "datagrams");
    let rules = host.says(&ground, &["nft", "list", "ruleset"]);
    assert!(rules.contains("dport 18451 dnat to 169.254.") && rules.contains("masquerade"), "{rules}");
    // The kernel carries them, and not the forwarder, which would be known to the server as the switch as well: it has
    // accepted nothing, as nothing is queued and no socket of its is connected.
    let monitor = host.says(&ground, &[taremark, "inspect", "-f", "{{.State.ConmonPid}}", "web"]);
    let threads = || std::fs::read_dir(format!("/proc/{}/task", monitor.trim())).expect("threads").count();
    let before = threads();
    let held = "import socket, sys, time; one = socket.create_connection(('127.0.0.1', 18451)); print('held', flush=True); time.sleep(5)";
    let mut holding = std::process::Command::new("nsenter")
        .arg(format!("--net=/proc/{}/ns/net", host.0.id()))
        .args(["python3", "-c", held])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("nsenter");
    let mut word = [0; 5];
    holding.stdout.as_mut().expect("stdout").read_exact(&mut word).expect("a connection");
    assert_eq!(threads(), before, "the forwarder has started threads for a connection");
    holding.kill().expect("kill");
    holding.wait().expect("reaped");
    // A member reaches its own port by the switch's address (a hairpin), and so do others of the network.
    let hairpin = "echo word | busybox nc 10.88.0.1 18451";
    assert_eq!(host.says(&ground, &[taremark, "exec", "web", "sh", "-c", hairpin]), "word\n");
    assert_eq!(host.says(&ground, &[taremark, "run", "--rm", "shell", "sh", "-c", hairpin]), "word\n");
    members_find_no_way_to_the_host(&ground, &host);
    // Without its rules it is carried in user space.
    let tables = || host.says(&ground, &["nft", "list", "tables"]);
    let ours = tables()
        .lines()
        .find_map(|l| l.strip_prefix("table ip taremark-").map(str::to_owned))
        .expect("table");
    host.says(&ground, &["nft", &format!("delete table ip taremark-{ours}")]);
    until("the forwarder", || ask("127.0.0.1", "18451", None) == "word\n");
    host.says(&ground, &[taremark, "restart", "-t", "1", "web"]);
    until("the server", || ask("127.0.0.1", "18452", None) == "word\n");
    assert!(tables().contains("taremark-"));
    host.says(&ground, &[taremark, "rm", "-f", "web"]);
    assert_eq!(tables(), "table ip theirs\n", "rules are left, or others are gone");
    let links = host.says(&ground, &["ls", "/sys/class/net"]);
    until("the link to be gone", || !host.says(&ground, &["ls", "/sys/class/net"]).contains("tare"));
    drop(links);
    // The other carrier, and one that is asked for and not there.
    let by_hand =
        [taremark, "run", "-d", "--name", "slow", "--publish-by", "forwarder", "-p", "127.0.0.1:18451:80"];
    host.says(&ground, &[&by_hand[..], &PYTHON, &["shell", "/usr/bin/python3", "-c", ECHO]].concat());
    assert_eq!(by("slow"), "forwarder\n");
    until("the server", || ask("127.0.0.1", "18451", None) == "word\n");
    assert_eq!(tables(), "table ip theirs\n");
    host.says(&ground, &[taremark, "rm", "-f", "slow"]);
}

#[test]
fn rules_of_what_was_killed_are_removed_by_the_next_command() {
    let ground = Ground::new();
    let host = Host::new(false);
    let taremark = super::TAREMARK;
    let run = [taremark, "run", "-d", "--name", "x", "-p", "127.0.0.1:18461:80", "shell", "sleep", "600"];
    host.says(&ground, &run);
    let tables = || host.says(&ground, &["nft", "list", "tables"]);
    assert!(tables().contains("table ip taremark-"));
    // Where the host forwards nothing, nothing that comes from outside is sent on.
    assert!(!host.says(&ground, &["nft", "list", "ruleset"]).contains("prerouting"));
    let about = host.says(&ground, &[taremark, "inspect", "-f", "{{.State.ConmonPid}} {{.State.Pid}}", "x"]);
    about.split_whitespace().for_each(|pid| super::kill(pid.parse().expect("pid")));
    until("the end", || host.says(&ground, &[taremark, "ps", "-a"]).contains("Exited"));
    assert_eq!(tables(), "");
    host.says(&ground, &[taremark, "rm", "x"]);
    // One whose folder is gone as well.
    host.says(&ground, &run);
    let id = host.says(&ground, &[taremark, "ps", "-q", "--no-trunc"]).trim().to_owned();
    let about = host.says(&ground, &[taremark, "inspect", "-f", "{{.State.ConmonPid}} {{.State.Pid}}", "x"]);
    about.split_whitespace().for_each(|pid| super::kill(pid.parse().expect("pid")));
    std::fs::remove_dir_all(ground.path("state").join(&id)).expect("remove");
    assert!(tables().contains("table ip taremark-"));
    assert!(host.says(&ground, &[taremark, "doctor", "--clean"]).contains("removed the rules taremark-"));
    assert_eq!(tables(), "");
    for cgroup in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"] {
        let _ = std::fs::remove_dir(std::path::Path::new(cgroup).join("taremark-run").join(&id));
    }
}

/// One who may set routes, as a machine's root may, does not get out of the network by the link of published ports.
fn members_find_no_way_to_the_host(ground: &Ground, host: &Host) {
    let taremark = super::TAREMARK;
    let pids =
        host.says(ground, &[taremark, "inspect", "-f", "{{.State.Pid}} {{.State.ConmonPid}} {{.Id}}", "web"]);
    let [pid, monitor, id] = pids.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{pids}") };
    let route = format!("--net=/proc/{pid}/ns/net");
    host.says(ground, &["nsenter", &route, "ip", "route", "add", "default", "via", "10.88.0.1"]);
    let addresses = host.says(ground, &["ip", "-o", "-4", "addr"]);
    let of_host = addresses.split_whitespace().find(|w| w.starts_with("169.254.")).expect("the uplink");
    let of_host = of_host.split('/').next().expect("an address");
    // Datagrams, as no answer would find its way back: what arrives is what counts.
    let listen = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 18470)); s.settimeout(2)
print('up', flush=True)
try: print(s.recv(9).decode())
except TimeoutError: print('none')";
    let reached = || {
        let mut listener = std::process::Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", host.0.id()))
            .args(["python3", "-c", listen])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("nsenter");
        listener.stdout.as_mut().expect("stdout").read_exact(&mut [0; 3]).expect("a listener");
        let send = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'host', (sys.argv[1], 18470))";
        host.says(ground, &["nsenter", &route, "python3", "-c", send, of_host]);
        crate::support::text(&listener.wait_with_output().expect("end"))
    };
    assert_eq!(reached(), "none\n", "a service of the host was reached");
    // So that it is known what keeps it from that: without the guard it is reached.
    let state = std::fs::read(ground.path("state").join(id).join("state.json")).expect("state");
    let state: serde_json::Value = serde_json::from_slice(&state).expect("JSON");
    let switch = format!("--net=/proc/{monitor}/fd/{}", state["switch_fd"]);
    host.says(ground, &["nsenter", &switch, "nft", "delete", "table", "ip", "taremark"]);
    assert_eq!(reached(), "host\n", "is this test blind?");
    host.says(ground, &["nsenter", &route, "ip", "route", "del", "default"]);
}

/// What a script says in a network and a mount namespace of its own. `$T` is taremark, `serve` starts a server of a page,
/// `page PORT` asks for it, and `state FIELD` reads what is known of the server.
fn in_own_network(ground: &Ground, script: &str) -> String {
    const HEAD: &str = r#"set -e
page() { for n in $(seq 20); do
  timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && grep -q again <&3" 2>/dev/null && echo page && return
  sleep 0.2
done; echo none; }
state() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$TAREMARK_STATE/$id/state.json" "$1"; }
serve() { $T run -d --name web -p 127.0.0.1:8080:80 shell sh -c 'mkdir /w; echo again >/w/index.html; exec httpd -f -p 80 -h /w'; }
"#;
    let script = format!("T={}\n{HEAD}{script}", super::TAREMARK);
    Host::new(false).says(ground, &["unshare", "--mount", "bash", "-c", &script])
}

/// Each root of containers has its own lock, and all have the host's links in common.
#[test]
fn a_name_that_another_root_has_taken_is_passed_over() {
    let ground = Ground::new();
    let script = "ip link add tare1-1 type veth peer name other
id=$(serve)
page 8080
state published_by
ip -o link | grep -o 'tare1-3'
$T rm -f -a >/dev/null
nft list tables | wc -l";
    assert_eq!(in_own_network(&ground, script), "page\nnftables\ntare1-3\n0\n");
}

/// Rules that lead to a network which died with its monitor would take all connections from the forwarder.
#[test]
fn rules_of_a_killed_monitor_do_not_stay_before_the_forwarder() {
    let ground = Ground::new();
    let script = "id=$(serve)
page 8080
state published_by
monitor=$($T inspect web | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][\"State\"][\"ConmonPid\"])')
kill -9 $monitor
# Nothing can be set for a new uplink.
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
$T ps >/dev/null
page 8080
state published_by
$T rm -f -a >/dev/null
nft list tables | wc -l";
    assert_eq!(in_own_network(&ground, script), "page\nnftables\npage\nforwarder\n0\n");
}

/// It is there, and the kernel does not let it.
#[test]
fn where_nft_can_do_nothing_the_forwarder_carries() {
    let ground = Ground::new();
    let script = "mkdir -p $TAREMARK_STORE/bin
printf '#!/bin/sh\\necho no rules here >&2\\nexit 1\\n' >$TAREMARK_STORE/bin/nft
chmod +x $TAREMARK_STORE/bin/nft
PATH=$TAREMARK_STORE/bin:$PATH
id=$(serve)
page 8080
state published_by
state published_why
$T rm -f -a >/dev/null";
    let said = in_own_network(&ground, script);
    assert!(said.starts_with("page\nforwarder\n") && said.contains("no rules here"), "{said}");
}
