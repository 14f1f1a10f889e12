//! The auxiliary field in which Valkey 8 and newer say how many keys a slot has.
//!
//! ```text
//! slot-info    slot, keys, keys with expiry (, keys with fields that expire)
//! ```
//!
//! Valkey reads the text with `sscanf` and `"%i,%lu,%lu"`, and stops where a number is missing: what
//! stands behind the third is nobody's business, and blanks may stand before each.

/// Whether an auxiliary field is called that; servers compare without case.
pub(crate) fn is_slot_info(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"slot-info")
}

/// Whether Valkey can read the text.
pub(crate) fn reads_as_slot_info(text: &[u8]) -> bool {
    let numbers = || {
        let rest = comma(slot(text)?)?;
        let rest = comma(decimal(unsigned_start(rest))?)?;
        decimal(unsigned_start(rest))
    };
    numbers().is_some()
}

/// `%i`: a decimal, an octal with a leading 0 or a hexadecimal number.
fn slot(text: &[u8]) -> Option<&[u8]> {
    match unsigned_start(text) {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, u8::is_ascii_hexdigit),
        rest @ [b'0', ..] => digits(rest, |digit| (b'0'..=b'7').contains(digit)),
        rest => decimal(rest),
    }
}

/// Behind blanks and a sign, which `sscanf` takes even before unsigned numbers.
fn unsigned_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    match text.get(blanks..).unwrap_or_default() {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    }
}

fn decimal(text: &[u8]) -> Option<&[u8]> {
    digits(text, u8::is_ascii_digit)
}

/// What follows at least one digit.
fn digits(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| is_digit(byte)).count();
    if count == 0 { None } else { text.get(count..) }
}

fn comma(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b",")
}

#[cfg(test)]
mod tests {
    use super::reads_as_slot_info;

    #[track_caller]
    fn check(text: &[u8], want: bool) {
        assert_eq!(reads_as_slot_info(text), want, "{text:?}");
    }

    /// As Valkey 9.1.2 and 8.1 do.
    #[test]
    fn what_valkey_can_read() {
        for text in [
            "5,1,0,0",
            "5,1,0",
            " 5, 1, 0",
            "0x5,1,0",
            "-5,1,0",
            "5,-1,0",
            "5,1,0,x",
            "5,1,0junk",
            "+5,+1,0",
            "99999999999999999999,1,0",
            "\t5,1,0",
            "017,1,0",
        ] {
            check(text.as_bytes(), true);
        }
        for text in ["", "xyz", "5", "5,1", "5 ,1,0", "08,1,0", "5,1,\x000", "5,1,+", "5,0x1,0"] {
            check(text.as_bytes(), false);
        }
        check(b"5,1\x81,0,0", false);
    }
}
