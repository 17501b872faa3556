//! The network of a session and of its runs.
//!
//! The harness and everything that it starts live in a network namespace of the session: no link, address or route of
//! the host is touched, and all of it is gone with the last process, even after `kill -9`.

use super::error::TargetError;
use super::place::{Undo, UndoStep};
use crate::sys::netlink;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

/// Addresses of RFC 2544, set aside for benchmarks; seen inside the session's namespace only.
pub const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The container's or the guest's.
pub const RUN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Of both.
pub const PREFIX: u8 = 30;
/// Locally administered; fixed, so that neither side has to ask for the other's.
pub const HOST_MAC: [u8; 6] = [0x02, 0x74, 0x61, 0x72, 0x65, 0x01];
/// As above.
pub const RUN_MAC: [u8; 6] = [0x02, 0x74, 0x61, 0x72, 0x65, 0x02];
const HOST_LINK: &str = "tare0";

fn step<T>(step: &'static str, result: Result<T, netlink::NetlinkError>) -> Result<T, TargetError> {
    result.map_err(|source| TargetError::Network { step, source })
}

/// A veth pair whose far end, `eth0`, is configured inside a fresh network namespace.
pub fn veth(undo: &mut Undo) -> Result<OwnedFd, TargetError> {
    let namespace = fresh_namespace()?;
    step("create a veth pair", netlink::create_veth(HOST_LINK, "eth0", namespace.as_fd()))?;
    undo.push(UndoStep::DeleteLink(HOST_LINK.to_owned()));
    configure(HOST_LINK, HOST_MAC, HOST_ADDRESS, RUN_ADDRESS, RUN_MAC)?;
    inside(namespace.as_fd(), || {
        step("set lo up", netlink::set_up("lo"))?;
        configure("eth0", RUN_MAC, RUN_ADDRESS, HOST_ADDRESS, HOST_MAC)
    })?;
    Ok(namespace)
}

/// A tap device for a machine. It goes when its descriptor is closed.
pub fn tap() -> Result<OwnedFd, TargetError> {
    let tap = step("create a tap device", netlink::create_tap(HOST_LINK))?;
    configure(HOST_LINK, HOST_MAC, HOST_ADDRESS, RUN_ADDRESS, RUN_MAC)?;
    Ok(tap)
}

/// A tap device that lasts without a descriptor, for a program that opens it by its name as `user`.
pub fn lasting_tap(user: u32, undo: &mut Undo) -> Result<&'static str, TargetError> {
    let tap = tap()?;
    let lasting = crate::sys::tap::make_last(&tap, user);
    lasting.map_err(|source| TargetError::System { step: "make the tap device last", source })?;
    undo.push(UndoStep::DeleteLink(HOST_LINK.to_owned()));
    Ok(HOST_LINK)
}

fn configure(
    link: &str,
    mac: [u8; 6],
    address: Ipv4Addr,
    peer: Ipv4Addr,
    peer_mac: [u8; 6],
) -> Result<(), TargetError> {
    step("set the hardware address", netlink::set_mac(link, mac))?;
    step("add the address", netlink::add_address(link, address, PREFIX))?;
    step("set the link up", netlink::set_up(link))?;
    // Without it the first packets to a guest that is still booting wait a second for an answer to an ARP request,
    // and every start would be rounded up to that.
    step("add the neighbour", netlink::add_neighbour_permanent(link, peer, peer_mac))
}

/// Runs `f` on a thread that has entered `namespace`.
fn inside<T: Send>(
    namespace: std::os::fd::BorrowedFd,
    f: impl FnOnce() -> Result<T, TargetError> + Send,
) -> Result<T, TargetError> {
    std::thread::scope(|scope| {
        let entered = scope.spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).map_err(|e| {
                TargetError::System { step: "enter the run's network namespace", source: e.into() }
            })?;
            f()
        });
        entered.join().unwrap_or_else(|_| Err(panicked()))
    })
}

/// A network namespace held by a descriptor alone.
fn fresh_namespace() -> Result<OwnedFd, TargetError> {
    let made = std::thread::spawn(|| -> Result<OwnedFd, TargetError> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .map_err(|e| TargetError::System { step: "make a network namespace", source: e.into() })?;
        let path = std::path::Path::new("/proc/thread-self/ns/net");
        let file = std::fs::File::open(path).map_err(super::error::io("open", path))?;
        Ok(file.into())
    });
    made.join().unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> TargetError {
    TargetError::System { step: "network thread", source: std::io::Error::other("panicked") }
}
