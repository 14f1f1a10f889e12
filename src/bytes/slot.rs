//! The cluster slot of a key: CRC16-XMODEM modulo 16384, over the hash tag if there is one.
//!
//! The tag is what stands between the *first* `{` and the first `}` behind it; if that is
//! nothing, the whole key counts, whatever braces come later.

/// The number of slots of a cluster.
pub const SLOTS: u16 = 16384;

const POLYNOMIAL: u16 = 0x1021;
const TABLE: [u16; 256] = table();

/// The slot of a key.
pub fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

/// The part of a key that decides its slot.
pub fn tag(key: &[u8]) -> &[u8] {
    let mut halves = key.splitn(2, |byte| *byte == b'{');
    let (_, Some(after)) = (halves.next(), halves.next()) else { return key };
    match after.iter().position(|byte| *byte == b'}') {
        Some(n @ 1..) => after.get(..n).unwrap_or(key),
        _ => key,
    }
}

/// CRC16-XMODEM: polynomial 0x1021, start 0, nothing reflected.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        let index = (crc >> 8) ^ u16::from(byte);
        crc << 8 ^ TABLE.get(usize::from(index)).copied().unwrap_or_default()
    })
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "the loop's own bound, at compile time")]
        {
            table[index] = crc;
        }
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{crc16, slot, tag};

    #[track_caller]
    fn check(key: &str, want_tag: &str, want_slot: u16) {
        assert_eq!(tag(key.as_bytes()), want_tag.as_bytes(), "{key}");
        assert_eq!(slot(key.as_bytes()), want_slot, "{key}");
    }

    #[test]
    fn check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn tags() {
        check("foo", "foo", 12182);
        check("{foo}2", "foo", 12182);
        check("bar", "bar", 5061);
        check("", "", 0);
        check("a{foo}b{bar}", "foo", 12182);
        check("foo{{bar}}zap", "{bar", slot(b"{bar"));
        check("{}{foo}", "{}{foo}", slot(b"{}{foo}"));
        check("foo{", "foo{", slot(b"foo{"));
        check("}foo{bar", "}foo{bar", slot(b"}foo{bar"));
        check("}{foo}", "foo", 12182);
    }
}
