//! `-p [[IP:][HOSTPORT]:]PORT[/tcp|/udp]`, each port also a range `A-B`.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// As it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Of the host; 0.0.0.0: all of its addresses.
    pub address: Ipv4Addr,
    /// 0: any that is free.
    pub host: u16,
    /// In the container.
    pub inside: u16,
    /// See [`Protocol`].
    pub protocol: Protocol,
}

/// As it is: with the host's port settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// See [`Port::address`].
    pub address: Ipv4Addr,
    /// Never 0.
    pub host: u16,
    /// See [`Port::inside`].
    pub inside: u16,
    /// See [`Protocol`].
    pub protocol: Protocol,
}

impl std::fmt::Display for Published {
    /// As podman's `ps` prints it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}->{}/{}", self.address, self.host, self.inside, self.protocol.as_str())
    }
}

/// Who carries published ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The kernel where it can, and the forwarder.
    #[default]
    Auto,
    /// The kernel, by nftables, or it is an error.
    Nftables,
    /// The monitor, in user space.
    Forwarder,
}

impl std::str::FromStr for Carrier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "nftables" => Ok(Self::Nftables),
            "forwarder" => Ok(Self::Forwarder),
            _ => Err(format!("{text:?}: auto, nftables or forwarder")),
        }
    }
}

/// Most ports of one range.
const LONGEST: u16 = 1024;

/// Reads one `-p`.
pub fn parse(text: &str) -> Result<Vec<Port>, String> {
    let bad = |why: &str| format!("{text:?}: {why}; use [[IP:][HOSTPORT]:]PORT[/tcp|/udp]");
    let (rest, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some(_) => return Err(bad("the protocol is tcp or udp")),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let (address, host, inside) = match parts[..] {
        [inside] => ("", "", inside),
        [host, inside] => ("", host, inside),
        [address, host, inside] => (address, host, inside),
        _ => return Err(bad("too many colons")),
    };
    let address = if address.is_empty() { "0.0.0.0" } else { address };
    let address = address.parse().map_err(|_| bad("that is no IPv4 address"))?;
    let (first, last) = range(inside).ok_or_else(|| bad("a port is a number from 1 to 65535"))?;
    let (host_first, host_last) = match host {
        "" => (0, 0),
        host => range(host).ok_or_else(|| bad("a port is a number from 1 to 65535"))?,
    };
    if last - first >= LONGEST {
        return Err(bad("that range is too long"));
    }
    if host_first > 0 && host_last - host_first != last - first {
        return Err(bad("both ranges must be of one length"));
    }
    let host_of = |n: u16| if host_first == 0 { 0 } else { host_first + n };
    Ok((0..=last - first).map(|n| Port { address, host: host_of(n), inside: first + n, protocol }).collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let port = |t: &str| t.parse::<u16>().ok().filter(|p| *p > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((port(first)?, port(last)?)).filter(|(a, b)| a <= b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let one = |t: &str| {
            let all = parse(t).expect(t);
            assert_eq!(all.len(), 1, "{t}");
            (all[0].address.to_string(), all[0].host, all[0].inside, all[0].protocol)
        };
        let all = || "0.0.0.0".to_owned();
        assert_eq!(one("80"), (all(), 0, 80, Protocol::Tcp));
        assert_eq!(one("8080:80"), (all(), 8080, 80, Protocol::Tcp));
        assert_eq!(one("127.0.0.1:53:53/udp"), ("127.0.0.1".into(), 53, 53, Protocol::Udp));
        assert_eq!(one("127.0.0.1::80"), ("127.0.0.1".into(), 0, 80, Protocol::Tcp));
        let pairs: Vec<_> =
            parse("8000-8002:80-82").expect("range").iter().map(|p| (p.host, p.inside)).collect();
        assert_eq!(pairs, [(8000, 80), (8001, 81), (8002, 82)]);
        for bad in ["", "0", "x", "1:2:3:4", "70000", "80/sctp", "host:1:2", "1-3:1-2", "3-1", "1-60000"] {
            let e = parse(bad).expect_err(bad);
            assert!(e.contains("HOSTPORT"), "{e}");
        }
    }
}
