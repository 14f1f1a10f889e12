//! What DUMP answers and RESTORE takes: one value without its key.
//!
//! ```text
//! (F3 key metadata)  type u8  value  …  version u16 LE  checksum u64 LE
//! ```
//!
//! There is no magic: the version says which family gave the type its number. Servers ignore
//! bytes between value and footer, and a checksum of 0 is no way to say that there is none.

use super::claim::Claim;
use super::{Entry, Header, Text, ValueType, frame, opcode};
use crate::bytes::crc64;
use crate::error::{Bad, Doing, Fault, FormatError, unwrap_bad};
use crate::rdb::Family;

const FOOTER: usize = 2 + 8;

/// A DUMP payload. Whether its checksum holds is for the caller to ask.
#[derive(Debug, Clone)]
pub struct Dump<'a> {
    /// The value, with an empty key, in database 0; offsets count from the start of the payload.
    pub entry: Entry<'a>,
    /// Family and version, out of the footer.
    pub header: Header,
    /// The checksum in the footer.
    pub checksum: u64,
    /// The checksum of everything in front of it.
    pub computed: u64,
    /// Bytes between the value and the footer.
    pub slack_bytes: u64,
}

impl<'a> Dump<'a> {
    /// Finds footer, type and value. The checksum is computed but not judged.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Box<FormatError>> {
        let error = |at: usize, doing, fault| {
            Box::new(FormatError { file: None, offset: at as u64, doing, key: None, fault })
        };
        let have = payload.len() as u64;
        let Some((value, footer)) =
            payload.split_last_chunk::<FOOTER>().filter(|(value, _)| !value.is_empty())
        else {
            return Err(error(0, Doing::DumpFooter, Fault::DumpFooter { have }));
        };
        let [v0, v1, checksum @ ..] = *footer;
        let header = Header::of_dump(u16::from_le_bytes([v0, v1]));
        let covered = payload.get(..payload.len() - 8).unwrap_or_default();

        let mut doing = Doing::Opcode;
        let (rest, mut entry) = Self::entry(value, header.family, &mut doing)
            .map_err(|bad| error(value.len() - bad.at.len(), doing, bad.fault))?;
        entry.end = (value.len() - rest.len()) as u64;
        Ok(Dump {
            entry,
            header,
            checksum: u64::from_le_bytes(checksum),
            computed: crc64::update(0, covered),
            slack_bytes: rest.len() as u64,
        })
    }

    /// Whether the checksum is that of the bytes.
    pub fn is_intact(&self) -> bool {
        self.checksum == self.computed
    }

    fn entry(
        value: &'a [u8],
        family: Family,
        doing: &mut Doing,
    ) -> Result<(&'a [u8], Entry<'a>), Bad<'a>> {
        let mut at = value;
        let mut meta = None;
        if let (Family::Redis, [opcode::KEY_META_OR_SLOT_IMPORT, record @ ..]) = (family, value) {
            *doing = Doing::Record("KEY_META");
            let (rest, ()) = frame::key_meta(record).map_err(unwrap_bad)?;
            meta = record.get(..record.len() - rest.len());
            at = rest;
            *doing = Doing::Opcode;
        }
        let truncated = Bad { at, fault: Fault::Truncated { need: 1, have: 0 } };
        let (&code, body) = at.split_first().ok_or(truncated)?;
        let value_type = ValueType::of(family, code).map_err(|fault| Bad { at, fault })?;
        // These refer to a template of their file.
        if matches!(value_type, ValueType::HashTemplateListpack | ValueType::HashTemplateArray) {
            return Err(Bad { at, fault: Fault::TypePlace { byte: code } });
        }
        *doing = Doing::Value(value_type.label());
        let (rest, ()) = frame::value(body, value_type, 0)
            .map_err(|bad| blamed(body, value_type, unwrap_bad(bad)))?;
        let entry = Entry {
            db: 0,
            key: Text::Raw(&[]),
            expires_at_ms: None,
            eviction: None,
            meta,
            value_type,
            offset: 0,
            body_offset: (value.len() - body.len()) as u64,
            end: 0,
            body: body.get(..body.len() - rest.len()).unwrap_or_default(),
            unpacked: None,
            template: None,
        };
        Ok((rest, entry))
    }
}

/// What is to blame for the failure to read a value: perhaps its count.
#[cold]
fn blamed<'a>(body: &'a [u8], ty: ValueType, bad: Bad<'a>) -> Bad<'a> {
    Claim::of(body, ty, 0)
        .and_then(|claim| claim.verdict(body.len() as u64, &bad.fault))
        .and_then(|(at, fault)| Some(Bad { at: body.get(usize::try_from(at).ok()?..)?, fault }))
        .unwrap_or(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x00\x05hello\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a";

    /// Type, body, whether the checksum matches, slack.
    type Seen<'a> = (ValueType, &'a [u8], bool, u64);

    #[track_caller]
    fn check(payload: &[u8], want: Result<Seen<'_>, (u64, Fault)>) {
        let got = Dump::parse(payload).map_err(|error| (error.offset, error.fault));
        let got = got.as_ref().map_err(|error| *error).map(|dump| {
            (dump.entry.value_type, dump.entry.body(), dump.is_intact(), dump.slack_bytes)
        });
        assert_eq!(got, want);
    }

    #[test]
    fn a_value_and_its_footer() {
        check(HELLO, Ok((ValueType::String, b"\x05hello", true, 0)));
        let mut bent = HELLO.to_vec();
        bent[3] ^= 1;
        check(&bent, Ok((ValueType::String, b"\x05hdllo", false, 0)));
        check(b"\x00\x01a??\x0b\0\0\0\0\0\0\0\0\0", Ok((ValueType::String, b"\x01a", false, 2)));
    }

    #[test]
    fn the_version_says_whose_types_they_are() {
        let body = b"\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff";
        let payload = |version: &[u8]| [b"\x16", &body[..], version, &[0; 8]].concat();
        check(&payload(b"\x50\0"), Ok((ValueType::HashValkey, body, false, 0)));
        check(&payload(b"\x0c\0")[..6], Err((0, Fault::DumpFooter { have: 6 })));
        let payload = b"\x16\x01\x00\x01f\x01v\x0c\0\0\0\0\0\0\0\0\0";
        check(payload, Ok((ValueType::HashMetadataPreGa, b"\x01\x00\x01f\x01v", false, 0)));
    }

    #[test]
    fn metadata_in_front() {
        let payload = b"\xf3\x01\x09\xf5\xc4\x28\x05\x04meta\x00\x00\x01v\x0d\0\0\0\0\0\0\0\0\0";
        check(payload, Ok((ValueType::String, b"\x01v", false, 0)));
        let dump = Dump::parse(payload).unwrap();
        assert_eq!(dump.entry.meta, Some(&b"\x01\x09\xf5\xc4\x28\x05\x04meta\x00"[..]));
        assert_eq!(dump.entry.body_offset, 14);
    }

    #[test]
    fn what_is_no_payload() {
        check(b"\x0a\0\0\0\0\0\0\0\0\0", Err((0, Fault::DumpFooter { have: 10 })));
        check(b"\x1e\x0f\0\0\0\0\0\0\0\0\0", Err((0, Fault::TypePlace { byte: 30 })));
        check(b"\x08\x0f\0\0\0\0\0\0\0\0\0", Err((0, Fault::UnknownType { byte: 8 })));
        check(b"\x00\x02a\x0f\0\0\0\0\0\0\0\0\0", Err((2, Fault::Truncated { need: 2, have: 1 })));
    }
}
