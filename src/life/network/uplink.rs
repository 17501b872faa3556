//! The way from the host into a network, for published ports that the kernel forwards: a veth pair between the host and
//! the network's switch. It goes with the switch, whatever dies.

use super::namespace::inside;
use crate::life::error::{LifeError, io, network, system};
use crate::sys::netlink::{self, NetlinkError};
use nix::ifaddrs::getifaddrs;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The switch's end.
const FAR: &str = "up0";
/// Two addresses.
const PREFIX: u8 = 31;
/// For a name that others take, too.
const TRIES: u32 = 100;

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// Name of the host's end.
    pub link: String,
    /// Address of the switch's end, as the host sees it.
    pub switch: Ipv4Addr,
}

/// Addresses of this thread's namespace, with their links.
fn addresses() -> Result<Vec<(String, Ipv4Addr)>, LifeError> {
    let all = getifaddrs().map_err(system("list addresses"))?;
    let of = |a: nix::ifaddrs::InterfaceAddress| {
        let address = a.address?.as_sockaddr_in().map(|s| s.ip())?;
        Some((a.interface_name, address))
    };
    Ok(all.filter_map(of).collect())
}

/// Finds or makes the uplink of `switch`, from the thread's own namespace. Under the root's lock.
pub fn uplink(switch: BorrowedFd) -> Result<Uplink, LifeError> {
    let there = inside(switch, || Ok(addresses()?.into_iter().find(|(name, _)| name == FAR)))?;
    if let Some((_, address)) = there {
        let link = link_of(address);
        if nix::net::if_::if_nametoindex(link.as_str()).is_ok() {
            return Ok(Uplink { link, switch: address });
        }
        // Its other end is in a namespace that is not ours: the forwarder has to do.
        return Err(system("find the network's uplink")(std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    inside(switch, super::nft::guard)?;
    let (link, host, far) = make(switch)?;
    inside(switch, || {
        netlink::add_address(FAR, far, PREFIX).map_err(network("set the uplink's address"))?;
        netlink::set_up(FAR).map_err(network("set the uplink up"))?;
        // In the switch, which is a namespace of our own.
        sysctl("net/ipv4/ip_forward", "1")?;
        // Otherwise what a member sends to itself by the switch's address is bridged back where it came from, and lost.
        let bridged = "net/bridge/bridge-nf-call-iptables";
        if Path::new("/proc/sys").join(bridged).exists() { sysctl(bridged, "0") } else { Ok(()) }
    })?;
    netlink::add_address(&link, host, PREFIX).map_err(network("set the uplink's address"))?;
    netlink::set_up(&link).map_err(network("set the uplink up"))?;
    // For what comes from 127.0.0.1; of this link alone, which is ours.
    sysctl(&format!("net/ipv4/conf/{link}/route_localnet"), "1")?;
    Ok(Uplink { link, switch: far })
}

/// The pair, by a name that no other root of containers has taken meanwhile: each has a lock of its own, and the name stands
/// for the addresses. The host's end, its address, and the other end's.
fn make(switch: BorrowedFd) -> Result<(String, Ipv4Addr, Ipv4Addr), LifeError> {
    let here = Path::new("/proc/thread-self/ns/net");
    let here = std::fs::File::open(here).map_err(io("open", here))?;
    let mut tries = 0;
    loop {
        let (host, far) = free(&addresses()?)?;
        let link = link_of(far);
        let made = inside(switch, || Ok(netlink::create_veth(FAR, &link, std::os::fd::AsFd::as_fd(&here))))?;
        match made {
            Ok(()) => return Ok((link, host, far)),
            Err(NetlinkError::Refused { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists && tries < TRIES =>
            {
                tries += 1;
            }
            Err(e) => return Err(network("make the uplink")(e)),
        }
    }
}

fn sysctl(name: &str, value: &str) -> Result<(), LifeError> {
    let path = Path::new("/proc/sys").join(name);
    std::fs::write(&path, value).map_err(io("write", &path))
}

fn link_of(far: Ipv4Addr) -> String {
    let [_, _, c, d] = far.octets();
    format!("tare{c}-{d}")
}

/// A pair of link-local addresses (RFC 3927) that no link has: the host's, and the switch's.
fn free(taken: &[(String, Ipv4Addr)]) -> Result<(Ipv4Addr, Ipv4Addr), LifeError> {
    let pairs = (1..=254u8).flat_map(|c| (0..=254u8).step_by(2).map(move |d| (c, d)));
    let addresses = pairs.map(|(c, d)| (Ipv4Addr::new(169, 254, c, d), Ipv4Addr::new(169, 254, c, d + 1)));
    // A link that is being made has its name before it has its address.
    let is_named = |far: Ipv4Addr| nix::net::if_::if_nametoindex(link_of(far).as_str()).is_ok();
    let is_free =
        |(a, b): &(Ipv4Addr, Ipv4Addr)| !taken.iter().any(|(_, t)| t == a || t == b) && !is_named(*b);
    addresses.into_iter().find(is_free).ok_or_else(|| {
        system("find a free pair of addresses")(std::io::Error::from(std::io::ErrorKind::AddrInUse))
    })
}
