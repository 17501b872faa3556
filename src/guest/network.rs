//! The guest's links.

use super::error::{GuestError, failed};
use super::wire::GuestNetwork;
use crate::sys::{loopback, netlink};

/// Sets up `lo`, and `eth0` where there is one.
pub(super) fn set_up(network: Option<&GuestNetwork>) -> Result<(), GuestError> {
    loopback::set_up().map_err(failed("set up", "lo"))?;
    let Some(n) = network else { return Ok(()) };
    step("the address of eth0", netlink::add_address("eth0", n.address, n.prefix))?;
    step("eth0", netlink::set_up("eth0"))?;
    step("the host's address", netlink::add_neighbour_permanent("eth0", n.host, n.host_mac))
}

fn step(on: &str, result: Result<(), netlink::NetlinkError>) -> Result<(), GuestError> {
    result.map_err(|e| failed("set up", on)(std::io::Error::other(e)))
}
