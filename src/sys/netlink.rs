//! The few requests of rtnetlink(7) that a run's network needs, on the calling thread's network namespace.
//!
//! Own code, because it is one message format and seven requests; the crates for it are for asynchronous programs or
//! bring the whole protocol.

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socket};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket.
    #[error("netlink socket")]
    Socket(#[source] std::io::Error),
    /// No link of this name.
    #[error("no network link {name}")]
    NoLink {
        /// Its name.
        name: String,
    },
    /// The kernel refused.
    #[error("{request} {name}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// Of which link.
        name: String,
        /// The kernel's reason.
        source: std::io::Error,
    },
}

// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const RTA_GATEWAY: u16 = 5;
const NUD_PERMANENT: u16 = 0x80;
const NLM_REQUEST_ACK: u16 = 0x1 | 0x4;
const NLM_CREATE: u16 = 0x400;
const NLM_EXCL: u16 = 0x200;

/// A request being put together: header of 16 bytes, body, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut m = Self(vec![0u8; 16]);
        m.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        m.0[6..8].copy_from_slice(&(NLM_REQUEST_ACK | flags).to_ne_bytes());
        m
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// struct ifinfomsg.
    fn link(self, index: u32, flags: u32, change: u32) -> Self {
        let head = self.bytes(&[0, 0, 0, 0]).bytes(&index.to_ne_bytes());
        head.bytes(&flags.to_ne_bytes()).bytes(&change.to_ne_bytes())
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let at = self.open(kind);
        self.0.extend_from_slice(value);
        self.close(at);
        self
    }

    fn open(&mut self, kind: u16) -> usize {
        let at = self.0.len();
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        at
    }

    /// Sets the length of the attribute opened at `at` and pads to four bytes.
    fn close(&mut self, at: usize) {
        let length = (self.0.len() - at) as u16;
        self.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
    }

    fn send(mut self, request: &'static str, name: &str) -> Result<(), NetlinkError> {
        let length = self.0.len() as u32;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        let refused = |source| NetlinkError::Refused { request, name: name.to_owned(), source };
        let fd: OwnedFd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|e| NetlinkError::Socket(e.into()))?;
        send(fd.as_raw_fd(), &self.0, MsgFlags::empty()).map_err(|e| NetlinkError::Socket(e.into()))?;
        let mut reply = [0u8; 4096];
        let n = recv(fd.as_raw_fd(), &mut reply, MsgFlags::empty())
            .map_err(|e| NetlinkError::Socket(e.into()))?;
        // The acknowledgement is NLMSG_ERROR (2): header, then minus errno or 0.
        if n < 20 || u16::from_ne_bytes([reply[4], reply[5]]) != 2 {
            return Err(refused(std::io::Error::other("unexpected answer of the kernel")));
        }
        match i32::from_ne_bytes([reply[16], reply[17], reply[18], reply[19]]) {
            0 => Ok(()),
            e => Err(refused(std::io::Error::from_raw_os_error(-e))),
        }
    }
}

fn index(name: &str) -> Result<u32, NetlinkError> {
    let missing = |_| NetlinkError::NoLink { name: name.to_owned() };
    nix::net::if_::if_nametoindex(name).map_err(missing)
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// Sets a link up.
pub fn set_up(name: &str) -> Result<(), NetlinkError> {
    let up = libc::IFF_UP as u32;
    Message::new(RTM_NEWLINK, 0).link(index(name)?, up, up).send("set up link", name)
}

/// Sets up the loopback link of a new network namespace, which is always its first (net/core/dev.c, dev_index_reserve).
pub fn set_up_loopback() -> Result<(), NetlinkError> {
    let up = libc::IFF_UP as u32;
    Message::new(RTM_NEWLINK, 0).link(1, up, up).send("set up link", "lo")
}

/// Makes a veth pair: `name` here, `peer` in the namespace `peer_namespace`.
pub fn create_veth(name: &str, peer: &str, peer_namespace: BorrowedFd) -> Result<(), NetlinkError> {
    let mut m = Message::new(RTM_NEWLINK, NLM_CREATE | NLM_EXCL).link(0, 0, 0);
    m = m.attribute(IFLA_IFNAME, &terminated(name));
    let info = m.open(IFLA_LINKINFO);
    m = m.attribute(IFLA_INFO_KIND, b"veth");
    let data = m.open(IFLA_INFO_DATA);
    let far = m.open(VETH_INFO_PEER);
    m = m.link(0, 0, 0).attribute(IFLA_IFNAME, &terminated(peer));
    m = m.attribute(IFLA_NET_NS_FD, &peer_namespace.as_raw_fd().to_ne_bytes());
    for at in [far, data, info] {
        m.close(at);
    }
    m.send("create veth pair", name)
}

/// Makes a bridge.
pub fn create_bridge(name: &str) -> Result<(), NetlinkError> {
    let mut m = Message::new(RTM_NEWLINK, NLM_CREATE | NLM_EXCL).link(0, 0, 0);
    m = m.attribute(IFLA_IFNAME, &terminated(name));
    let info = m.open(IFLA_LINKINFO);
    m = m.attribute(IFLA_INFO_KIND, b"bridge");
    m.close(info);
    m.send("create bridge", name)
}

/// Makes a link a port of a bridge.
pub fn set_master(name: &str, bridge: &str) -> Result<(), NetlinkError> {
    Message::new(RTM_NEWLINK, 0)
        .link(index(name)?, 0, 0)
        .attribute(IFLA_MASTER, &index(bridge)?.to_ne_bytes())
        .send("add to a bridge", name)
}

/// Makes a tap device that goes when its descriptor is closed.
pub fn create_tap(name: &str) -> Result<OwnedFd, NetlinkError> {
    super::tap::create(name).map_err(|source| NetlinkError::Refused {
        request: "create tap",
        name: name.into(),
        source,
    })
}

/// Deletes a link (of a veth pair, both).
pub fn delete_link(name: &str) -> Result<(), NetlinkError> {
    Message::new(RTM_DELLINK, 0).link(index(name)?, 0, 0).send("delete link", name)
}

/// Sets a link's hardware address.
pub fn set_mac(name: &str, mac: [u8; 6]) -> Result<(), NetlinkError> {
    Message::new(RTM_NEWLINK, 0)
        .link(index(name)?, 0, 0)
        .attribute(IFLA_ADDRESS, &mac)
        .send("set address of", name)
}

/// Adds an IPv4 address.
pub fn add_address(name: &str, address: Ipv4Addr, prefix: u8) -> Result<(), NetlinkError> {
    let head = [libc::AF_INET as u8, prefix, 0, 0];
    let m = Message::new(RTM_NEWADDR, NLM_CREATE | NLM_EXCL).bytes(&head).bytes(&index(name)?.to_ne_bytes());
    m.attribute(IFA_LOCAL, &address.octets())
        .attribute(IFA_ADDRESS, &address.octets())
        .send("add address to", name)
}

/// Adds a neighbour that is never asked for and never forgotten.
pub fn add_neighbour_permanent(name: &str, address: Ipv4Addr, mac: [u8; 6]) -> Result<(), NetlinkError> {
    let head = [libc::AF_INET as u8, 0, 0, 0];
    let m = Message::new(RTM_NEWNEIGH, NLM_CREATE).bytes(&head).bytes(&index(name)?.to_ne_bytes());
    let m = m.bytes(&NUD_PERMANENT.to_ne_bytes()).bytes(&[0, 0]);
    m.attribute(NDA_DST, &address.octets()).attribute(NDA_LLADDR, &mac).send("add neighbour to", name)
}

/// Adds the default route by way of `gateway`.
pub fn add_default_route(gateway: Ipv4Addr) -> Result<(), NetlinkError> {
    // struct rtmsg: family, lengths, tos, table main (254), protocol boot (3), scope universe (0), unicast (1), flags.
    let head = [libc::AF_INET as u8, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    let m = Message::new(RTM_NEWROUTE, NLM_CREATE | NLM_EXCL).bytes(&head);
    m.attribute(RTA_GATEWAY, &gateway.octets()).send("add route by", &gateway.to_string())
}
