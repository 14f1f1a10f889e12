//! A connection as bytes: TCP, a unix socket, or TLS over TCP.
//!
//! A stream can be had twice: one half writes while the other reads, each in a thread of its own,
//! so that a server that answers is never kept waiting by one that sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Address;
use super::tls::Tls;

/// A duplex stream of bytes.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(TcpStream, Arc<Tls>),
}

impl Stream {
    /// Connects; all addresses of a name are tried in turn.
    pub(super) fn connect(address: &Address, timeout: Duration) -> io::Result<Self> {
        match address {
            Address::Tcp(host, port) => tcp(host, *port, timeout).map(|tcp| Stream(Kind::Tcp(tcp))),
            #[cfg(unix)]
            Address::Unix(path) => UnixStream::connect(path).map(|unix| Stream(Kind::Unix(unix))),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The same connection, encrypted; the handshake is done when this returns.
    pub(super) fn encrypted(
        self,
        make: impl FnOnce(&mut TcpStream) -> io::Result<Tls>,
    ) -> io::Result<Self> {
        match self.0 {
            Kind::Tcp(mut tcp) => {
                let tls = make(&mut tcp)?;
                Ok(Stream(Kind::Tls(tcp, Arc::new(tls))))
            }
            other => Ok(Stream(other)),
        }
    }

    /// The same stream once more, for a reader beside the writer. Only one of them may read, and
    /// only one write.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Stream(match &self.0 {
            Kind::Tcp(tcp) => Kind::Tcp(tcp.try_clone()?),
            #[cfg(unix)]
            Kind::Unix(unix) => Kind::Unix(unix.try_clone()?),
            Kind::Tls(tcp, tls) => Kind::Tls(tcp.try_clone()?, Arc::clone(tls)),
        }))
    }

    /// How long a read, and a write, waits; `None` for as long as it takes. It holds for all clones.
    pub fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(tcp) | Kind::Tls(tcp, _) => {
                tcp.set_read_timeout(read)?;
                tcp.set_write_timeout(write)
            }
            #[cfg(unix)]
            Kind::Unix(unix) => {
                unix.set_read_timeout(read)?;
                unix.set_write_timeout(write)
            }
        }
    }

    /// Ends the connection; readers and writers of all clones return.
    pub fn shutdown(&self) {
        // One that is closed already is what was wanted.
        let _ = match &self.0 {
            Kind::Tcp(tcp) | Kind::Tls(tcp, _) => tcp.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Tcp(tcp) => tcp.read(buffer),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.read(buffer),
            Kind::Tls(tcp, tls) => tls.read(tcp, buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Tcp(tcp) => tcp.write(bytes),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.write(bytes),
            Kind::Tls(tcp, tls) => tls.write(tcp, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tcp(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let until = Instant::now() + timeout;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        // A timeout of nothing is an error of another kind.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
