//! A connection as bytes: TCP, a unix socket, or TLS over TCP.
//!
//! A stream can be had twice: one half writes while the other reads, each in a thread of its own,
//! so that a server that answers is never kept waiting by one that sends. Whoever has neither half
//! may end it all the same, and say why: that is what its reader and its writer are told then.
//!
//! Where a [`Silence`] is kept, a wait is one of many short ones, between which it hears of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::lookout::Lookout;
use super::tls::Tls;
use super::{Address, Silence, Wait};

/// How long one of the short waits is.
const MOMENT: Duration = Duration::from_millis(100);

/// A duplex stream of bytes. Its clones are the same connection, for a reader beside the writer: only
/// one of them may read, and only one write.
#[derive(Debug, Clone)]
pub struct Stream {
    socket: Arc<Socket>,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
pub(super) struct Socket {
    kind: Kind,
    address: Address,
    /// How long a read waits, and a write.
    patience: [Patience; 2],
    /// Why it was ended from outside.
    why: OnceLock<String>,
    /// Who may do so; it looks out as long as there is something to look after.
    _lookout: Option<Arc<Lookout>>,
    silence: Option<Silence>,
}

/// Milliseconds; none of them are for as long as it takes.
#[derive(Debug, Default)]
struct Patience(AtomicU64);

impl Patience {
    fn set(&self, time: Option<Duration>) {
        let ms = time.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
        self.0.store(ms, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&ms| ms > 0).map(Duration::from_millis)
    }
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Kind {
    fn connect(address: &Address, timeout: Duration) -> io::Result<Self> {
        match address {
            Address::Tcp(host, port) => Ok(Kind::Tcp(tcp(host, *port, timeout)?)),
            #[cfg(unix)]
            Address::Unix(path) => Ok(Kind::Unix(UnixStream::connect(path)?)),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The same in a thread of its own, so that who waits for it can go away.
    fn connect_aside(address: &Address, timeout: Duration, silence: &Silence) -> io::Result<Self> {
        let mut wait = Wait::new(silence, address, Instant::now());
        let (sender, made) = channel();
        let to = address.clone();
        thread::Builder::new().spawn(move || {
            // Who has gone away does not want it.
            let _ = sender.send(Kind::connect(&to, timeout));
        })?;
        loop {
            match made.recv_timeout(MOMENT) {
                Ok(made) => return made.inspect_err(|error| wait.failed(error)),
                Err(RecvTimeoutError::Timeout) => wait.goes_on()?,
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::Other.into()),
            }
        }
    }
}

impl Stream {
    /// Connects; all addresses of a name are tried in turn.
    pub(super) fn connect(
        address: &Address,
        timeout: Duration,
        (lookout, silence): (Option<Arc<Lookout>>, Option<Silence>),
    ) -> io::Result<Self> {
        let kind = match &silence {
            Some(silence) => Kind::connect_aside(address, timeout, silence)?,
            None => Kind::connect(address, timeout)?,
        };
        let (address, patience) = (address.clone(), Default::default());
        let why = OnceLock::new();
        let socket = Socket { kind, address, patience, why, _lookout: lookout, silence };
        Ok(Stream { socket: Arc::new(socket), tls: None })
    }

    /// The same connection, encrypted; the handshake is done when this returns.
    pub(super) fn encrypted(
        mut self,
        make: impl FnOnce(&Socket) -> io::Result<Tls>,
    ) -> io::Result<Self> {
        if matches!(self.socket.kind, Kind::Tcp(_)) {
            let made = make(&self.socket);
            self.tls = Some(Arc::new(self.socket.told(made)?));
        }
        Ok(self)
    }

    /// How long a read, and a write, waits; `None` for as long as it takes. It holds for all clones.
    pub fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        self.socket.set_timeouts(read, write)
    }

    /// How long a read waits, and a write.
    pub fn timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        let [read, write] = &self.socket.patience;
        (read.get(), write.get())
    }

    /// One who has waited for the server since then, where somebody wants to know.
    pub fn wait(&self, since: Instant) -> Option<Wait> {
        let Socket { silence, address, .. } = &*self.socket;
        silence.as_ref().map(|silence| Wait::new(silence, address, since))
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
    fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        for (patience, time) in self.patience.iter().zip([read, write]) {
            patience.set(time);
        }
        // Where nobody is to be heard of, the system waits.
        let short = |time: Option<Duration>| match self.silence {
            Some(_) => Some(time.map_or(MOMENT, |time| time.min(MOMENT))),
            None => time,
        };
        let (read, write) = (short(read), short(write));
        match &self.kind {
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

    /// Does what waits, one moment after the other.
    fn patiently(
        &self,
        patience: &Patience,
        mut ask: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut wait: Option<Wait> = None;
        loop {
            let error = match ask() {
                Err(error) if is_pause(&error) => error,
                done => return done,
            };
            let Some(silence) = &self.silence else { return Err(error) };
            // The first moment is over already.
            let wait = wait.get_or_insert_with(|| {
                let now = Instant::now();
                Wait::new(silence, &self.address, now.checked_sub(MOMENT).unwrap_or(now))
            });
            if patience.get().is_some_and(|patience| wait.lasted() >= patience) {
                // Who has little patience asks again.
                if patience.get() > Some(10 * MOMENT) {
                    wait.is_in_vain();
                }
                return Err(error);
            }
            wait.goes_on()?;
        }
    }

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

/// Whether something only waited for nothing; what that is called depends on the system.
pub(super) fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let [patience, _] = &self.patience;
        self.patiently(patience, || match &self.kind {
            Kind::Tcp(tcp) => Read::read(&mut &*tcp, buffer),
            #[cfg(unix)]
            Kind::Unix(unix) => Read::read(&mut &*unix, buffer),
        })
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let [_, patience] = &self.patience;
        self.patiently(patience, || match &self.kind {
            Kind::Tcp(tcp) => Write::write(&mut &*tcp, bytes),
            #[cfg(unix)]
            Kind::Unix(unix) => Write::write(&mut &*unix, bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let came = match &self.tls {
            Some(tls) => tls.read(&*self.socket, buffer),
            None => Read::read(&mut &*self.socket, buffer),
        };
        match (self.socket.told(came)?, self.socket.cut()) {
            (0, Some(cut)) if !buffer.is_empty() => Err(cut),
            (n, _) => Ok(n),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let came = match &self.tls {
            Some(tls) => tls.write(&*self.socket, bytes),
            None => Write::write(&mut &*self.socket, bytes),
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
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn who_reads_hears_why_the_connection_was_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Address::Tcp("127.0.0.1".into(), port);
        let mut stream = Stream::connect(&address, Duration::from_secs(5), (None, None)).unwrap();
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

    #[test]
    fn a_wait_for_a_server_that_says_nothing_ends_when_it_is_to_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
        let stop = Arc::new(AtomicBool::new(false));
        let silence = Silence::new(&stop);
        let owners = (None, Some(silence.clone()));
        let mut stream = Stream::connect(&address, Duration::from_secs(5), owners).unwrap();
        stream.set_timeouts(Some(Duration::from_secs(1000)), None).unwrap();
        let reads = thread::spawn(move || stream.read(&mut [0; 8]));
        let _kept = listener.accept().unwrap();
        while silence.longest().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(silence.longest(), Some(address.clone()));
        assert!(!reads.is_finished());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(reads.join().unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(silence.is_over(&address));
    }
}
