//! What RESTORE takes: a type, a body, and a footer of version and checksum.

use crate::bytes::crc64;
use crate::rdb::{Family, Target, ValueType, opcode};

/// The oldest version of the format that the footers here name.
const OLDEST: u32 = 6;

/// Appends the payload of a value; `meta` is the metadata of modules, behind its opcode. The
/// version in the footer is the first that has the type, so that older servers take it, too.
pub fn dump(
    out: &mut Vec<u8>,
    target: &Target,
    value_type: ValueType,
    body: &[u8],
    meta: Option<&[u8]>,
) {
    let mut version = value_type.since().max(OLDEST);
    let start = out.len();
    if let Some(meta) = meta {
        out.push(opcode::KEY_META_OR_SLOT_IMPORT);
        out.extend_from_slice(meta);
        version = target.header.version;
    }
    if target.header.family == Family::Valkey && value_type == ValueType::HashValkey {
        version = target.header.version;
    }
    close(out, start, version, value_type, body);
}

/// Appends the payload of a value as DUMP of a server with this version of the format writes it.
pub fn payload(out: &mut Vec<u8>, version: u32, value_type: ValueType, body: &[u8]) {
    let start = out.len();
    close(out, start, version, value_type, body);
}

/// Appends type, body and footer; what the checksum covers begins at `start`.
fn close(out: &mut Vec<u8>, start: usize, version: u32, value_type: ValueType, body: &[u8]) {
    out.push(value_type.code());
    out.extend_from_slice(body);
    out.extend_from_slice(&(version as u16).to_le_bytes());
    let crc = crc64::update(0, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::dump;
    use crate::rdb::{Dump, Target, ValueType};

    #[test]
    fn a_payload_reads_as_what_it_is() {
        let mut out = b"in front".to_vec();
        let meta: &[u8] = b"\x01\x09\xf5\xc4\x28\x05\x04meta\x00";
        for (ty, version, meta) in [
            (ValueType::String, 6, None),
            (ValueType::SetListpack, 11, None),
            (ValueType::String, 15, Some(meta)),
        ] {
            out.truncate(8);
            dump(&mut out, &Target::default(), ty, b"\x01v", meta);
            let read = Dump::parse(&out[8..]).unwrap();
            assert!(read.is_intact());
            assert_eq!(read.header.version, version);
            assert_eq!((read.entry.value_type, read.entry.meta), (ty, meta));
        }
    }
}
