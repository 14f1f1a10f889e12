//! A connection to one server: made, logged in, and asked one thing at a time.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::{ConnectionLike, RedisError, RedisResult, Value};
use rustls::ClientConfig;

use super::handshake::tls_failure;
use super::lookout::Lookout;
use super::reply::Frames;
use super::tls::Tls;
use super::{Access, Address, Class, Endpoint, ErrorReply, Failure, Silence, Stream, TlsOptions};
use crate::error::Result;
use crate::resp::encode;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For a reply.
    pub reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { connect: Duration::from_secs(5), reply: Duration::from_secs(60) }
    }
}

/// How long a question may take that can be asked elsewhere.
const QUESTION: Duration = Duration::from_secs(5);

/// Makes connections: who asks, over which encryption, how patiently. Made once per endpoint, and
/// good for every server that belongs to it.
#[derive(Debug, Clone)]
pub struct Connector {
    access: Access,
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<String>,
    timeouts: Timeouts,
    lookout: Option<Arc<Lookout>>,
    silence: Option<Silence>,
}

impl Connector {
    /// For the servers of an endpoint. Reads the certificates, and connects to nobody yet.
    pub fn new(endpoint: &Endpoint, tls: &TlsOptions, timeouts: Timeouts) -> Result<Self> {
        Ok(Connector {
            access: endpoint.access.clone(),
            tls: endpoint.tls.then(|| tls.config()).transpose()?,
            server_name: tls.server_name.clone(),
            timeouts,
            lookout: None,
            silence: None,
        })
    }

    /// The same, which once `stop` is set waits for no server longer than a moment.
    #[must_use]
    pub fn heeding(&self, stop: &Arc<AtomicBool>) -> Self {
        self.telling(Some(&Silence::new(stop)))
    }

    /// The same, whose waits are known to one who hears of others, too.
    #[must_use]
    pub fn telling(&self, silence: Option<&Silence>) -> Self {
        Connector { silence: silence.cloned(), ..self.clone() }
    }

    /// The same for work on the side, of which nobody wants to hear.
    #[must_use]
    pub fn aside(&self) -> Self {
        self.telling(None)
    }

    /// Who is waited for, where that is known.
    pub fn silence(&self) -> Option<&Silence> {
        self.silence.as_ref()
    }

    /// The same, under a lookout: as long as there is a connection or a connector of it, Sentinels or
    /// the nodes of a Cluster are asked about once a second who the masters are. Connections to one
    /// that is a master no more are ended, as if it had closed them, and new ones refused for the
    /// moment. Who reads from `replicas` may read from that one, too, once he connects to it anew.
    #[must_use]
    pub fn watching(&self, endpoint: &Endpoint, replicas: bool) -> Self {
        let unwatched = Connector { lookout: None, ..self.aside() };
        let lookout = Lookout::over(endpoint, &unwatched, replicas);
        Connector { lookout, ..self.clone() }
    }

    /// The same, as somebody else: Sentinels have passwords of their own. Nobody looks out for them.
    #[must_use]
    pub fn with_access(&self, access: Access) -> Self {
        Connector { access, lookout: None, ..self.clone() }
    }

    /// The same for questions that somebody else can answer as well, or that are asked again.
    #[must_use]
    pub fn impatient(&self) -> Self {
        let Timeouts { connect, reply } = self.timeouts;
        let timeouts = Timeouts { connect: connect.min(QUESTION), reply: reply.min(QUESTION) };
        self.with_timeouts(timeouts)
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        Connector { timeouts, ..self.clone() }
    }

    /// How long is waited.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Connects, encrypts and logs in.
    pub fn open(&self, address: &Address) -> Result<Connection, Failure> {
        let unreachable = |cause| Failure::Unreachable { address: address.clone(), cause };
        if let Some(lookout) = &self.lookout {
            lookout.allows(address)?;
        }
        if self.silence.as_ref().is_some_and(|silence| silence.is_over(address)) {
            let cause = io::ErrorKind::TimedOut.into();
            return Err(Failure::Lost { address: address.clone(), cause });
        }
        let owners = (self.lookout.clone(), self.silence.clone());
        let mut stream =
            Stream::connect(address, self.timeouts.connect, owners).map_err(unreachable)?;
        if let Some(lookout) = &self.lookout {
            lookout.mind(address, &stream);
        }
        if let Some(config) = &self.tls {
            let name = self.server_name.as_deref().unwrap_or(address.host());
            let patience = Some(self.timeouts.connect);
            stream.set_timeouts(patience, patience).map_err(unreachable)?;
            stream = stream
                .encrypted(|socket| Tls::handshake(Arc::clone(config), name, socket))
                .map_err(|error| tls_failure(address, name, error))?;
        }
        let timeout = Some(self.timeouts.reply);
        stream.set_timeouts(timeout, timeout).map_err(unreachable)?;
        let mut connection = Connection {
            stream,
            frames: Frames::default(),
            address: address.clone(),
            is_open: true,
            database: 0,
        };
        connection.log_in(&self.access)?;
        if let Some(silence) = &self.silence {
            silence.answered(address);
        }
        Ok(connection)
    }

    /// The same for the first time: where the server hangs up at the first word, it may be one that
    /// speaks TLS.
    pub fn open_first(&self, address: &Address) -> Result<Connection, Failure> {
        self.open(address).map_err(|failure| match failure {
            Failure::Lost { address, cause }
                if self.tls.is_none()
                    && matches!(
                        cause.kind(),
                        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                    ) =>
            {
                let words = format!("{cause}; is TLS spoken on this port (rediss://)?");
                Failure::Lost { address, cause: io::Error::new(cause.kind(), words) }
            }
            failure => failure,
        })
    }

    /// The same, with a database selected.
    pub fn open_database(&self, address: &Address, database: u32) -> Result<Connection, Failure> {
        let mut connection = self.open(address)?;
        if database != 0 {
            connection.select(database)?;
        }
        Ok(connection)
    }
}

/// A connection that is asked one thing at a time.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    frames: Frames,
    address: Address,
    is_open: bool,
    database: u32,
}

impl Connection {
    /// Whose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks. An error that the server replies is a failure.
    pub fn request<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, Failure> {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, words);
        match self.send(&bytes, 1)?.pop() {
            Some(Value::ServerError(error)) => {
                let name = words.first().map(AsRef::as_ref).unwrap_or_default();
                let command = String::from_utf8_lossy(name).into_owned();
                let reply = reply_of(&error);
                let address = self.address.clone();
                Err(match reply.class() {
                    Class::Denied => Failure::Denied { address, reply },
                    _ => Failure::Refused { address, command, reply },
                })
            }
            Some(value) => Ok(value),
            None => Ok(Value::Nil),
        }
    }

    /// Sends bytes that are `count` commands; an error among the replies is a reply like any other.
    pub fn send(&mut self, bytes: &[u8], count: usize) -> Result<Vec<Value>, Failure> {
        let mut replies = Vec::new();
        let mut exchange = || -> io::Result<()> {
            self.stream.write_all(bytes)?;
            for _ in 0..count {
                let frame = self.frames.next(&mut self.stream)?;
                replies.push(parse(frame)?);
            }
            Ok(())
        };
        match exchange() {
            Ok(()) => Ok(replies),
            Err(cause) => {
                self.is_open = false;
                Err(self.lost(cause))
            }
        }
    }

    /// Sends bytes; the replies are read one by one.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).map_err(|cause| {
            self.is_open = false;
            self.lost(cause)
        })
    }

    /// The next reply; an error is a reply like any other.
    pub fn read(&mut self) -> Result<Value, Failure> {
        match self.frames.next(&mut self.stream).and_then(parse) {
            Ok(value) => Ok(value),
            Err(cause) => {
                self.is_open = false;
                Err(self.lost(cause))
            }
        }
    }

    /// Selects a database.
    pub fn select(&mut self, database: u32) -> Result<(), Failure> {
        self.request(&["SELECT", &database.to_string()])?;
        self.database = database;
        Ok(())
    }

    /// Whether the last exchange went well.
    pub fn is_alive(&self) -> bool {
        self.is_open
    }

    /// The bytes, for whoever moves data: the stream, and what was read from it already.
    pub fn into_stream(self) -> (Stream, Vec<u8>) {
        (self.stream, self.frames.into_rest())
    }

    fn log_in(&mut self, access: &Access) -> Result<(), Failure> {
        let Some(password) = &access.password else {
            // One that wants a password says so to the first command, whatever it is.
            return self.request(&["PING"]).map(|_| ()).or_else(|failure| match failure {
                // A server that loads, or has lost its master, is still one that can be asked.
                Failure::Refused { reply, .. } if reply.class() == Class::Wait => Ok(()),
                // A user may have the right to all but this.
                Failure::Denied { reply, .. } if reply.code() == "NOPERM" => Ok(()),
                failure => Err(failure),
            });
        };
        let answer = match &access.user {
            Some(user) => self.request(&["AUTH", user, password.reveal()]),
            None => self.request(&["AUTH", password.reveal()]),
        };
        match answer {
            Ok(_) => Ok(()),
            Err(Failure::Refused { address, reply, .. }) if reply.class() != Class::Wait => {
                Err(Failure::Denied { address, reply })
            }
            Err(failure) => Err(failure),
        }
    }

    fn lost(&self, cause: io::Error) -> Failure {
        let address = self.address.clone();
        // A server that wants a certificate says so behind the handshake.
        if cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            return tls_failure(&address, address.host(), cause);
        }
        match cause.kind() {
            io::ErrorKind::InvalidData => Failure::Garbled { address, words: cause.to_string() },
            // What a read that took too long is called depends on the system.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Lost {
                address,
                cause: io::Error::new(io::ErrorKind::TimedOut, "no reply in time"),
            },
            _ => Failure::Lost { address, cause },
        }
    }
}

/// The commands of the client library go over it as well.
impl ConnectionLike for Connection {
    fn req_packed_command(&mut self, cmd: &[u8]) -> RedisResult<Value> {
        Ok(self.send(cmd, 1).map_err(redis_error)?.pop().unwrap_or(Value::Nil))
    }

    fn req_packed_commands(
        &mut self,
        cmd: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut replies = self.send(cmd, offset + count).map_err(redis_error)?;
        replies.drain(..offset.min(replies.len()));
        Ok(replies)
    }

    fn get_db(&self) -> i64 {
        self.database.into()
    }

    fn check_connection(&mut self) -> bool {
        self.request(&["PING"]).is_ok()
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

fn redis_error(failure: Failure) -> RedisError {
    RedisError::from(io::Error::other(failure.to_string()))
}

fn parse(frame: &[u8]) -> io::Result<Value> {
    redis::parse_redis_value(frame)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// The words of an error among the client library's values.
pub fn reply_of(error: &redis::ServerError) -> ErrorReply {
    let code = error.code();
    ErrorReply { words: error.details().map_or(code.into(), |words| format!("{code} {words}")) }
}
