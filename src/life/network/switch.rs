//! Joining a network.

use super::namespace::{inside, new_namespace};
use super::{BRIDGE_ADDRESS, BRIDGE_MAC, PREFIX, mac_of};
use crate::life::error::{LifeError, network, system};
use crate::life::folder::{Folder, Root};
use crate::life::spec::{NetworkMode, Spec};
use crate::life::state::{State, Status};
use crate::sys::netlink;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const BRIDGE: &str = "br0";
/// Lowest number of a monitor's descriptor of the switch, above those that children get.
const ABOVE: i32 = 100;

/// A member's place in a network.
#[derive(Debug)]
pub struct Joined {
    /// Its address.
    pub address: Ipv4Addr,
    /// The namespace with the bridge.
    pub switch: OwnedFd,
}

/// The others of a network: those that run, or are about to.
pub(super) fn members(root: &Root, name: &str) -> Result<Vec<(Folder, Spec, State)>, LifeError> {
    let wanted = NetworkMode::Bridge(name.to_owned());
    let all = root.all()?.into_iter().filter(|(_, spec)| spec.network == wanted);
    let with_state = all.filter_map(|(folder, spec)| folder.state().ok().map(|state| (folder, spec, state)));
    Ok(with_state.filter(|(_, _, s)| s.status != Status::Exited && s.address.is_some()).collect())
}

/// The switch as one of the monitors holds it.
fn found(members: &[(Folder, Spec, State)]) -> Option<OwnedFd> {
    let living = members.iter().filter(|(_, _, s)| s.monitor.is_alive());
    let paths = living.filter_map(|(_, _, s)| Some(format!("/proc/{}/fd/{}", s.monitor.pid, s.switch_fd?)));
    paths.filter_map(|p| std::fs::File::open(p).ok()).map(OwnedFd::from).next()
}

fn made() -> Result<OwnedFd, LifeError> {
    new_namespace(|| {
        netlink::set_up("lo").map_err(network("set lo up"))?;
        netlink::create_bridge(BRIDGE).map_err(network("make the network's bridge"))?;
        netlink::set_mac(BRIDGE, BRIDGE_MAC).map_err(network("set the bridge's hardware address"))?;
        netlink::add_address(BRIDGE, BRIDGE_ADDRESS, PREFIX).map_err(network("set the bridge's address"))?;
        netlink::set_up(BRIDGE).map_err(network("set the bridge up"))
    })
}

fn free(members: &[(Folder, Spec, State)]) -> Result<Ipv4Addr, LifeError> {
    let first = u32::from(BRIDGE_ADDRESS) + 1;
    let last = first + 65_000;
    let taken = |a: &Ipv4Addr| members.iter().any(|(_, _, s)| s.address == Some(*a));
    let found = (first..last).map(Ipv4Addr::from).find(|a| !taken(a));
    found.ok_or_else(|| system("find a free address")(std::io::Error::from(std::io::ErrorKind::AddrInUse)))
}

/// Finds or makes the switch and settles the address, in `state`, which is saved before anybody else may join.
fn take_place<T>(
    folder: &Folder,
    name: &str,
    state: &mut State,
    connect: impl FnOnce(&Joined) -> Result<T, LifeError>,
) -> Result<(Joined, T), LifeError> {
    let root = folder.root();
    let _held = root.lock()?;
    let mut others = members(&root, name)?;
    others.retain(|(other, _, _)| other.path() != folder.path());
    let switch = match found(&others) {
        Some(switch) => switch,
        None => made()?,
    };
    let switch = rustix::io::fcntl_dupfd_cloexec(&switch, ABOVE).map_err(system("keep the network"))?;
    let address = match state.address {
        Some(address) => address,
        None => free(&others)?,
    };
    let joined = Joined { address, switch };
    let connected = connect(&joined)?;
    state.address = Some(address);
    state.switch_fd = Some(joined.switch.as_raw_fd());
    folder.save(state)?;
    Ok((joined, connected))
}

/// Name of a member's link at the bridge.
fn link_of(address: Ipv4Addr) -> String {
    let [_, _, c, d] = address.octets();
    format!("m{c}-{d}")
}

fn plug(joined: &Joined, make: impl FnOnce(&str) -> Result<(), LifeError> + Send) -> Result<(), LifeError> {
    let link = link_of(joined.address);
    inside(joined.switch.as_fd(), || {
        // A link of a member that died a moment ago may not be gone yet.
        let _ = netlink::delete_link(&link);
        make(&link)?;
        netlink::set_master(&link, BRIDGE).map_err(network("add to the bridge"))?;
        netlink::set_up(&link).map_err(network("set the link up"))
    })
}

fn connect(joined: &Joined, namespace: BorrowedFd) -> Result<(), LifeError> {
    let address = joined.address;
    plug(joined, |link| netlink::create_veth(link, "eth0", namespace).map_err(network("make a veth pair")))?;
    inside(namespace, || {
        netlink::set_up("lo").map_err(network("set lo up"))?;
        netlink::set_mac("eth0", mac_of(address)).map_err(network("set the hardware address"))?;
        netlink::add_address("eth0", address, PREFIX).map_err(network("set the address"))?;
        netlink::set_up("eth0").map_err(network("set eth0 up"))
    })
}

/// Gives `namespace` an `eth0` in the network.
pub fn join(
    folder: &Folder,
    name: &str,
    state: &mut State,
    namespace: BorrowedFd,
) -> Result<Joined, LifeError> {
    let (joined, ()) = take_place(folder, name, state, |joined| connect(joined, namespace))?;
    told(folder, name)?;
    Ok(joined)
}

/// Before the workload starts: it finds the others, and they find it.
fn told(folder: &Folder, name: &str) -> Result<(), LifeError> {
    super::update_hosts(&folder.root(), &NetworkMode::Bridge(name.to_owned()))
}

/// For a monitor that takes over: as before, or, where the network had died with the last monitor, once more.
pub fn rejoin(
    folder: &Folder,
    name: &str,
    state: &mut State,
    namespace: BorrowedFd,
) -> Result<Joined, LifeError> {
    let again = |joined: &Joined| {
        let link = link_of(joined.address);
        let there =
            inside(joined.switch.as_fd(), || Ok(nix::net::if_::if_nametoindex(link.as_str()).is_ok()))?;
        if there {
            return Ok(());
        }
        // A namespace goes some time after its last descriptor: what is left of the old link may still be there.
        let _ = inside(namespace, || netlink::delete_link("eth0").map_err(network("delete eth0")));
        connect(joined, namespace)
    };
    let (joined, ()) = take_place(folder, name, state, again)?;
    told(folder, name)?;
    Ok(joined)
}

/// A tap device in the network, for a machine.
pub fn join_tap(folder: &Folder, name: &str, state: &mut State) -> Result<(Joined, OwnedFd), LifeError> {
    let (joined, tap) = take_place(folder, name, state, |joined| {
        let mut tap = None;
        plug(joined, |link| {
            tap = Some(netlink::create_tap(link).map_err(network("make a tap device"))?);
            Ok(())
        })?;
        tap.ok_or_else(|| system("make a tap device")(std::io::Error::other("none was made")))
    })?;
    told(folder, name)?;
    Ok((joined, tap))
}
