//! Networks of containers: a bridge each, in a network namespace of its own, the *switch*.
//!
//! Monitors of a network's members hold the switch by a descriptor; with the last of them it is gone, and the kernel
//! removes bridge and links. Members reach each other by address and, through /etc/hosts, by name; from the host they
//! are reached by published ports: the kernel carries them where there is nftables ([`nft`]), by a link and a table of
//! our own, and a [`forward`]er in user space where there is none. There is no way out to other hosts: `--network host`
//! is for that. No link, address or rule of the host's own is touched.

pub mod forward;
mod hosts;
mod namespace;
pub mod nft;
mod switch;
mod uplink;

pub use hosts::{text as hosts_text, update as update_hosts};
pub use namespace::{inside, new_namespace, of_process};
pub use switch::{Joined, join, join_tap, rejoin};

use std::net::Ipv4Addr;

/// Of every network; they are apart, so they may have the same addresses.
pub const PREFIX: u8 = 16;
/// The bridge's.
pub const BRIDGE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The bridge's.
pub const BRIDGE_MAC: [u8; 6] = [0x02, 0x74, 10, 88, 0, 1];

/// Hardware address of a member, made of its address.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x74, a, b, c, d]
}
