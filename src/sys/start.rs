//! C's main instead of Rust's, whose start reads /proc/self/maps and installs handlers to tell a stack overflow: a
//! fiftieth of a container's start, and the greater part of the workload `hello`.

/// Standard descriptors that are closed lead to /dev/null, or the first file that is opened would be taken for one of
/// them; and SIGPIPE is ignored, so that a reader who is gone is an error like any other.
pub fn begin() {
    let fd = |fd| libc::pollfd { fd, events: 0, revents: 0 };
    let mut fds = [fd(0), fd(1), fd(2)];
    // SAFETY: three descriptors of ours to look at; the opened ones are meant to stay open.
    unsafe {
        while libc::poll(fds.as_mut_ptr(), 3, 0) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                libc::abort();
            }
        }
        for fd in fds {
            // The lowest number that is free is the one of this descriptor.
            if fd.revents & libc::POLLNVAL != 0 && libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) != fd.fd {
                libc::abort();
            }
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

/// Makes `$begun`, a `fn() -> u8` that gives the exit code, the program's start. The program has
/// `#![cfg_attr(all(not(test), target_env = "gnu"), no_main)]` on top. Where the standard library is not told the arguments by
/// the C library's start, it is Rust's main.
#[macro_export]
macro_rules! c_main {
    ($begun:path) => {
        /// The attribute is no `unsafe` code: nothing else in this program has that name.
        #[cfg(all(not(test), target_env = "gnu"))]
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
            $crate::sys::start::begin();
            // By this call, as it writes out what standard output holds.
            std::process::exit($begun().into())
        }

        #[cfg(any(test, not(target_env = "gnu")))]
        #[cfg_attr(test, allow(dead_code))]
        fn main() {
            std::process::exit($begun().into())
        }
    };
}
