//! C's `long double` on x86-64: what INCRBYFLOAT and HINCRBYFLOAT calculate in.
//!
//! ```text
//! value = mantissa × 2^exponent      64 bits of mantissa, the highest of them set
//! 2^-16445 … 2^16384                 below 2^-16382 fewer bits are left
//! ```
//!
//! Text is read as `strtold` does (decimals, `0x` floats, `inf`), correctly rounded; it is written
//! as `%.17Lf` without its trailing zeros. The danger is the difference to a double: `0.1` has
//! eleven more bits here, and they are seen in the seventeen places that are printed.

mod big;
mod read;

use self::big::Big;
use self::read::{decimal, hexadecimal};
use super::ShortText;
use super::printf::{general, word};

/// Texts of this length and more are refused: it is the servers' buffer.
const TEXT_BYTES: usize = 5 * 1024;
/// The exponent of the lowest bit that there is.
const LOWEST: i32 = -16445;
/// The exponent of the lowest bit of the largest number.
const HIGHEST: i32 = 16383 - 63;
/// Places behind the point.
const PLACES: usize = 17;

/// Why two texts have no sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSum {
    /// The first is no number.
    First,
    /// The second is no number.
    Second,
    /// Their sum is infinite, or no number.
    NotFinite,
}

/// The sum of two numbers as INCRBYFLOAT would store it.
pub fn add_long_double(a: &[u8], b: &[u8]) -> Result<Vec<u8>, NoSum> {
    let a = Extended::parse(a).ok_or(NoSum::First)?;
    let b = Extended::parse(b).ok_or(NoSum::Second)?;
    a.plus(b).text().ok_or(NoSum::NotFinite)
}

/// A `long double` that is a number, or an infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Zero,
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
    /// What infinities that cancel out come to.
    Nan,
}

impl Extended {
    /// Zero.
    pub const ZERO: Extended = Extended { negative: false, size: Size::Zero };

    /// The largest that is finite.
    pub const MAX: Extended =
        Extended { negative: false, size: Size::Finite { mantissa: u64::MAX, exponent: HIGHEST } };

    /// The number that a command takes a text for. NaN, and what is too large or too small, is
    /// refused.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES {
            return None;
        }
        let (negative, body) = match text {
            [b'-', body @ ..] => (true, body),
            [b'+', body @ ..] => (false, body),
            body => (false, body),
        };
        let size = match body {
            [b'0', b'x' | b'X', hex @ ..] => hexadecimal(hex)?,
            [b'0'..=b'9' | b'.', ..] => decimal(body)?,
            _ if body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity") => {
                return Some(Extended { negative, size: Size::Infinite });
            }
            _ => return None,
        };
        (size != Size::Infinite).then_some(Extended { negative, size })
    }

    /// The number of an integer.
    pub fn of(value: i64) -> Self {
        let size = round(u128::from(value.unsigned_abs()), false, 0);
        Extended { negative: value < 0, size }
    }

    /// The number of a double that is finite.
    pub fn of_double(value: f64) -> Self {
        const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
        let bits = value.to_bits();
        let stored = (bits >> MANTISSA & 0x7ff) as i32;
        let hidden = u64::from(stored > 0) << MANTISSA;
        let mantissa = bits & ((1 << MANTISSA) - 1) | hidden;
        let size = round(u128::from(mantissa), false, stored.max(1) - 1075);
        Extended { negative: value.is_sign_negative(), size }
    }

    /// The integer that is left without the places behind the point, if it is one of 64 bits.
    pub fn to_int(&self) -> Option<i64> {
        let whole = match self.size {
            Size::Zero => 0,
            Size::Finite { mantissa, exponent: exponent @ -63..=0 } => {
                mantissa >> exponent.unsigned_abs()
            }
            Size::Finite { exponent: ..0, .. } => 0,
            _ => return None,
        };
        if self.negative { 0_i64.checked_sub_unsigned(whole) } else { i64::try_from(whole).ok() }
    }

    /// Whether this is a number and no infinity.
    pub fn is_finite(&self) -> bool {
        matches!(self.size, Size::Zero | Size::Finite { .. })
    }

    /// The sum, correctly rounded.
    pub fn plus(self, other: Self) -> Self {
        use Size::{Finite, Infinite, Nan, Zero};
        let differ = self.negative != other.negative;
        match (self.size, other.size) {
            (Nan, _) | (_, Nan) => Extended { negative: false, size: Nan },
            (Infinite, Infinite) if differ => Extended { negative: false, size: Nan },
            (Zero, Zero) if differ => Extended::ZERO,
            (Infinite, _) | (_, Zero) => self,
            (_, Infinite) | (Zero, _) => other,
            (Finite { mantissa: m, exponent: e }, Finite { mantissa: n, exponent: f }) => {
                if (f, n) > (e, m) {
                    return other.plus(self);
                }
                // 63 bits below the mantissa catch all that matters of the smaller one.
                let large = u128::from(m) << 63;
                let small = u128::from(n) << 63;
                let shift = (e - f).unsigned_abs();
                let (small, lost) = match shift {
                    0..128 => (small >> shift, shift > 0 && small << (128 - shift) != 0),
                    _ => (0, true),
                };
                let sum = if differ {
                    large.wrapping_sub(small).wrapping_sub(u128::from(lost))
                } else {
                    large.wrapping_add(small)
                };
                // What cancels out is no negative zero.
                let negative = self.negative && (sum != 0 || lost);
                Extended { negative, size: round(sum, lost, e - 63) }
            }
        }
    }

    /// `-1`, `0`, `1`: how this stands to another, where both are numbers or infinities.
    pub fn compare(self, other: Self) -> std::cmp::Ordering {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let sign = |x: Extended| match x.size {
            Size::Zero | Size::Nan => 0,
            _ if x.negative => -1,
            _ => 1,
        };
        let (a, b) = (sign(self), sign(other));
        if a != b || a == 0 {
            return a.cmp(&b);
        }
        // Mantissas are left-aligned but below the smallest normal number, where all exponents
        // are the same.
        let sizes = match (self.size, other.size) {
            (Size::Finite { mantissa, exponent }, Size::Finite { mantissa: n, exponent: f }) => {
                (exponent, mantissa).cmp(&(f, n))
            }
            (Size::Infinite, Size::Infinite) => Equal,
            (Size::Infinite, _) => Greater,
            _ => Less,
        };
        if a < 0 { sizes.reverse() } else { sizes }
    }

    /// The other sign.
    pub fn negated(self) -> Self {
        Extended { negative: !self.negative, ..self }
    }

    /// As `%.17Lf` prints it, without trailing zeros; `None` if it is not finite.
    pub fn text(&self) -> Option<Vec<u8>> {
        let digits = match self.size {
            Size::Zero => Vec::new(),
            Size::Finite { mantissa, exponent: exponent @ ..0 } => {
                // Below 2^121, so that nothing is left of it behind a shift by more.
                let scaled = u128::from(mantissa) * 10_u128.pow(PLACES as u32);
                let shift = exponent.unsigned_abs();
                let (kept, rest, half) = match shift {
                    0..127 => (scaled >> shift, scaled & ((1 << shift) - 1), 1_u128 << (shift - 1)),
                    _ => (0, 0, 1),
                };
                let up = rest > half || (rest == half && kept & 1 == 1);
                (kept + u128::from(up)).to_string().into_bytes()
            }
            Size::Finite { mantissa, exponent } => {
                let mut whole = Big::from(mantissa);
                whole.shift_left(exponent.unsigned_abs());
                let mut digits = whole.into_digits();
                digits.extend([b'0'; PLACES]);
                digits
            }
            Size::Infinite | Size::Nan => return None,
        };
        let missing = (PLACES + 1).saturating_sub(digits.len());
        let digits = [&vec![b'0'; missing][..], &digits].concat();
        let (whole, part) = digits.split_at_checked(digits.len() - PLACES)?;
        let mut out = Vec::with_capacity(digits.len() + 2);
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(whole);
        let kept = part.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        if kept > 0 {
            out.push(b'.');
            out.extend_from_slice(part.get(..kept)?);
        } else if out == b"-0" {
            out.remove(0);
        }
        Some(out)
    }
}

impl Extended {
    /// As `%.17Lg` prints it.
    pub fn text_17g(&self) -> ShortText {
        const DIGITS: usize = 17;
        let digits = match self.size {
            Size::Nan => return word(false, b"nan"),
            Size::Infinite => return word(self.negative, b"inf"),
            Size::Zero => Vec::new(),
            Size::Finite { mantissa, exponent } => {
                // A half is five tenths: every binary fraction has its digits in decimals.
                let mut number = Big::from(mantissa);
                if exponent >= 0 {
                    number.shift_left(exponent.unsigned_abs());
                } else {
                    let fives = exponent.unsigned_abs();
                    (0..fives / 13).for_each(|_| number.multiply_add(5_u32.pow(13), 0));
                    number.multiply_add(5_u32.pow(fives % 13), 0);
                }
                number.into_digits()
            }
        };
        let behind = match self.size {
            Size::Finite { exponent: exponent @ ..0, .. } => exponent.unsigned_abs() as usize,
            _ => 0,
        };
        let mut exponent = digits.len() as i32 - behind as i32 - 1;
        let (kept, rest) = digits.split_at_checked(DIGITS).unwrap_or((&digits, &[]));
        let mut number = kept.iter().fold(0_u64, |n, digit| n * 10 + u64::from(digit - b'0'));
        let more = rest.iter().skip(1).any(|&digit| digit != b'0');
        let up = rest.first().is_some_and(|&digit| {
            digit > b'5' || (digit == b'5' && (more || !number.is_multiple_of(2)))
        });
        number += u64::from(up);
        let mut text = ShortText::default();
        text.extend(itoa::Buffer::new().format(number).as_bytes());
        exponent += i32::from(text.len() > kept.len().max(1));
        if number == 0 {
            exponent = 0;
        }
        general(self.negative, text, exponent)
    }
}

/// The number nearest to `bits × 2^exponent` and a bit more if `sticky`; ties go to even.
fn round(bits: u128, sticky: bool, exponent: i32) -> Size {
    let length = 128 - bits.leading_zeros() as i32;
    if length == 0 {
        return Size::Zero;
    }
    // How many bits are too many, or lie below what there is.
    let drop = (length - 64).max(LOWEST - exponent);
    if drop <= 0 {
        let left = (64 - length).min(exponent - LOWEST);
        return finish((bits as u64) << left, exponent - left);
    }
    if drop > 128 {
        return Size::Zero;
    }
    let (kept, rest) = match drop {
        128 => (0, bits),
        _ => (bits >> drop, bits & ((1 << drop) - 1)),
    };
    let half = 1_u128 << (drop - 1);
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    let kept = kept + u128::from(up);
    match u64::try_from(kept) {
        Ok(0) => Size::Zero,
        Ok(mantissa) => finish(mantissa, exponent + drop),
        Err(_) => finish(1 << 63, exponent + drop + 1),
    }
}

fn finish(mantissa: u64, exponent: i32) -> Size {
    if exponent > HIGHEST { Size::Infinite } else { Size::Finite { mantissa, exponent } }
}

#[cfg(test)]
mod tests {
    use super::{Extended, NoSum, add_long_double};

    #[track_caller]
    fn check(a: &str, b: &str, want: Result<&str, NoSum>) {
        let sum = add_long_double(a.as_bytes(), b.as_bytes());
        let sum = sum.map(|text| String::from_utf8(text).unwrap());
        assert_eq!(sum.as_deref(), want.as_ref().copied());
    }

    #[test]
    fn seventeen_digits_as_c_prints_them() {
        for (text, want) in [
            ("0.1", "0.1"),
            ("1e-5", "1e-05"),
            ("1e17", "1e+17"),
            ("9007199254740993", "9007199254740993"),
            ("9223372036854775807", "9.2233720368547758e+18"),
            ("99999999999999999.5", "1e+17"),
            ("1e4931", "1e+4931"),
            ("0", "0"),
            ("-0", "-0"),
            ("-inf", "-inf"),
            ("00.5", "0.5"),
        ] {
            let number = Extended::parse(text.as_bytes()).unwrap();
            assert_eq!(number.text_17g().as_str(), want, "{text}");
        }
        let pi = Extended::of_double(std::f64::consts::PI);
        assert_eq!(pi.text_17g().as_str(), "3.1415926535897931");
        assert_eq!(Extended::of_double(-1.5), Extended::parse(b"-1.5").unwrap());
        assert_eq!(Extended::of_double(5e-324).text_17g().as_str(), "4.9406564584124654e-324");
        assert_eq!(Extended::of_double(-0.0).text_17g().as_str(), "-0");
    }

    #[test]
    fn what_is_left_of_the_point() {
        for (text, want) in [
            ("-1.9", Some(-1)),
            ("1e-5", Some(0)),
            ("-0", Some(0)),
            ("9223372036854775806.5", Some(i64::MAX - 1)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("1e300", None),
            ("inf", None),
        ] {
            assert_eq!(Extended::parse(text.as_bytes()).unwrap().to_int(), want, "{text}");
        }
    }

    #[test]
    fn sums_as_servers_print_them() {
        check("10.5", "0.1", Ok("10.6"));
        check("5.0e3", "2e2", Ok("5200"));
        check("0", "1e-18", Ok("0"));
        check("-1e-18", "0", Ok("0"));
        check("0", "6e-18", Ok("0.00000000000000001"));
        check("1e20", "1", Ok("100000000000000000000"));
        check("18446744073709551615", "1", Ok("18446744073709551616"));
        check("9007199254740993", "0", Ok("9007199254740993"));
        check("123456789.123456789", "1e-9", Ok("123456789.12345678999554366"));
        check("0.1", "-0.1", Ok("0"));
        check("-3", "1.5", Ok("-1.5"));
        check("3", "-1.5", Ok("1.5"));
        check("+.5", "5.", Ok("5.5"));
        check("0x10", "0x.8p1", Ok("17"));
        check("1e19", "-1", Ok("9999999999999999999"));
        check("1e4000", "-1e4000", Ok("0"));
        check("1e-4000", "1", Ok("1"));
        check("3e-4951", "1", Ok("1"));
    }

    #[test]
    fn large_ones_are_printed_in_full() {
        let sum = add_long_double(b"1e4932", b"0").unwrap();
        assert_eq!(sum.len(), 4933);
        assert!(sum.starts_with(b"1000000000000000000"), "{}", sum.escape_ascii());
        let back = Extended::parse(&sum).unwrap();
        assert_eq!(Extended::parse(b"1e4932"), Some(back));
    }

    #[test]
    fn the_long_way_and_the_short_one_agree() {
        let mut seed = 1_u64;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let short = format!("{}e-{}", seed >> (seed % 40), seed >> 33 & 15);
            let tail = "0".repeat(20);
            // Padding that leaves the value alone forces the long way.
            let (digits, exponent) = short.split_once("e-").unwrap();
            let exponent: usize = exponent.parse().unwrap();
            let long = super::read::long_decimal(
                &digits.bytes().map(|b| b - b'0').collect::<Vec<_>>(),
                -(exponent as i32),
            );
            let padded = format!("{digits}{tail}e-{}", exponent + 20);
            let want = Extended::parse(short.as_bytes()).unwrap();
            assert_eq!(want.size, long, "{short}");
            assert_eq!(Extended::parse(padded.as_bytes()), Some(want), "{padded}");
        }
    }

    #[test]
    fn order_and_integers() {
        let texts =
            ["-inf", "-1e30", "-2", "-1", "0", "3e-4951", "1e-10", "1", "2", "1e400", "inf"];
        let numbers: Vec<_> =
            texts.iter().map(|t| Extended::parse(t.as_bytes()).unwrap()).collect();
        for (i, a) in numbers.iter().enumerate() {
            for (j, b) in numbers.iter().enumerate() {
                assert_eq!(a.compare(*b), i.cmp(&j), "{} {}", texts[i], texts[j]);
            }
        }
        for n in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Extended::of(n).text(), Some(n.to_string().into_bytes()));
        }
    }

    #[test]
    fn what_has_no_sum() {
        check("inf", "1", Err(NoSum::NotFinite));
        check("inf", "-inf", Err(NoSum::NotFinite));
        check("1.1e4932", "1.1e4932", Err(NoSum::NotFinite));
        check("1.2e4932", "0", Err(NoSum::First));
        for text in
            ["", " 1", "1 ", "nan", "1e", "0x", "1e5000", "1e-5000", "1\0", "--1", ".", "e1"]
        {
            check(text, "1", Err(NoSum::First));
            check("1", text, Err(NoSum::Second));
        }
    }
}
