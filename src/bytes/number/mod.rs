//! Numbers as text: what a server takes for one, and how it spells one.
//!
//! Three questions that look like one: [`integer`] is a text that the server would store as an
//! integer; [`parse_double`] is what it accepts as a score; [`ScoreText`] is how it prints one,
//! which changed between Redis 7.0 and 7.2. The danger: all three are compared as *bytes* (in
//! digests, in listpacks), so almost right is wrong. Where nobody compares, [`shortest`] is quicker.

mod double;
mod extended;
mod grisu;
mod integer;
mod powers;
mod printf;
mod short;
mod shortest;

pub use double::{DoubleRules, parse_double, parse_double_by};
pub use extended::{Extended, NoSum, add_long_double};
pub use integer::{integer, loose_unsigned};
pub use short::ShortText;
pub use shortest::{shortest, whole};

/// How a server spells a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScoreText {
    /// C's `%.17g`: Redis up to 7.0.
    Printf17,
    /// The digits of Grisu2: Redis from 7.2 on, Redict, Valkey.
    Grisu2,
}

impl ScoreText {
    /// The text that the server's digest takes for a score.
    #[inline]
    pub fn digest(self, score: f64) -> ShortText {
        match self {
            ScoreText::Printf17 => printf::printf_17g(score),
            ScoreText::Grisu2 => grisu::text(score),
        }
    }

    /// The text that ZSCORE answers: newer servers print whole numbers up to 2^62 in full.
    pub fn reply(self, score: f64) -> ShortText {
        match self {
            ScoreText::Printf17 => printf::printf_17g(score),
            ScoreText::Grisu2 => reply_text(score),
        }
    }
}

/// A double as servers from Redis 7.2 on reply it.
fn reply_text(value: f64) -> ShortText {
    const WHOLE: f64 = (1_u64 << 62) as f64;
    if value != 0.0 && value.abs() <= WHOLE && value.trunc() == value {
        let mut out = ShortText::default();
        out.extend(itoa::Buffer::new().format(value as i64).as_bytes());
        return out;
    }
    grisu::text(value)
}

#[cfg(test)]
mod tests {
    use super::ScoreText;

    #[track_caller]
    fn check(score: f64, printf: &str, grisu: &str, reply: &str) {
        assert_eq!(ScoreText::Printf17.digest(score).as_str(), printf);
        assert_eq!(ScoreText::Printf17.reply(score).as_str(), printf);
        assert_eq!(ScoreText::Grisu2.digest(score).as_str(), grisu);
        assert_eq!(ScoreText::Grisu2.reply(score).as_str(), reply);
    }

    #[test]
    fn the_same_score_in_three_spellings() {
        check(0.0, "0", "0", "0");
        check(-0.0, "-0", "-0", "-0");
        check(1.0, "1", "1", "1");
        check(0.1, "0.10000000000000001", "0.1", "0.1");
        check(1e17, "1e+17", "1e+17", "100000000000000000");
        check(1e22, "1e+22", "1e+22", "1e+22");
        check(
            123_456_789_012_345_680.0,
            "1.2345678901234568e+17",
            "123456789012345680",
            "123456789012345680",
        );
        check(-1.5e-7, "-1.4999999999999999e-07", "-1.5e-7", "-1.5e-7");
        let two_62 = (1_u64 << 62) as f64;
        check(two_62, "4.6116860184273879e+18", "4611686018427388000", "4611686018427387904");
        check(-two_62, "-4.6116860184273879e+18", "-4611686018427388000", "-4611686018427387904");
        check(f64::INFINITY, "inf", "inf", "inf");
        check(f64::NEG_INFINITY, "-inf", "-inf", "-inf");
    }
}
