//! Published ports: sockets of the host whose connections and datagrams are carried on into a network.
//!
//! In user space, so that neither nftables nor root's rules of a host are needed; it works on loopback as well.

use crate::life::error::{LifeError, system};
use crate::life::ports::{Port, Protocol, Published};
use nix::sched::{CloneFlags, setns};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For the workload to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// A client that sends no datagram for so long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Ports that are taken on the host and not yet served.
pub struct Bound(Vec<(Published, Socket)>);

/// Takes the ports, so that one that is in use is told before anything is started. Published ports of a workload that
/// is taken over again are taken as they were.
pub fn bind(ports: &[Port]) -> Result<Bound, LifeError> {
    let mut all = Vec::new();
    for port in ports {
        let at = (port.address, port.host);
        let taken = |e: std::io::Error| {
            LifeError::Argument(format!("cannot listen on {}:{}/{}: {e}", at.0, at.1, port.protocol.as_str()))
        };
        let socket = match port.protocol {
            Protocol::Tcp => Socket::Tcp(TcpListener::bind(at).map_err(taken)?),
            Protocol::Udp => Socket::Udp(UdpSocket::bind(at).map_err(taken)?),
        };
        let local = match &socket {
            Socket::Tcp(s) => s.local_addr(),
            Socket::Udp(s) => s.local_addr(),
        };
        let host = local.map_err(system("ask for the port's number"))?.port();
        let published =
            Published { address: port.address, host, inside: port.inside, protocol: port.protocol };
        all.push((published, socket));
    }
    Ok(Bound(all))
}

impl Bound {
    /// As they are published.
    pub fn published(&self) -> Vec<Published> {
        self.0.iter().map(|(p, _)| *p).collect()
    }

    /// Serves them from threads, which live as long as the process. `namespace`: where `address` is.
    pub fn serve(self, address: Ipv4Addr, namespace: Option<OwnedFd>) {
        let namespace = namespace.map(Arc::new);
        for (published, socket) in self.0 {
            let namespace = namespace.clone();
            std::thread::spawn(move || {
                if let Some(fd) = namespace
                    && setns(fd.as_ref(), CloneFlags::CLONE_NEWNET).is_err()
                {
                    return;
                }
                // Threads that this one starts are in the same namespace.
                let to = SocketAddr::from((address, published.inside));
                match socket {
                    Socket::Tcp(listener) => connections(&listener, to),
                    Socket::Udp(socket) => datagrams(&Arc::new(socket), to),
                }
            });
        }
    }
}

fn connections(listener: &TcpListener, to: SocketAddr) {
    loop {
        match listener.accept() {
            Ok((client, _)) => {
                std::thread::spawn(move || drop(carry(client, to)));
            }
            // Out of descriptors, or the client has gone: the next may do better.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn carry(client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect_timeout(&to, CONNECT)?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    let back = std::thread::spawn(move || one_way(server_too, client_too));
    one_way(client, server);
    let _ = back.join();
    Ok(())
}

fn one_way(mut from: TcpStream, mut to: TcpStream) {
    if std::io::copy(&mut from, &mut to).is_err() {
        let _ = from.shutdown(Shutdown::Both);
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// A socket for each client, so that answers find their way back.
fn datagrams(host: &Arc<UdpSocket>, to: SocketAddr) {
    let clients: Clients = Arc::default();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let Ok((n, client)) = host.recv_from(&mut buffer) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut all = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&client).cloned();
        let Some(socket) = known.or_else(|| new_client(host, client, to, &clients)) else { continue };
        all.insert(client, Arc::clone(&socket));
        drop(all);
        let _ = socket.send(&buffer[..n]);
    }
}

type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

fn new_client(
    host: &Arc<UdpSocket>,
    client: SocketAddr,
    to: SocketAddr,
    clients: &Clients,
) -> Option<Arc<UdpSocket>> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?);
    socket.connect(to).ok()?;
    socket.set_read_timeout(Some(IDLE)).ok()?;
    let (host, answers, clients) = (Arc::clone(host), Arc::clone(&socket), Arc::clone(clients));
    std::thread::spawn(move || {
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            match answers.recv(&mut buffer) {
                Ok(n) => drop(host.send_to(&buffer[..n], client)),
                // Nobody listens there yet: the kernel tells by ICMP.
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
    });
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(inside: u16, protocol: Protocol) -> Port {
        Port { address: Ipv4Addr::LOCALHOST, host: 0, inside, protocol }
    }

    #[test]
    fn datagrams_and_their_answers_are_carried() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("server");
        let inside = server.local_addr().expect("address").port();
        let bound = bind(&[port(inside, Protocol::Udp)]).expect("bind");
        let at = (Ipv4Addr::LOCALHOST, bound.published()[0].host);
        bound.serve(Ipv4Addr::LOCALHOST, None);
        std::thread::spawn(move || {
            let mut buffer = [0u8; 64];
            while let Ok((n, from)) = server.recv_from(&mut buffer) {
                buffer[..n].reverse();
                server.send_to(&buffer[..n], from).expect("answer");
            }
        });
        let ask = |word: &[u8]| {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("client");
            client.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
            client.send_to(word, at).expect("send");
            let mut buffer = [0u8; 64];
            let n = client.recv(&mut buffer).expect("answer");
            buffer[..n].to_vec()
        };
        assert_eq!((ask(b"one"), ask(b"two")), (b"eno".to_vec(), b"owt".to_vec()));
    }

    #[test]
    fn a_half_closed_connection_still_gets_its_answer() {
        use std::io::{Read, Write};
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("server");
        let inside = server.local_addr().expect("address").port();
        let bound = bind(&[port(inside, Protocol::Tcp)]).expect("bind");
        let at = (Ipv4Addr::LOCALHOST, bound.published()[0].host);
        bound.serve(Ipv4Addr::LOCALHOST, None);
        let answered = std::thread::spawn(move || {
            let (mut socket, _) = server.accept().expect("accept");
            let mut all = Vec::new();
            socket.read_to_end(&mut all).expect("read");
            socket.write_all(&[b'y'; 100_000]).expect("answer");
            all.len()
        });
        let mut client = TcpStream::connect(at).expect("connect");
        client.write_all(&[b'x'; 100_000]).expect("write");
        client.shutdown(Shutdown::Write).expect("half close");
        let mut all = Vec::new();
        client.read_to_end(&mut all).expect("read");
        assert_eq!((all.len(), answered.join().expect("server")), (100_000, 100_000));
    }
}
