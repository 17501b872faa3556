//! For a program with C's main: what of Rust's own start is a matter of safety.

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
