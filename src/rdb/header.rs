//! The first nine bytes: `REDIS` and four digits, or (Valkey 9.0 and newer) `VALKEY` and three.

use crate::bytes::take::take;
use crate::error::{Bad, Fault, Parsed, bad};

/// Length of magic and version together.
pub const HEADER_BYTES: usize = 9;
/// The newest version with the `REDIS` magic that this reader knows (Redis 8.10.2).
pub const NEWEST_REDIS: u32 = 15;
/// The newest version with the `VALKEY` magic that this reader knows.
pub const NEWEST_VALKEY: u32 = 81;
/// Versions from here on go with the `VALKEY` magic, those below with `REDIS` (Valkey 9.1.2).
const FIRST_VALKEY: u32 = 80;
/// The last version that both families write and read alike.
const LAST_SHARED: u32 = 11;

/// Who gave the numbers their meaning: types from 22 and opcodes 242 and 243 differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The magic is `REDIS`, or a DUMP payload says a version below 80.
    Redis,
    /// The magic is `VALKEY`, or a DUMP payload says version 80 or newer.
    Valkey,
}

/// Magic and version of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// By the magic.
    pub family: Family,
    /// The version.
    pub version: u32,
}

impl Header {
    /// What a DUMP payload with this version in its footer means.
    pub fn of_dump(version: u16) -> Self {
        let version = u32::from(version);
        let family = if version >= FIRST_VALKEY { Family::Valkey } else { Family::Redis };
        Header { family, version }
    }

    /// Reads magic and version. A version newer than this reader knows is not an error here.
    pub fn parse(input: &[u8]) -> Parsed<'_, Header> {
        let (rest, head) = take(input, HEADER_BYTES as u64)?;
        let (family, digits) = match head {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Family::Redis, digits),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Family::Valkey, digits),
            _ => return bad(input, Fault::Magic),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return bad(input, Fault::Magic);
        }
        let version = digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
        let fits = match family {
            Family::Redis => (1..FIRST_VALKEY).contains(&version),
            Family::Valkey => version >= FIRST_VALKEY,
        };
        if !fits {
            return Err(nom::Err::Error(Bad { at: input, fault: Fault::Version { version } }));
        }
        Ok((rest, Header { family, version }))
    }

    /// Whether what this format holds takes in what the other one does: its own family's as new or
    /// older, and as Valkey what both families had before they parted.
    pub fn reads(&self, other: Header) -> bool {
        match (self.family == other.family, self.family) {
            (true, _) => other.version <= self.version,
            (false, Family::Valkey) => other.version <= LAST_SHARED,
            (false, Family::Redis) => false,
        }
    }

    /// Whether these bytes begin like a snapshot.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY")
    }

    /// The newest version of this family that the reader knows.
    pub fn newest(&self) -> u32 {
        match self.family {
            Family::Redis => NEWEST_REDIS,
            Family::Valkey => NEWEST_VALKEY,
        }
    }

    /// Whether a checksum stands behind the end marker (version 5 and newer).
    pub fn has_checksum(&self) -> bool {
        self.version >= 5
    }

    /// The magic as it stands in the file: `REDIS0011`, `VALKEY080`.
    pub fn magic(&self) -> String {
        match self.family {
            Family::Redis => format!("REDIS{:04}", self.version),
            Family::Valkey => format!("VALKEY{:03}", self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::unwrap_bad;

    #[track_caller]
    fn check(bytes: &[u8], want: Result<(Family, u32), Fault>) {
        let got = Header::parse(bytes).map(|(_, h)| (h.family, h.version));
        assert_eq!(got.map_err(|e| unwrap_bad(e).fault), want);
    }

    #[test]
    fn each_family_has_its_versions() {
        check(b"REDIS0001", Ok((Family::Redis, 1)));
        check(b"REDIS0015", Ok((Family::Redis, 15)));
        check(b"VALKEY080", Ok((Family::Valkey, 80)));
        check(b"VALKEY011", Err(Fault::Version { version: 11 }));
        check(b"REDIS0080", Err(Fault::Version { version: 80 }));
        check(b"REDIS0000", Err(Fault::Version { version: 0 }));
    }

    #[test]
    fn other_bytes_are_no_magic() {
        check(b"REDIS00x1", Err(Fault::Magic));
        check(b"*3\r\n$3\r\nS", Err(Fault::Magic));
        check(b"REDIS", Err(Fault::Truncated { need: 9, have: 5 }));
    }
}
