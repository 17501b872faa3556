//! /etc/hosts of a network's members, by which they find each other.

use super::switch::members;
use crate::life::error::{LifeError, io};
use crate::life::folder::{Folder, Root};
use crate::life::spec::{NetworkMode, Spec};
use crate::life::state::State;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;

const LOOPBACK: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// The file: loopback, oneself, the others.
pub fn text(own: &Spec, address: Option<Ipv4Addr>, others: &[(Folder, Spec, State)]) -> String {
    let mut text = LOOPBACK.to_owned();
    let mut line = |address: Ipv4Addr, spec: &Spec| {
        let mut names = vec![spec.name.as_str()];
        for more in [spec.hostname.as_str(), spec.short_id()] {
            if !names.contains(&more) {
                names.push(more);
            }
        }
        text += &format!("{address}\t{}\n", names.join(" "));
    };
    line(address.unwrap_or(Ipv4Addr::LOCALHOST), own);
    for (_, spec, state) in others.iter().filter(|(_, s, _)| s.id != own.id) {
        if let Some(address) = state.address {
            line(address, spec);
        }
    }
    text
}

/// Writes the files of all members of a network anew, under the root's lock.
pub fn update(root: &Root, network: &NetworkMode) -> Result<(), LifeError> {
    let NetworkMode::Bridge(name) = network else { return Ok(()) };
    let _held = root.lock()?;
    let all = members(root, name)?;
    for (folder, spec, state) in &all {
        let path = folder.file("hosts");
        let new = text(spec, state.address, &all);
        // The same inode, because it is bound into the container: overwritten first, cut afterwards, so that no reader
        // sees an empty file.
        let write = || -> std::io::Result<()> {
            let file = File::options().write(true).create(true).truncate(false).open(&path)?;
            file.write_all_at(new.as_bytes(), 0)?;
            file.set_len(new.len() as u64)
        };
        write().map_err(io("write", &path))?;
    }
    Ok(())
}
