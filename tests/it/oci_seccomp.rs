//! config-linux.md, Seccomp: what a filter does to a real process. Above each test stand the clauses that it holds.

use crate::support::oci::{Oci, refuses, says};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

/// The only rule of a filter that lets all else pass.
fn only(rule: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
}

/// `ionice` calls ioprio_set(IOPRIO_WHO_PROCESS, 0, CLASS << 13 | NUMBER) and says what came of it.
const IONICE: &str = "busybox ionice -c2 -n5 true 2>&1; echo $?";

fn set(c: &mut Value, section: &Value) {
    c["linux"]["seccomp"] = section.clone();
}

/// Holds: linux.seccomp.args
#[test]
fn each_operator_decides_as_it_says() {
    // Of class 2 with 1, 4 and 6 as third argument: those that the rule meets.
    let class = 2 << 13;
    for (op, value, two, met) in [
        ("NE", class + 4, 0, "1 6"),
        ("LT", class + 4, 0, "1"),
        ("LE", class + 4, 0, "1 4"),
        ("EQ", class + 4, 0, "4"),
        ("GE", class + 4, 0, "4 6"),
        ("GT", class + 4, 0, "6"),
        ("MASKED_EQ", 4, 4, "4 6"),
    ] {
        let script = "for n in 1 4 6; do busybox ionice -c2 -n$n true 2>/dev/null || printf '%s ' $n; done";
        let out = says(&format!("{script}; echo"), |c| {
            let args = json!([{"index": 2, "value": value, "valueTwo": two, "op": format!("SCMP_CMP_{op}")}]);
            set(c, &only(json!({"names": ["ioprio_set"], "action": "SCMP_ACT_ERRNO", "args": args})));
        });
        assert_eq!(out.trim(), met, "{op}");
    }
    let two = json!([{"index": 2, "value": class + 5, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]);
    let out = says(IONICE, |c| {
        set(c, &only(json!({"names": ["ioprio_set"], "action": "SCMP_ACT_ERRNO", "args": two})))
    });
    assert_eq!(out, "0\n", "all arguments have to fit");
    refuses("linux.seccomp", |c| {
        let args = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_LIKE"}]);
        set(c, &only(json!({"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": args})));
    });
}

/// Holds: linux.seccomp.errnoRet, linux.seccomp.defaultErrnoRet, linux.seccomp.errno-unfit
#[test]
fn the_error_number_is_the_configured_one() {
    for (errno, says_that) in
        [(json!(28), "No space left on device"), (json!(null), "Operation not permitted")]
    {
        let rule = json!({"names": ["ioprio_set"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno});
        let out = says(IONICE, |c| set(c, &only(rule)));
        assert!(out.contains(says_that), "{errno}: {out}");
        // The default profile allows no sethostname: its default is met.
        let out = says("hostname x 2>&1; echo $?", |c| {
            c["linux"]["seccomp"]["defaultErrnoRet"] = errno.clone();
        });
        assert!(out.contains(says_that), "{errno}: {out}");
    }
    refuses("linux.seccomp.syscalls[0].errnoRet", |c| {
        set(c, &only(json!({"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 3})));
    });
    let default = json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1});
    refuses("linux.seccomp.defaultErrnoRet", |c| set(c, &default));
}

/// Holds: linux.seccomp.defaultAction, linux.seccomp.syscalls.action, linux.seccomp.syscalls.names
#[test]
fn each_action_does_what_it_says() {
    // 159: 128 + SIGSYS.
    for (action, expected) in [
        ("ALLOW", "0\n"),
        ("LOG", "0\n"),
        ("ERRNO", "ionice: ioprio_set: Operation not permitted\n1\n"),
        ("TRACE", "ionice: ioprio_set: Function not implemented\n1\n"),
        ("TRAP", "159\n"),
        ("KILL", "159\n"),
        ("KILL_THREAD", "159\n"),
        ("KILL_PROCESS", "159\n"),
    ] {
        let rule = json!({"names": ["ioprio_set", "no_such_call"], "action": format!("SCMP_ACT_{action}")});
        let out = says(IONICE, |c| set(c, &only(rule)));
        let plain: String = out
            .lines()
            .filter(|l| !l.starts_with("Bad system call"))
            .fold(String::new(), |all, l| all + l + "\n");
        assert_eq!(plain, expected, "{action}");
    }
    let (code, out, _) = Oci::new("echo ran", |c| set(c, &json!({"defaultAction": "SCMP_ACT_KILL"}))).run();
    assert_eq!((code, out.as_str()), (128 + 31, ""), "nothing is allowed, the exec least of all");
    refuses("linux.seccomp", |c| set(c, &only(json!({"names": ["read"], "action": "SCMP_ACT_HOPE"}))));
    refuses("linux.seccomp.syscalls[0].names", |c| {
        set(c, &only(json!({"names": [], "action": "SCMP_ACT_LOG"})))
    });
}

/// A program of 32 bits that writes "32" and ends (ELF header, one segment, code for int 0x80).
#[cfg(target_arch = "x86_64")]
fn program_of_32_bits() -> Vec<u8> {
    let word = u32::to_le_bytes;
    let (base, start) = (0x0804_8000u32, 84u32);
    let code = [0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9, 0, 0, 0, 0, 0xba, 3, 0, 0, 0, 0xcd, 0x80]
        .into_iter()
        .chain([0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80]);
    let mut code: Vec<u8> = code.collect();
    let text = base + start + code.len() as u32;
    code[11..15].copy_from_slice(&word(text));
    code.extend(b"32\n");
    let size = start + code.len() as u32;
    let header = [
        &b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0"[..],
        &word(base + start),
        &word(52),
        &word(0),
    ];
    let sizes = [&word(0)[..], b"\x34\0\x20\0\x01\0\0\0\0\0\0\0"];
    let segment = [word(1), word(0), word(base), word(base), word(size), word(size), word(5), word(0x1000)];
    [header.concat(), sizes.concat(), segment.concat(), code].concat()
}

/// Holds: linux.seccomp.architectures
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_another_architecture_need_its_name() {
    let run = |architectures: Value, action: &str| {
        let oci = Oci::new("/bin/short; echo $?", |c| {
            let mut section = only(
                json!({"names": ["write"], "action": action, "args": [{"index": 2, "value": 3, "op": "SCMP_CMP_EQ"}]}),
            );
            section["architectures"] = architectures;
            set(c, &section);
        });
        let path = oci.layer.path().join("bin/short");
        let source = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(source.path(), program_of_32_bits()).expect("program");
        std::fs::set_permissions(source.path(), PermissionsExt::from_mode(0o755)).expect("mode");
        // By another process, as in support::busybox.
        assert!(Command::new("cp").arg("-p").arg(source.path()).arg(path).status().expect("cp").success());
        oci.run().1
    };
    let native = json!(["SCMP_ARCH_X86_64"]);
    let both = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    assert_eq!(run(both.clone(), "SCMP_ACT_ALLOW"), "32\n0\n", "does this kernel run programs of 32 bits?");
    assert_eq!(run(both, "SCMP_ACT_ERRNO"), "0\n", "its write is refused by its own number");
    assert!(run(native, "SCMP_ACT_ALLOW").ends_with("159\n"), "it is killed");
    refuses("linux.seccomp.architectures[0]", |c| {
        c["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_VAX"]);
    });
}

/// Holds: linux.seccomp.flags
#[test]
fn flags_are_taken_and_unknown_ones_named() {
    for flag in ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"] {
        let flags = json!([format!("SECCOMP_FILTER_FLAG_{flag}")]);
        assert_eq!(says("echo ran", |c| c["linux"]["seccomp"]["flags"] = flags), "ran\n");
    }
    let unknown = json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_LOUD"]);
    refuses("linux.seccomp.flags[1]", |c| c["linux"]["seccomp"]["flags"] = unknown);
}

/// Answers each call with ESTALE (116), and prints what it was told, one line a connection.
const AGENT: &str = r#"
import fcntl, json, os, socket, struct, sys, threading
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("up", flush=True)
RECV, SEND = 0xC0502100, 0xC0182101
def answer(fd):
    while True:
        asked = bytearray(80)
        try:
            fcntl.ioctl(fd, RECV, asked)
        except OSError:
            return
        number = struct.unpack_from("Q", asked)[0]
        fcntl.ioctl(fd, SEND, bytearray(struct.pack("QqiI", number, 0, -116, 0)))
while True:
    connection, _ = listening.accept()
    text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
    end = connection.recv(10)
    print(json.dumps({"told": json.loads(text), "fds": len(fds), "ended": end == b""}), flush=True)
    threading.Thread(target=answer, args=(fds[0],), daemon=True).start()
"#;

/// The agent; ended with the handle.
struct Agent(Child, std::io::Lines<BufReader<std::process::ChildStdout>>);

impl Agent {
    fn at(path: &std::path::Path) -> Self {
        let mut command = Command::new("python3");
        let mut child = command
            .args(["-c", AGENT])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let mut agent = BufReader::new(child.stdout.take().expect("output")).lines();
        assert_eq!(agent.next().expect("a line").expect("text"), "up");
        Self(child, agent)
    }

    fn told(&mut self) -> Value {
        serde_json::from_str(&self.1.next().expect("a line").expect("text")).expect("json")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds: linux.seccomp.listenerPath, linux.seccomp.listenerMetadata, linux.seccomp.process-state
#[test]
fn an_agent_answers_for_the_calls_it_is_asked_about() {
    let dir = tempfile::tempdir().expect("folder");
    let socket = dir.path().join("agent");
    let mut agent = Agent::at(&socket);
    let section = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket, "listenerMetadata": "of the test",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"],
        "syscalls": [{"names": ["ioprio_set"], "action": "SCMP_ACT_NOTIFY"}]});
    let stale = "Stale file handle";
    for bound in [true, false] {
        let oci = Oci::new(&format!("{IONICE}; sleep 60"), |c| {
            set(c, &section);
            c["process"]["noNewPrivileges"] = json!(bound);
            c["annotations"] = json!({"k": "v"});
        })
        .started();
        crate::support::oci::eventually("its words", || oci.said().ends_with("1\n"));
        assert!(oci.said().contains(stale), "{}", oci.said());
        let (heard, state) = (agent.told(), oci.state());
        let told = &heard["told"];
        assert_eq!(
            (&heard["fds"], &heard["ended"]),
            (&json!(1), &json!(true)),
            "one state a connection: {heard}"
        );
        assert_eq!((&told["fds"], &told["metadata"]), (&json!(["seccompFd"]), &json!("of the test")));
        assert_eq!((&told["pid"], &told["state"]["pid"]), (&state["pid"], &state["pid"]), "{told}");
        assert_eq!(told["state"]["status"], "creating");
        for same in ["id", "bundle", "annotations", "ociVersion"] {
            assert_eq!(told["state"][same], state[same], "{same}");
        }
        let (_, out, err) = oci.exec(&[], IONICE);
        assert!(out.contains(stale), "{out}{err}");
        let told = agent.told()["told"].clone();
        assert_eq!((&told["state"]["status"], &told["state"]["pid"]), (&json!("running"), &state["pid"]));
        assert_ne!(told["pid"], state["pid"], "the pid is that of the process that was executed");
    }
    // Without anything to ask nobody is called.
    let mut plain = section.clone();
    plain["syscalls"][0]["action"] = json!("SCMP_ACT_LOG");
    plain["listenerPath"] = json!("/no/such/socket");
    assert_eq!(says("echo ran", |c| set(c, &plain)), "ran\n");
}

/// Holds: linux.seccomp.listener-error
#[test]
fn an_agent_that_is_not_there_is_an_error() {
    let section = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/no/such/socket",
        "syscalls": [{"names": ["ioprio_set"], "action": "SCMP_ACT_NOTIFY"}]});
    refuses("linux.seccomp.listenerPath", |c| set(c, &section));
    let changed = |key: &str, value: Value| {
        let mut other = section.clone();
        other[key] = value;
        other
    };
    refuses("linux.seccomp.listenerPath", |c| set(c, &changed("listenerPath", json!(null))));
    let metadata = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"});
    refuses("linux.seccomp.listenerMetadata", |c| set(c, &metadata));
    let all = json!([{"names": ["sendmsg", "ioprio_set"], "action": "SCMP_ACT_NOTIFY"}]);
    refuses("sendmsg has to be allowed", |c| set(c, &changed("syscalls", all)));
}
