//! Published ports by nftables: the kernel carries them, by a table of the container's own, which goes with it.
//!
//! ```text
//! client ─▶ host:8080 ─ table taremark-…  ─▶ uplink ─▶ switch:8080 ─ table of the same name ─▶ member:80
//!                       dnat, masquerade                              dnat, masquerade
//! ```
//!
//! The forwarder ([`super::forward`]) holds the same ports and carries what no rule takes: what comes from other hosts
//! where this one forwards nothing (`net.ipv4.ip_forward`, which is the administrator's), and everything once somebody
//! has flushed the rules. No other table is read or changed.

use super::namespace::inside;
use super::uplink::{Uplink, uplink};
use crate::life::error::{LifeError, system};
use crate::life::folder::{Folder, Root};
use crate::life::ports::Published;
use crate::life::spec::Spec;
use crate::life::state::{State, Status};
use std::fmt::Write as _;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::process::{Command, Stdio};

/// Of all tables of one root of containers.
fn prefix(root: &std::path::Path) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(root.as_os_str().as_encoded_bytes());
    format!("taremark-{}-", hex::encode(&digest[..4]))
}

fn table_of(root: &Root, spec: &Spec) -> String {
    format!("{}{}", prefix(root.path()), spec.short_id())
}

fn table(folder: &Folder, spec: &Spec) -> String {
    table_of(&folder.root(), spec)
}

/// The others of its network that run.
fn others(root: &Root, spec: &Spec) -> Result<Vec<(Spec, State)>, LifeError> {
    let of_network = root.all()?.into_iter().filter(|(_, s)| s.network == spec.network && s.id != spec.id);
    let with_state = of_network.filter_map(|(folder, s)| folder.state().ok().map(|state| (s, state)));
    Ok(with_state.filter(|(_, state)| state.status != Status::Exited).collect())
}

/// Runs `nft` on the thread's namespace. None: there is no such program.
fn nft(arguments: &[&str], script: &str) -> Result<Option<String>, LifeError> {
    let Ok(program) = crate::target::lookup::host_program("nft") else { return Ok(None) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(system("start nft"))?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().map_err(system("wait for nft"))?;
    if output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
    Err(system("have nft make rules")(std::io::Error::other(said)))
}

/// Makes the rules; false where there is no nft. Under the root's lock.
pub fn publish(
    folder: &Folder,
    spec: &Spec,
    ports: &[Published],
    address: Ipv4Addr,
    switch: BorrowedFd,
) -> Result<bool, LifeError> {
    if ports.is_empty() || crate::target::lookup::host_program("nft").is_err() {
        return Ok(false);
    }
    let root = folder.root();
    let _held = root.lock()?;
    let others = others(&root, spec)?;
    let same = |p: &Published| ports.iter().any(|o| (o.host, o.protocol) == (p.host, p.protocol));
    if others.iter().any(|(_, s)| s.ports.iter().any(same)) {
        // One port on two addresses of the host: the switch sees the port alone, and could not tell whose it is.
        return Ok(false);
    }
    let uplink = uplink(switch)?;
    let name = table(folder, spec);
    let forwards = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|f| f.trim() == "1");
    inside(switch, || {
        // What a killed monitor's container has left there would take this one's connections.
        let live: Vec<String> = others.iter().map(|(other, _)| table_of(&root, other)).collect();
        for old in tables("taremark-")?.into_iter().filter(|t| !live.contains(t)) {
            remove_table(&old)?;
        }
        nft(&["-f", "-"], &in_switch(&name, ports, address))
    })?;
    Ok(nft(&["-f", "-"], &on_host(&name, ports, &uplink, forwards))?.is_some())
}

fn on_host(table: &str, ports: &[Published], uplink: &Uplink, forwards: bool) -> String {
    let mut text = fresh(table);
    let mut hooks = vec![("output", "output", "-100")];
    if forwards {
        hooks.push(("prerouting", "prerouting", "dstnat"));
    }
    for (chain, hook, priority) in hooks {
        let _ =
            writeln!(text, "add chain ip {table} {chain} {{ type nat hook {hook} priority {priority}; }}");
        // Nothing that comes from outside is for a loopback address.
        for p in ports.iter().filter(|p| hook == "output" || !p.address.is_loopback()) {
            let to = if p.address.is_unspecified() {
                "fib daddr type local".to_owned()
            } else {
                format!("ip daddr {}", p.address)
            };
            let (protocol, port, switch) = (p.protocol.as_str(), p.host, uplink.switch);
            let _ = writeln!(
                text,
                "add rule ip {table} {chain} {to} {protocol} dport {port} dnat to {switch}:{port}"
            );
        }
    }
    let _ =
        writeln!(text, "add chain ip {table} postrouting {{ type nat hook postrouting priority srcnat; }}");
    let _ = writeln!(text, "add rule ip {table} postrouting oifname {:?} masquerade", uplink.link);
    text
}

/// In a switch, before it forwards anything: published ports and what answers them, and nothing else. A machine's root,
/// or whoever may send packets of his own making, would find a way to the host and through it otherwise.
pub fn guard() -> Result<(), LifeError> {
    let chain = "add chain ip taremark forward { type filter hook forward priority filter; policy drop; }";
    let rule = "add rule ip taremark forward ct status dnat accept";
    nft(&["-f", "-"], &format!("{}{chain}\n{rule}\n", fresh("taremark"))).map(drop)
}

/// Members have no way out, so they answer the switch. From within, its own address leads to published ports as well.
fn in_switch(table: &str, ports: &[Published], address: Ipv4Addr) -> String {
    let mut text = fresh(table);
    let _ = writeln!(text, "add chain ip {table} prerouting {{ type nat hook prerouting priority dstnat; }}");
    for p in ports {
        let (protocol, port, inside) = (p.protocol.as_str(), p.host, p.inside);
        let _ = writeln!(
            text,
            "add rule ip {table} prerouting fib daddr type local {protocol} dport {port} dnat to {address}:{inside}"
        );
    }
    let _ =
        writeln!(text, "add chain ip {table} postrouting {{ type nat hook postrouting priority srcnat; }}");
    let _ = writeln!(text, "add rule ip {table} postrouting ct status dnat masquerade");
    text
}

/// The table, empty, whether it was there or not.
fn fresh(table: &str) -> String {
    format!("add table ip {table}\ndelete table ip {table}\nadd table ip {table}\n")
}

/// Names of the tables that begin so.
fn tables(prefix: &str) -> Result<Vec<String>, LifeError> {
    let listed = nft(&["list", "tables", "ip"], "")?.unwrap_or_default();
    let names = listed.lines().filter_map(|l| l.strip_prefix("table ip ")).map(str::trim);
    Ok(names.filter(|n| n.starts_with(prefix)).map(str::to_owned).collect())
}

fn remove_table(name: &str) -> Result<(), LifeError> {
    nft(&["-f", "-"], &format!("add table ip {name}\ndelete table ip {name}\n")).map(drop)
}

/// At a container's end; `switch` where it is still held.
pub fn unpublish(folder: &Folder, spec: &Spec, switch: Option<BorrowedFd>) -> Result<(), LifeError> {
    let name = table(folder, spec);
    if let Some(switch) = switch {
        inside(switch, || remove_table(&name))?;
    }
    remove_table(&name)
}

/// Removes tables of containers of `root` that are gone, folder and all; their names. For `doctor --clean`.
pub fn sweep(root: &Root) -> Result<Vec<String>, LifeError> {
    let _held = root.lock()?;
    let prefix = prefix(root.path());
    let all = root.all()?;
    let known = |table: &str| all.iter().any(|(_, s)| table.strip_prefix(&prefix) == Some(s.short_id()));
    let mut removed = tables(&prefix)?;
    removed.retain(|t| !known(t));
    removed.iter().try_for_each(|t| remove_table(t))?;
    Ok(removed)
}
