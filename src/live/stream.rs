//! A connection as bytes: TCP, a unix socket, or TLS over TCP.
//!
//! A stream can be had twice: one half writes while the other reads, each in a thread of its own,
//! so that a server that answers is never kept waiting by one that sends. Whoever has neither half
//! may end it all the same, and say why: that is what its reader and its writer are told then.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::Address;
use super::lookout::Lookout;
use super::tls::Tls;

/// A duplex stream of bytes. Its clones are the same connection, for a reader beside the writer: only
/// one of them may read, and only one write.
#[derive(Debug, Clone)]
pub struct Stream {
    socket: Arc<Socket>,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
struct Socket {
    kind: Kind,
    /// Why it was ended from outside.
    why: OnceLock<String>,
    /// Who may do so; it looks out as long as there is something to look after.
    _lookout: Option<Arc<Lookout>>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Connects; all addresses of a name are tried in turn.
    pub(super) fn connect(
        address: &Address,
        timeout: Duration,
        lookout: Option<Arc<Lookout>>,
    ) -> io::Result<Self> {
        let kind = match address {
            Address::Tcp(host, port) => Kind::Tcp(tcp(host, *port, timeout)?),
            #[cfg(unix)]
            Address::Unix(path) => Kind::Unix(UnixStream::connect(path)?),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let socket = Socket { kind, why: OnceLock::new(), _lookout: lookout };
        Ok(Stream { socket: Arc::new(socket), tls: None })
    }

    /// The same connection, encrypted; the handshake is done when this returns.
    pub(super) fn encrypted(
        mut self,
        make: impl FnOnce(&TcpStream) -> io::Result<Tls>,
    ) -> io::Result<Self> {
        if let Kind::Tcp(tcp) = &self.socket.kind {
            let made = make(tcp);
            self.tls = Some(Arc::new(self.socket.told(made)?));
        }
        Ok(self)
    }

    /// How long a read, and a write, waits; `None` for as long as it takes. It holds for all clones.
    pub fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        match &self.socket.kind {
            Kind::Tcp(tcp) => {
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
        self.socket.shutdown();
    }

    /// What ends the connection from outside, as long as there is one.
    pub(super) fn cutter(&self) -> Cutter {
        Cutter(Arc::downgrade(&self.socket))
    }
}

/// Ends a connection that is somebody else's.
#[derive(Debug)]
pub(super) struct Cutter(Weak<Socket>);

impl Cutter {
    /// Whether nobody has the connection any more.
    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Ends it. Whoever reads or writes is told `why`.
    pub(super) fn cut(&self, why: &str) {
        if let Some(socket) = self.0.upgrade() {
            socket.why.get_or_init(|| why.to_owned());
            socket.shutdown();
        }
    }
}

impl Socket {
    fn shutdown(&self) {
        // One that is closed already is what was wanted.
        let _ = match &self.kind {
            Kind::Tcp(tcp) => tcp.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.shutdown(Shutdown::Both),
        };
    }

    /// What came of something, or why the connection was ended meanwhile.
    fn told<T>(&self, came: io::Result<T>) -> io::Result<T> {
        came.map_err(|error| self.cut().unwrap_or(error))
    }

    fn cut(&self) -> Option<io::Error> {
        let why = self.why.get()?;
        Some(io::Error::new(io::ErrorKind::ConnectionAborted, why.clone()))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let came = match (&self.socket.kind, &self.tls) {
            (Kind::Tcp(tcp), Some(tls)) => tls.read(tcp, buffer),
            (Kind::Tcp(tcp), None) => Read::read(&mut &*tcp, buffer),
            #[cfg(unix)]
            (Kind::Unix(unix), _) => Read::read(&mut &*unix, buffer),
        };
        match (self.socket.told(came)?, self.socket.cut()) {
            (0, Some(cut)) if !buffer.is_empty() => Err(cut),
            (n, _) => Ok(n),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let came = match (&self.socket.kind, &self.tls) {
            (Kind::Tcp(tcp), Some(tls)) => tls.write(tcp, bytes),
            (Kind::Tcp(tcp), None) => Write::write(&mut &*tcp, bytes),
            #[cfg(unix)]
            (Kind::Unix(unix), _) => Write::write(&mut &*unix, bytes),
        };
        self.socket.told(came)
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn who_reads_hears_why_the_connection_was_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Address::Tcp("127.0.0.1".into(), port);
        let mut stream = Stream::connect(&address, Duration::from_secs(5), None).unwrap();
        let (cutter, mut reader) = (stream.cutter(), stream.clone());
        let reads = thread::spawn(move || reader.read(&mut [0; 8]));
        let _kept = listener.accept().unwrap();
        cutter.cut("because");
        cutter.cut("another reason");
        let told = reads.join().unwrap().unwrap_err();
        assert_eq!(
            (told.kind(), told.to_string().as_str()),
            (io::ErrorKind::ConnectionAborted, "because")
        );
        assert_eq!(stream.write(b"x").unwrap_err().to_string(), "because");
        assert!(!cutter.is_over());
        drop(stream);
        assert!(cutter.is_over());
        cutter.cut("nobody hears it");
    }
}
