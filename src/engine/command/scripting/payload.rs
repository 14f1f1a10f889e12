//! What FUNCTION DUMP answers and FUNCTION RESTORE takes: libraries as in a snapshot.
//!
//! ```text
//! { F5  code as a string }*   version u16 LE   checksum u64 LE
//! ```

use crate::bytes::crc64;
use crate::engine::{Answer, Env, Failure};
use crate::rdb::write::Sink;
use crate::rdb::{Header, Text, opcode};

const FOOTER: Failure = Failure::text("ERR DUMP payload version or checksum are wrong");
const BAD: Failure = Failure::text("ERR failed loading functions payload");

pub(super) fn write(env: &Env) -> Vec<u8> {
    let mut sink = Sink::new(true);
    for code in env.functions.values() {
        sink.byte(opcode::FUNCTION);
        sink.blob(code);
    }
    sink.raw(&(env.target.header.version as u16).to_le_bytes());
    let crc = crc64::update(0, &sink.out);
    sink.raw(&crc.to_le_bytes());
    sink.out
}

/// The code of each library.
pub(super) fn read(payload: &[u8]) -> Answer<Vec<Vec<u8>>> {
    let (covered, checksum) = payload.split_last_chunk::<8>().ok_or(FOOTER)?;
    let (mut rest, version) = covered.split_last_chunk::<2>().ok_or(FOOTER)?;
    let header = Header::of_dump(u16::from_le_bytes(*version));
    if header.version > header.newest()
        || crc64::update(0, covered) != u64::from_le_bytes(*checksum)
    {
        return Err(FOOTER);
    }
    let mut libraries = Vec::new();
    while let Some((code, body)) = rest.split_first() {
        if *code != opcode::FUNCTION {
            return Err(Failure::text("ERR given type is not a function"));
        }
        let (behind, text) = Text::parse(body).map_err(|_| BAD)?;
        libraries.push(text.to_cow().map_err(|_| BAD)?.into_owned());
        rest = behind;
    }
    Ok(libraries)
}
