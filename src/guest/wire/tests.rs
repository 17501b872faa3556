//! What is sent arrives, and any bytes at all are borne.

use super::*;
use proptest::prelude::*;

fn job() -> impl Strategy<Value = ToGuest> {
    let strings = || prop::collection::vec(any::<String>(), 0..4);
    let net = (any::<[u8; 4]>(), any::<u8>(), any::<[u8; 6]>());
    let rest = (any::<(u32, u32)>(), prop::option::of(net), any::<bool>());
    (strings(), strings(), any::<String>(), rest).prop_map(|(argv, env, cwd, ((uid, gid), net, scratch))| {
        let network = net.map(|(a, prefix, host_mac)| GuestNetwork {
            address: a.into(),
            prefix,
            host: a.into(),
            host_mac,
        });
        let hostname = "h".into();
        let groups = vec![uid];
        let open_files = (1024, 4096);
        let version = VERSION;
        let job = GuestJob {
            version,
            argv,
            env,
            cwd,
            uid,
            gid,
            groups,
            hostname,
            open_files,
            network,
            scratch,
            stdin: !scratch,
            paced: scratch,
            terminal: scratch.then_some((24, 80)),
            read_only: vec!["/".into()],
            hold: !scratch,
        };
        ToGuest::Job(Box::new(job))
    })
}

fn to_guest() -> impl Strategy<Value = ToGuest> {
    let small = prop_oneof![
        any::<i32>().prop_map(ToGuest::Signal),
        Just(ToGuest::AskMemory),
        any::<u64>().prop_map(ToGuest::Echo),
        any::<(u64, [u8; 32])>().prop_map(|(realtime_ns, seed)| ToGuest::Resume { realtime_ns, seed }),
        any::<Vec<u8>>().prop_map(ToGuest::Files),
        any::<(u32, Vec<u8>)>().prop_map(|(id, b)| ToGuest::Input(id, b)),
        any::<(u32, i32)>().prop_map(|(id, n)| ToGuest::SignalExec(id, n)),
        any::<(u32, u32)>().prop_map(|(id, n)| ToGuest::Heard(id, n)),
        any::<(u32, u16, u16)>().prop_map(|(id, r, c)| ToGuest::Size(id, r, c)),
        any::<(u32, Vec<String>)>().prop_map(|(id, argv)| {
            ToGuest::Exec(Box::new(GuestExec { id, argv, ..GuestExec::default() }))
        }),
    ];
    prop_oneof![job(), small]
}

fn to_host() -> impl Strategy<Value = ToHost> {
    prop_oneof![
        any::<u32>().prop_map(ToHost::Hello),
        (1u8..=2, any::<Vec<u8>>()).prop_map(|(fd, b)| ToHost::Output(fd, b)),
        any::<(u64, u64)>().prop_map(|(total_bytes, available_bytes)| ToHost::Memory(GuestMemory {
            total_bytes,
            available_bytes
        })),
        any::<u64>().prop_map(ToHost::Echo),
        any::<i32>().prop_map(ToHost::Exited),
        any::<String>().prop_map(ToHost::Failed),
        (any::<u32>(), 1u8..=2, any::<Vec<u8>>()).prop_map(|(id, fd, b)| ToHost::ExecOutput(id, fd, b)),
        any::<(u32, i32)>().prop_map(|(id, code)| ToHost::ExecEnded(id, code)),
        any::<(u32, String)>().prop_map(|(id, why)| ToHost::ExecFailed(id, why)),
        any::<(u32, u32)>().prop_map(|(id, n)| ToHost::Taken(id, n)),
        Just(ToHost::Held),
    ]
}

/// All messages of `stream`, which arrives in pieces of `piece` bytes.
fn decode<M: Message>(stream: &[u8], piece: usize) -> Result<Vec<M>, WireError> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for bytes in stream.chunks(piece) {
        decoder.feed(bytes);
        while let Some(message) = decoder.take()? {
            all.push(message);
        }
    }
    Ok(all)
}

proptest! {
    #[test]
    fn what_is_sent_arrives(a in prop::collection::vec(to_guest(), 0..5), b in prop::collection::vec(to_host(), 0..5), piece in 1usize..40) {
        let stream: Vec<u8> = a.iter().flat_map(Message::frame).collect();
        prop_assert_eq!(decode::<ToGuest>(&stream, piece).expect("to guest"), a);
        let stream: Vec<u8> = b.iter().flat_map(Message::frame).collect();
        prop_assert_eq!(decode::<ToHost>(&stream, piece).expect("to host"), b);
    }

    #[test]
    fn any_bytes_are_borne(bytes in any::<Vec<u8>>(), kind in any::<u8>(), piece in 1usize..40) {
        let _ = decode::<ToGuest>(&bytes, piece);
        let _ = decode::<ToHost>(&bytes, piece);
        let _ = ToGuest::from_parts(kind, &bytes);
        let _ = ToHost::from_parts(kind, &bytes);
    }
}

#[test]
fn other_versions_and_absurd_lengths_are_refused() {
    let json = br#"{"version":99,"argv":[],"env":[],"cwd":"/","uid":0,"gid":0,"groups":[],"hostname":"","open_files":[1,1],"network":null,"scratch":false,"stdin":false,"terminal":null,"paced":false,"read_only":[],"hold":false}"#;
    let e = ToGuest::from_parts(1, json).expect_err("version 99");
    assert!(e.to_string().contains("version 99"), "{e}");
    let e = decode::<ToHost>(&u32::MAX.to_le_bytes(), 4).expect_err("4 GiB");
    assert!(matches!(e, WireError::Length { .. }), "{e}");
}
