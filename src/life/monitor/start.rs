//! Starts a workload on its target, or takes one over.

use super::{Body, End, container, machine_body, process, stdio};
use crate::image::Image;
use crate::image::store::Store;
use crate::life::error::{LifeError, system};
use crate::life::folder::Folder;
use crate::life::network::{self, forward, nft};
use crate::life::ports::{Carrier, Port};
use crate::life::spec::{NetworkMode, Spec, TargetKind};
use crate::life::state::State;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// The image's unpacked layers, top first, kept from being removed as long as the store is open.
pub struct Layers {
    /// Held.
    _store: Store,
    /// For an overlay.
    pub dirs: Vec<PathBuf>,
}

fn layers(spec: &Spec) -> Result<Layers, LifeError> {
    let store = Store::open(&spec.store)?;
    let image = Image::read(&store, &spec.image_digest.parse()?)?;
    let dirs = image.lower_dirs(&store)?;
    Ok(Layers { _store: store, dirs })
}

/// Everything up to a running workload. `lock`: the monitor's.
pub fn start(folder: &Folder, spec: &Spec, state: &mut State, lock: &OwnedFd) -> Result<Body, LifeError> {
    crate::life::root::own_namespace()?;
    let layers = layers(spec)?;
    let ports = forward::bind(&spec.ports)?;
    state.ports = ports.published();
    let mut body = match spec.target {
        TargetKind::Container => container::start(folder, spec, state, &layers, lock)?,
        TargetKind::Process => process::start(folder, spec, &layers)?,
        TargetKind::Microvm => machine_body::start(folder, spec, state, &layers)?,
    };
    body.held.push(Box::new(layers));
    serve(ports, folder, spec, state, &mut body)?;
    Ok(body)
}

/// Forwards the published ports from now on.
fn serve(
    ports: forward::Bound,
    folder: &Folder,
    spec: &Spec,
    state: &mut State,
    body: &mut Body,
) -> Result<(), LifeError> {
    let switch = body.held.iter().find_map(|h| h.downcast_ref::<OwnedFd>());
    state.published_by = Carrier::Forwarder;
    state.published_why.clear();
    if let (Some(address), Some(switch), true) =
        (state.address, switch, spec.publish_by != Carrier::Forwarder)
    {
        match nft::publish(folder, spec, &state.ports, address, switch.as_fd()) {
            Ok(true) => state.published_by = Carrier::Nftables,
            Ok(false) if spec.publish_by == Carrier::Auto => {}
            Ok(false) => {
                let why = "--publish-by nftables: there is no program nft, or the port is published twice";
                return Err(LifeError::Argument(why.into()));
            }
            Err(e) if spec.publish_by == Carrier::Auto => {
                state.published_why = e.chain();
                // Those of a monitor that was killed lead to a network that is no more, and would come first. Where no
                // rule can be removed, none could be made.
                let _ = nft::unpublish(folder, spec, Some(switch.as_fd()));
            }
            Err(e) => return Err(e),
        }
    }
    let copy = |fd: &OwnedFd| fd.try_clone().map_err(system("duplicate a descriptor"));
    match (&spec.network, state.address) {
        (NetworkMode::Bridge(_), Some(address)) => ports.serve(address, switch.map(copy).transpose()?),
        _ => ports.serve(Ipv4Addr::LOCALHOST, None),
    }
    Ok(())
}

/// A workload that has lost its monitor. Machines end with theirs, so this is no machine.
pub fn adopt(folder: &Folder, spec: &Spec, state: &mut State) -> Result<Body, LifeError> {
    let gone = || system("take over the workload")(std::io::Error::from(std::io::ErrorKind::NotFound));
    let pid = Pid::from_raw(state.process.pid).ok_or_else(gone)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(system("take over the workload"))?;
    if !state.process.is_alive() {
        return Err(gone());
    }
    let layers = layers(spec)?;
    let mut held: Vec<Box<dyn std::any::Any>> = vec![Box::new(layers)];
    if let NetworkMode::Bridge(name) = &spec.network {
        let namespace = network::of_process(state.process.pid)?;
        let joined = network::rejoin(folder, name, state, namespace.as_fd())?;
        held.push(Box::new(joined.switch));
    }
    let (out, err) =
        if spec.terminal { (None, None) } else { stdio::reopen(folder).map(|(o, e)| (Some(o), Some(e)))? };
    let process = state.process;
    let end = End::Stranger(pidfd);
    let mut body = Body { process, end, out, err, input: None, terminal: false, machine: None, held };
    let as_before = |p: &crate::life::ports::Published| Port {
        address: p.address,
        host: p.host,
        inside: p.inside,
        protocol: p.protocol,
    };
    let ports: Vec<Port> = state.ports.iter().map(as_before).collect();
    serve(forward::bind(&ports)?, folder, spec, state, &mut body)?;
    Ok(body)
}
