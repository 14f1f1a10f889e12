//! SHA-1 as servers use it to name scripts.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

/// The SHA-1 of some bytes, in 40 hexadecimal digits.
pub fn sha1_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(40);
    for byte in Sha1::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_a_script() {
        let name = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        assert_eq!(super::sha1_hex(b"return 1"), name);
    }
}
