//! Module ids: nine characters of six bits each and ten bits of encoding version, in one number.

use std::fmt;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The id that stands before a module's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u64);

impl ModuleId {
    /// That of vector sets (Redis 8.0 to 8.10).
    pub const VECTOR_SET: ModuleId = ModuleId(0xbde7_2da2_bb1e_b400);

    /// The nine characters of the module's type name.
    pub fn name(self) -> String {
        (1..=9).map(|place| Self::letter(self.0, 64 - 6 * place)).collect()
    }

    /// The encoding version of the module's type.
    pub fn version(self) -> u64 {
        self.0 & 0x3ff
    }

    /// The four characters of a class of key metadata (Redis 8.6 and newer).
    pub fn class_name(spec: u32) -> String {
        (1..=4).map(|place| Self::letter(spec.into(), 32 - 6 * place)).collect()
    }

    fn letter(bits: u64, shift: u32) -> char {
        ALPHABET.get((bits >> shift & 63) as usize).map_or('?', |&byte| char::from(byte))
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name(), self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleId;

    #[test]
    fn names_come_back() {
        assert_eq!(ModuleId(0x45e2_5238_df91_2c03).to_string(), "ReJSON-RL v3");
        assert_eq!(ModuleId(0x3016_e5a2_89be_f804).to_string(), "MBbloom-- v4");
        assert_eq!(ModuleId::VECTOR_SET.to_string(), "vectorset v0");
        assert_eq!(ModuleId::class_name(0x28c4_f508), "KMT1");
    }
}
