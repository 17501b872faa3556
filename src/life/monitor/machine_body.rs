//! Target `microvm`: a QEMU machine with the image as its disk, and a thread that carries what it tells.

use super::machine::Orders;
use super::start::Layers;
use super::{Body, End};
use crate::container::cgroup::{Limits, RunCgroup};
use crate::guest::wire::{GuestJob, GuestNetwork, ToGuest, VERSION};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::network::{self, BRIDGE_ADDRESS, BRIDGE_MAC, PREFIX, mac_of};
use crate::life::spec::{NetworkMode, Spec};
use crate::life::state::{Process, State};
use crate::machine::accelerator::{self, Wanted};
use crate::machine::kernel::Initialises;
use crate::machine::parts::Parts;
use crate::machine::{Armed, Machine, MachineEvent, Memory, RunningMachine, cache, kernel, qemu, root};
use crate::sys::clock::tsc_khz;
use crate::target::lookup::own_program;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Of a machine that is given no --memory.
pub const DEFAULT_MEMORY: u64 = 256 << 20;
const OPEN_FILES: (u64, u64) = (1024, 1024);

pub fn start(folder: &Folder, spec: &Spec, state: &mut State, layers: &Layers) -> Result<Body, LifeError> {
    let dir = folder.file("machine");
    std::fs::create_dir(&dir).map_err(io("create", &dir))?;
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    let mut tap = None;
    if let NetworkMode::Bridge(name) = &spec.network {
        let (joined, device) = network::join_tap(folder, name, state)?;
        held.push(Box::new(joined.switch));
        tap = Some(device);
    }
    let archive = archive(folder, spec)?;
    let machine = machine(spec, state, layers)?;
    let cgroup = RunCgroup::create_at(&spec.cgroup(), &Limits::default())?;
    let armed = Armed::new(&machine, None, tap, cgroup.place(), &dir)?;
    let mut running = armed.start()?;
    let orders = Orders::new(running.orders()?);
    // A machine that is dead already says so by its events, which know more than "broken pipe".
    let _ = orders.begin(&archive, ToGuest::Job(Box::new(guest_job(spec, state))));
    let early = until_started(&mut running)?;
    let pid = running.pid();
    let process = Process::of(pid).unwrap_or(Process { pid, start_time: 0 });
    let (out, err, told) = carry(running, early, orders.clone())?;
    let input = if spec.interactive { Some(carry_input(orders.clone())?) } else { None };
    Ok(Body {
        process,
        end: End::Told(told),
        out: Some(out),
        err: Some(err),
        input,
        terminal: spec.terminal,
        machine: Some(orders),
        held,
    })
}

fn machine(spec: &Spec, state: &State, layers: &Layers) -> Result<Machine, LifeError> {
    let cache_dir = cache::dir();
    let qemu = qemu::find()?;
    let kernel = kernel::find(&cache_dir, None)?;
    let init = own_program("tare-init")?;
    let choice = accelerator::choose(Wanted::Auto, &cache_dir, &qemu, &kernel, &init)?;
    let (root, _) = root::of(&cache_dir, &kernel, &spec.image_digest, &layers.dirs)?;
    let parts = Parts::of(&cache_dir, &init, kernel, root, state.address.is_some(), false)?;
    Ok(Machine {
        qemu,
        accelerator: choice.accelerator,
        cpus: spec.cpus.map_or(1, |c| c.ceil().max(1.0) as u32),
        memory_bytes: spec.memory_bytes.unwrap_or(DEFAULT_MEMORY),
        initramfs: parts.initramfs,
        kernel: parts.kernel,
        tsc_khz: tsc_khz(),
        root: parts.disk,
        scratch: None,
        network: state.address.map(mac_of),
        memory: Memory::Fresh,
        isolated: true,
        initialises: Initialises::of_host(),
        parameters: Vec::new(),
    })
}

fn guest_job(spec: &Spec, state: &State) -> GuestJob {
    let volumes = spec.volumes.iter().filter(|v| v.read_only).map(|v| v.inside.display().to_string());
    GuestJob {
        version: VERSION,
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        cwd: spec.cwd.clone(),
        uid: spec.uid,
        gid: spec.gid,
        groups: spec.groups.clone(),
        hostname: spec.hostname.clone(),
        open_files: OPEN_FILES,
        network: state.address.map(|address| GuestNetwork {
            address,
            prefix: PREFIX,
            host: BRIDGE_ADDRESS,
            host_mac: BRIDGE_MAC,
        }),
        scratch: false,
        hold: false,
        stdin: spec.interactive,
        paced: true,
        terminal: spec.terminal.then_some(spec.terminal_size),
        read_only: volumes.chain(spec.read_only.then(|| "/".to_owned())).collect(),
    }
}

/// A file of the root's in an archive.
pub fn add_file(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> Result<(), LifeError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes).map_err(system("pack a file"))
}

/// hosts, hostname, and the volumes: a machine sees no file of the host, so it gets copies, in its memory.
fn archive(folder: &Folder, spec: &Spec) -> Result<Vec<u8>, LifeError> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    let path = folder.file("hosts");
    let hosts = match spec.network {
        // Written when it joined.
        NetworkMode::Bridge(_) => std::fs::read(&path).map_err(io("read", &path))?,
        _ => network::hosts_text(spec, None, &[]).into_bytes(),
    };
    add_file(&mut archive, "etc/hosts", &hosts)?;
    add_file(&mut archive, "etc/hostname", format!("{}\n", spec.hostname).as_bytes())?;
    let most = spec.memory_bytes.unwrap_or(DEFAULT_MEMORY) / 4;
    for volume in &spec.volumes {
        let inside = volume.inside.strip_prefix("/").unwrap_or(&volume.inside);
        let added = if volume.host.is_dir() {
            archive.append_dir_all(inside, &volume.host)
        } else {
            archive.append_path_with_name(&volume.host, inside)
        };
        added.map_err(io("pack", &volume.host))?;
        if archive.get_ref().len() as u64 > most {
            return Err(LifeError::Unsupported {
                what: format!("-v {}", volume.host.display()),
                target: spec.target,
                why: "a machine gets its volumes as copies in its memory, and may have a quarter of it: give it more by \
                      --memory",
            });
        }
    }
    archive.into_inner().map_err(system("pack files"))
}

/// Waits for the workload's start; what came meanwhile.
fn until_started(machine: &mut RunningMachine) -> Result<Vec<MachineEvent>, LifeError> {
    let mut early = Vec::new();
    loop {
        match machine.next(Duration::from_millis(100)) {
            Some((_, MachineEvent::Closed(why))) => {
                return Err(LifeError::NotStarted { code: code_of(&why), text: why });
            }
            Some((_, MachineEvent::Stamp(crate::sys::port::INIT))) => break,
            Some((_, event)) => early.push(event),
            None => {}
        }
    }
    // The guest answers once the workload is started, or says why it could not be.
    let answered = machine.echo_ns();
    while let Some((_, event)) = machine.next(Duration::ZERO) {
        if let MachineEvent::Closed(why) = &event
            && answered.is_err()
            && !why.is_empty()
        {
            return Err(LifeError::NotStarted { code: code_of(why), text: why.clone() });
        }
        let closed = matches!(event, MachineEvent::Closed(_));
        early.push(event);
        if closed {
            break;
        }
    }
    Ok(early)
}

fn code_of(why: &str) -> i32 {
    if why.contains("chdir") {
        126
    } else if why.contains("find in the image") || why.contains("No such file") {
        127
    } else if why.contains("Permission denied") || why.contains("Exec format") {
        126
    } else {
        125
    }
}

/// Carries what is written into a pipe to the workload's input, as fast as it takes it.
fn carry_input(orders: Orders) -> Result<OwnedFd, LifeError> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
    std::thread::spawn(move || {
        let mut read = File::from(read);
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            let n = read.read(&mut buffer).unwrap_or(0);
            // Nothing is the end of it.
            if orders.input(0, buffer[..n].to_vec()).is_err() || n == 0 {
                return;
            }
        }
    });
    Ok(write)
}

type Carried = (OwnedFd, OwnedFd, OwnedFd);

/// Carries events on a thread: output into two pipes, the end into a third.
fn carry(
    mut machine: RunningMachine,
    early: Vec<MachineEvent>,
    orders: Orders,
) -> Result<Carried, LifeError> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"));
    let ((out, to_out), (err, to_err), (told, to_told)) = (pipe()?, pipe()?, pipe()?);
    for read in [&out, &err] {
        rustix::io::ioctl_fionbio(read, true).map_err(system("read without waiting"))?;
    }
    let mut writers = [File::from(to_out), File::from(to_err)];
    let mut to_told = File::from(to_told);
    std::thread::spawn(move || {
        let mut early = early.into_iter();
        let mut code = None;
        loop {
            let next = early.next().or_else(|| machine.next(Duration::from_secs(1)).map(|(_, e)| e));
            match next {
                Some(MachineEvent::Output(fd, bytes)) => {
                    let _ = writers[usize::from(fd == 2)].write_all(&bytes);
                    orders.heard(0, bytes.len());
                }
                Some(MachineEvent::Exited(c)) => code = Some(c),
                Some(MachineEvent::Exec(id, event)) => orders.told(id, event),
                Some(MachineEvent::Closed(why)) => {
                    if !why.is_empty() {
                        let _ = writeln!(writers[1], "taremark: {why}");
                    }
                    break;
                }
                Some(MachineEvent::Stamp(_)) | None => {}
            }
        }
        let _ = machine.quit();
        orders.ended();
        // A machine that died before its workload did has been killed, whoever did that.
        let _ = to_told.write_all(&code.unwrap_or(128 + libc::SIGKILL).to_le_bytes());
    });
    Ok((out, err, told))
}
