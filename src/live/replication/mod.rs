//! What a replica does: asks a server for its snapshot, and for the commands that come after it.
//!
//! ```text
//! PING · REPLCONF capa … · PSYNC ? -1          ─►
//! ◄─  +FULLRESYNC <id> <offset>                    the point of the stream that the snapshot is of
//! ◄─  \n \n \n                                     while the snapshot is being made
//! ◄─  $EOF:<mark> snapshot <mark>  or  $<length> snapshot
//! REPLCONF ACK <offset>, each second           ─►
//! ◄─  commands, and PING while there are none      each byte of them counts for the offset
//! ```
//!
//! Who comes back with the id and the offset up to which he has everything is answered `+CONTINUE`,
//! and gets the commands from there on, where the server still has them.
//!
//! Newer servers can be told to send the snapshot over a connection of its own, the RDB channel.
//!
//! The one danger is to take what is cut off for what is complete: a snapshot is over when its
//! length or its mark has come, and never because nothing comes any more.

mod channel;
mod follow;
mod payload;
mod wire;

use channel::Offer;
pub use follow::{Event, Follow};
pub use payload::{Framing, Payload};
pub use wire::{Answer, Duplex, Wire};

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::live::{Address, Connector};

/// A version above all there are: servers that write a newer format only for those who say that
/// they can read it then write their own.
const VERSION: &[u8] = b"99.0.0";

/// How long a server that is loading its data is left alone before it is asked again.
const LOADING_PAUSE: Duration = Duration::from_millis(200);

/// A point of a replication stream: whose it is, and how many of its bytes came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The replication id, forty hexadecimal digits.
    pub id: String,
    /// The offset in bytes.
    pub offset: u64,
}

/// What is asked of a server.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The snapshot alone: the server then keeps no commands for what comes after it.
    pub snapshot_only: bool,
    /// The point up to which everything is there; the snapshot is asked for where there is none.
    pub from: Option<Point>,
    /// All over one connection, also where the server would send the snapshot over another.
    pub one_connection: bool,
}

/// What a server answered.
pub enum Answered {
    /// A snapshot comes, which is that of `point`.
    Snapshot {
        /// Where the stream goes on behind the snapshot.
        point: Point,
        /// The database that the first commands behind it are of, until they select another.
        db: u32,
        /// The snapshot itself.
        payload: Payload,
    },
    /// The stream goes on where it was left, under the id that it has now.
    Continues {
        /// The point it goes on from.
        point: Point,
        /// The connection it comes over.
        wire: Wire,
    },
}

/// The snapshot of a server, from the moment on in which its first bytes come, and the point of the
/// stream that it is of. Sentences call the server `name`.
pub fn snapshot(connector: &Connector, address: &Address, name: &str) -> Result<(Point, Payload)> {
    let mut open = || {
        let connection = connector.open_first(address)?;
        Wire::of(connection, name, connector.timeouts().reply)
    };
    let wire = open()?;
    match ask(wire, &mut open, &Ask { snapshot_only: true, ..Ask::default() })? {
        Answered::Snapshot { point, payload, .. } => Ok((point, payload)),
        Answered::Continues { wire, .. } => Err(wire.odd("PSYNC", "CONTINUE")),
    }
}

/// Asks a server as a replica does. Whoever it is has been let in already.
///
/// A server that sends the snapshot over a connection of its own is given one, which `again` makes:
/// it is less work for it, and it need not keep what is written meanwhile. Where that does not come
/// about, whatever the reason, it is asked anew for all of it over one.
///
/// Fails with [`Error::Usage`] and a sentence where the server refuses, and with [`Error::Io`]
/// where the connection does not hold.
pub fn ask(wire: Wire, again: &mut dyn FnMut() -> Result<Wire>, ask: &Ask) -> Result<Answered> {
    let (main, offer) = match begin(wire, ask)? {
        Begun::Answered(answered) => return Ok(answered),
        Begun::Offered(main, offer) => (main, offer),
    };
    if let Ok(answered) = channel::open(main, &offer, again, !ask.snapshot_only) {
        return Ok(answered);
    }
    let wire = again()?;
    match begin(wire, &Ask { one_connection: true, ..ask.clone() })? {
        Begun::Answered(answered) => Ok(answered),
        Begun::Offered(wire, _) => Err(wire.odd("PSYNC", "an offer that was not asked for")),
    }
}

/// What came of a PSYNC.
enum Begun {
    Answered(Answered),
    /// The snapshot comes over another connection, once there is one.
    Offered(Wire, Offer),
}

fn begin(mut wire: Wire, ask: &Ask) -> Result<Begun> {
    awake(&mut wire)?;
    // Each of these is a wish that older servers do not know, and do without.
    wire.ask(&[b"REPLCONF", b"version", VERSION])?;
    let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"];
    if !ask.one_connection {
        words.extend(channel::CAPABILITIES);
    }
    if let Answer::Error(words) = wire.ask(&words)? {
        return Err(refused(&wire, "REPLCONF", &words));
    }
    if ask.snapshot_only {
        wire.ask(&[b"REPLCONF", b"rdb-only", b"1"])?;
    }
    let (id, next) = match &ask.from {
        Some(point) => (point.id.as_str(), (point.offset + 1).to_string()),
        None => ("?", "-1".to_owned()),
    };
    let line = asked(&mut wire, "PSYNC", &[b"PSYNC", id.as_bytes(), next.as_bytes()])?;
    if let Some(offer) = Offer::of(&line) {
        return Ok(Begun::Offered(wire, offer));
    }
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("FULLRESYNC"), Some(id), Some(offset)) => {
            let offset = offset.parse().map_err(|_| wire.odd("PSYNC", &line))?;
            let point = Point { id: id.to_owned(), offset };
            let framing = payload::framing(&mut wire)?;
            let payload = Payload::new(wire, framing);
            // The stream begins with the database that it is of.
            Ok(Begun::Answered(Answered::Snapshot { point, db: 0, payload }))
        }
        (Some("CONTINUE"), id, _) => {
            let Some(from) = &ask.from else { return Err(wire.odd("PSYNC", &line)) };
            let id = id.unwrap_or(&from.id).to_owned();
            let point = Point { id, offset: from.offset };
            Ok(Begun::Answered(Answered::Continues { point, wire }))
        }
        _ => Err(wire.odd("PSYNC", &line)),
    }
}

/// Asks for what is answered with a status, and with an error where it is refused.
fn asked(wire: &mut Wire, command: &str, words: &[&[u8]]) -> Result<String> {
    match wire.ask(words)? {
        Answer::Status(line) => Ok(line),
        Answer::Error(words) => Err(refused(wire, command, &words)),
        other => Err(wire.unexpected(command, &other)),
    }
}

/// Waits until the server has loaded its data.
fn awake(wire: &mut Wire) -> Result<()> {
    let began = Instant::now();
    loop {
        match wire.ask(&[b"PING"])? {
            Answer::Error(words) if words.starts_with("LOADING") => {
                if began.elapsed() > wire.patience() {
                    return Err(refused(wire, "PING", &words));
                }
                std::thread::sleep(LOADING_PAUSE);
            }
            // Who may replicate need not be allowed to ping.
            Answer::Error(words) if words.starts_with("NOPERM") => return Ok(()),
            // A replica without its master says so here, where it was told not to serve old data.
            Answer::Error(words) if words.starts_with("MASTERDOWN") => return Ok(()),
            Answer::Error(words) => return Err(refused(wire, "PING", &words)),
            _ => return Ok(()),
        }
    }
}

/// A sentence for what a server says no with.
fn refused(wire: &Wire, command: &str, words: &str) -> Error {
    let name = wire.name();
    let code = words.split(' ').next().unwrap_or_default();
    Error::Usage(match code {
        "NOPERM" => format!(
            "{name}: this user may not run {command}: a replica needs the commands psync, replconf \
             and ping (ACL SETUSER … +psync +replconf +ping), and for the server's facts +info"
        ),
        "NOAUTH" => format!("{name} wants a password"),
        "NOMASTERLINK" | "MASTERDOWN" => format!(
            "{name} is a replica whose link to its master is down, so it has nothing to send: ask \
             the master, or a replica that is in step"
        ),
        "LOADING" => format!("{name} is still loading its data: try again when it is done"),
        _ if words.contains("unknown command") => format!(
            "{name} does not know {command} ({words}): a managed service often has it switched \
             off, and a proxy never has it"
        ),
        _ => format!("{name} refuses {command}: {words}"),
    })
}

#[cfg(test)]
mod tests;
