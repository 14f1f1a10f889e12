//! The walk over bytes that arrive through a window: one thread, each record once.

use super::checksum::Checksum;
use super::whole::parse_header;
use super::{HUGE, Observer, Tally, WalkOptions, Walked};
use crate::bytes::crc64;
use crate::bytes::input::Input;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::rdb::{Claim, Entry, Framer, HEADER_BYTES, NAMED_BYTES, Record};

/// Bytes are given back to the window, and tallies merged, in steps of this size.
const STEP_BYTES: usize = 256 << 10;

pub(super) fn walk<T: Tally>(
    input: &mut dyn Input,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Walked> {
    while input.buffer().len() < HEADER_BYTES && input.more()? {}
    let header = parse_header(input.buffer(), input.position())?;

    let mut framer = Framer::new(header);
    let mut room = T::Room::default();
    let (mut keys, mut others) = (0, 0);
    let mut crc = 0;
    // How much of the window has been walked but not given back.
    let mut at = HEADER_BYTES;
    let mut end: Option<Ended> = None;
    while end.is_none() {
        let mut tally = fresh();
        let mut widen = false;
        let mut result = Ok(());
        while at < STEP_BYTES && end.is_none() && !widen && result.is_ok() {
            let buffer = input.buffer();
            let rest = buffer.get(at..).unwrap_or_default();
            let offset = input.position() + at as u64;
            if let Some((entry, after)) = framer.plain_string(rest, offset) {
                keys += 1;
                if options.tally {
                    result = tally.plain_string(&entry, &mut room);
                }
                at = buffer.len() - after.len();
                continue;
            }
            match framer.next(rest, offset) {
                Ok((record, after)) => {
                    match &record {
                        Record::Entry(entry) => {
                            keys += 1;
                            if options.tally && !huge(entry, &mut tally, root, fresh, &mut room)? {
                                result = tally.entry(entry, &mut room);
                            }
                        }
                        record => {
                            if let Record::End { checksum } = record {
                                end = Some(Ended::Marker(*checksum));
                            } else {
                                others += 1;
                            }
                            if options.tally {
                                result = tally.record(record, offset, &mut room);
                            }
                        }
                    }
                    at = buffer.len() - after.len();
                }
                Err(error) => {
                    let at_hand = input.position() + buffer.len() as u64;
                    let wanting = error.fault.is_truncated() || key_may_come(&error, at_hand);
                    match if wanting { input.more() } else { Ok(false) } {
                        Ok(true) => widen = true,
                        Ok(false) => end = Some(Ended::Fault(error)),
                        // Compressed bytes that cannot be unpacked any further: what stands before
                        // is told all the same.
                        Err(Error::Format(broken)) => end = Some(Ended::Fault(broken)),
                        Err(error) => result = Err(error),
                    }
                }
            }
        }
        // What stands before a failure is still told.
        root.merge(tally)?;
        result?;
        let covered = match end {
            Some(Ended::Marker(Some(_))) => at - 8,
            _ => at,
        };
        if options.checksum {
            crc = crc64::update(crc, input.buffer().get(..covered).unwrap_or_default());
        }
        input.consume(at);
        at = 0;
        observer.progress(input.position());
    }

    let ended_at = input.position();
    if let (Some(Ended::Fault(error)), Some(claim)) = (&mut end, framer.claim()) {
        blame(claim, error, input)?;
    }
    let (checksum, fault) = match end {
        Some(Ended::Marker(stored)) => {
            (Checksum::of(stored, options.checksum.then_some(crc)), None)
        }
        Some(Ended::Fault(error)) => (Checksum::Unknown, Some(error)),
        None => (Checksum::Unknown, None),
    };
    Ok(Walked { header, checksum, end: ended_at, keys, others, fault })
}

/// Whether the root takes in an entry because it is huge; what was tallied before is merged then.
fn huge<T: Tally>(
    entry: &Entry<'_>,
    tally: &mut T,
    root: &mut T,
    fresh: &(dyn Fn() -> T + Sync),
    room: &mut T::Room,
) -> Result<bool> {
    if entry.size_bytes() < HUGE {
        return Ok(false);
    }
    root.merge(std::mem::replace(tally, fresh()))?;
    root.huge(entry, room)
}

/// Holds what a value claims against the bytes left, which come one after the other.
fn blame(claim: Claim, error: &mut FormatError, input: &mut dyn Input) -> Result<()> {
    loop {
        let known = input.position() + input.buffer().len() as u64;
        if !claim.is_beyond(known) {
            return Ok(());
        }
        input.consume(input.buffer().len());
        let more = match input.more() {
            Err(Error::Format(_)) => return Ok(()),
            more => more?,
        };
        if !more {
            claim.blame(known, error);
            return Ok(());
        }
    }
}

/// Whether the key behind a type that is none is not named only because it has not come yet.
fn key_may_come(error: &FormatError, at_hand: u64) -> bool {
    let foreign = matches!(error.fault, Fault::ForeignOpcode { .. });
    let unknown = error.doing == Doing::Opcode && error.key.is_none() && !foreign;
    unknown && at_hand - error.offset <= NAMED_BYTES as u64
}

enum Ended {
    Marker(Option<u64>),
    Fault(Box<FormatError>),
}
