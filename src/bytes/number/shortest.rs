//! A double in as few digits as tell it from all others, as a command may say it: every server reads
//! the same double, whatever digits it would print itself.

use super::ShortText;

/// The whole number that a double is, where every whole number is a double and an integer says the
/// same: −0 is none.
#[inline]
pub fn whole(value: f64) -> Option<i64> {
    /// Below this every whole number is a double.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "what is lost makes a difference, which is asked for"
    )]
    let (whole, again) = (value as i64, value as i64 as f64);
    let is_minus_zero = whole == 0 && value.is_sign_negative();
    (value.abs() < WHOLE && again == value && !is_minus_zero).then_some(whole)
}

/// The text of a double.
pub fn shortest(value: f64) -> ShortText {
    let mut out = ShortText::default();
    if let Some(whole) = whole(value) {
        out.extend(itoa::Buffer::new().format(whole).as_bytes());
    } else if value == 0.0 {
        out.extend(b"-0");
    } else if value.is_finite() {
        out.extend(zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend(b"nan");
    } else {
        out.extend(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shortest;
    use crate::bytes::number::parse_double;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut bits = 1_u64;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            for value in [f64::from_bits(bits), (bits >> 40) as f64 / 128.0] {
                let text = shortest(value);
                let back = parse_double(&text).unwrap();
                assert!(back.to_bits() == value.to_bits() || value.is_nan(), "{value:e} {text}");
            }
        }
    }

    #[test]
    fn as_people_write_them() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(shortest(value).as_str(), want);
        }
    }
}
