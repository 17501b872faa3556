//! PID 1, from the kernel's hand-over to the workload's start.

use super::error::{GuestError, failed};
use super::host_files::Files;
use super::wire::{Decoder, GuestJob, Message, PORT_NAME, ToGuest, ToHost, VERSION};
use super::{files, network, resume, serve, vsock};
use crate::sys::port;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// How long the channel's port may take to show up after its driver.
const PORT_DEADLINE: Duration = Duration::from_secs(10);

/// Boots, runs the job, and turns the machine off. Never returns.
pub fn run() -> ! {
    port::stamp(port::KERNEL);
    if let Err(e) = boot_and_serve() {
        // Without a channel there is only the kernel's console.
        let _ = std::fs::write("/dev/kmsg", format!("<0>tare-init: {e}\n"));
    }
    power_off()
}

fn boot_and_serve() -> Result<(), GuestError> {
    files::mount_kernel_files()?;
    files::load_modules("/modules")?;
    serve_host()
}

/// Takes the job from the host and does it; `/proc`, `/sys` and `/dev` are there, and the drivers.
pub(super) fn serve_host() -> Result<(), GuestError> {
    let mut channel = open_channel()?;
    say(&mut channel, &ToHost::Hello(VERSION))?;
    let mut decoder = Decoder::default();
    let mut files = Files::default();
    let served = take_job(&mut channel, &mut decoder, &mut files).and_then(|job| {
        port::stamp(port::DRIVERS);
        prepare(&job)?;
        files.may_write(&job)?;
        let job = if job.hold { hold(&mut channel, &mut decoder, &mut files)? } else { job };
        serve::serve(&job, &mut channel, &mut decoder, &mut files)
    });
    if let Err(e) = &served {
        say(&mut channel, &ToHost::Failed(e.to_string()))?;
    }
    Ok(())
}

fn prepare(job: &GuestJob) -> Result<(), GuestError> {
    files::mount_root("erofs")?;
    files::enter_root()?;
    files::mount_like_a_container()?;
    if job.scratch {
        files::mount_scratch()?;
    }
    port::stamp(port::ROOT);
    network::set_up(job.network.as_ref())?;
    nix::unistd::sethostname(&job.hostname).map_err(failed("set the host name", job.hostname.as_str()))
}

/// The virtio port of our name. The driver adds ports a little after it was loaded.
fn open_channel() -> Result<File, GuestError> {
    if let Some(port) = told("tare.vsock=").and_then(|p| p.parse().ok()) {
        return vsock::call(vsock::HOST, port);
    }
    const PORTS: &str = "/sys/class/virtio-ports";
    let until = std::time::Instant::now() + PORT_DEADLINE;
    loop {
        let ports = std::fs::read_dir(PORTS).into_iter().flatten().flatten().map(|e| e.path());
        let mut ours = ports
            .filter(|p| std::fs::read_to_string(p.join("name")).is_ok_and(|name| name.trim() == PORT_NAME));
        if let Some(name) = ours.next().as_deref().and_then(|p| p.file_name()) {
            let path = format!("/dev/{}", name.to_string_lossy());
            let opened = File::options().read(true).write(true).open(&path);
            return opened.map_err(failed("open", path));
        }
        if std::time::Instant::now() > until {
            return Err(failed("find the channel's port in", PORTS)(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            )));
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// Waits to be saved and restored, and for the job that is to be run then.
fn hold(channel: &mut File, decoder: &mut Decoder, files: &mut Files) -> Result<GuestJob, GuestError> {
    say(channel, &ToHost::Held)?;
    let job = take_job(channel, decoder, files)?;
    nix::unistd::sethostname(&job.hostname).map_err(failed("set the host name", job.hostname.as_str()))?;
    Ok(job)
}

fn take_job(channel: &mut File, decoder: &mut Decoder, files: &mut Files) -> Result<GuestJob, GuestError> {
    let wrong = |e| failed("read the job", "")(std::io::Error::other(e));
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        match decoder.take().map_err(wrong)? {
            Some(ToGuest::Job(job)) => return Ok(*job),
            Some(ToGuest::Files(bytes)) => {
                files.take(&bytes)?;
                continue;
            }
            Some(ToGuest::Resume { realtime_ns, seed }) => {
                resume::resume(realtime_ns, &seed)?;
                continue;
            }
            Some(other) => {
                let why = format!("{other:?} came before it");
                return Err(failed("read the job", "")(std::io::Error::other(why)));
            }
            None => {}
        }
        let n = channel.read(&mut buffer).map_err(failed("read the job", ""))?;
        if n == 0 {
            // The host is not connected (yet): virtio ports say so by an end of file.
            std::thread::sleep(Duration::from_millis(1));
        }
        decoder.feed(&buffer[..n]);
    }
}

/// Sends one message.
pub(super) fn say(channel: &mut File, message: &ToHost) -> Result<(), GuestError> {
    channel.write_all(&message.frame()).map_err(failed("write to", "the channel"))
}

/// What the kernel's command line says after `name`, on a monitor that is not QEMU.
pub(super) fn told(name: &str) -> Option<String> {
    let line = std::fs::read_to_string("/proc/cmdline").ok()?;
    line.split_whitespace().find_map(|word| word.strip_prefix(name).map(str::to_owned))
}

/// Ends the machine: a reset, which ends a QEMU that was started with -no-reboot, unless it has to be turned off.
fn power_off() -> ! {
    let off = told("tare.end=").is_some_and(|how| how == "off");
    let how =
        if off { rustix::system::RebootCommand::PowerOff } else { rustix::system::RebootCommand::Restart };
    let _ = rustix::system::reboot(how);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
