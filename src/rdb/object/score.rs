//! Scores: of sorted sets, in each of the forms that files have had.
//!
//! A server reads a score's text as far as it is a number, so `1.5x` is 1.5. Of a text that does
//! not begin with one the loader of single members makes an end, and a reader of blobs makes 0; a
//! reader who is asked for the score cannot say that, so here both are an error.

use super::Broken;
use super::cursor::Cursor;
use crate::bytes::number::{DoubleRules, parse_double_by};
use crate::error::Fault;
use crate::value::Elem;

/// Servers look no further for the end of a number.
const LONGEST: usize = 127;

/// A score, and whether its text was a number to the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    pub(super) value: f64,
    pub(super) whole: bool,
}

/// A score as text: a length byte and digits; 253 to 255 stand alone for NaN and the infinities.
pub(super) fn text_score(body: &mut Cursor<'_>) -> Result<Score, Broken> {
    let at = body.at();
    let sure = |value| Ok(Score { value, whole: true });
    match body.byte()? {
        255 => sure(f64::NEG_INFINITY),
        254 => sure(f64::INFINITY),
        253 => Err(Broken { at, fault: Fault::ScoreNan }),
        n => {
            let text = body.take(n.into())?;
            number(text).map_err(|fault| Broken { at, fault })
        }
    }
}

/// A score as the eight bytes of a double.
#[inline]
pub(super) fn double_score(body: &mut Cursor<'_>) -> Result<Score, Broken> {
    let at = body.at();
    match body.f64()? {
        score if score.is_nan() => Err(Broken { at, fault: Fault::ScoreNan }),
        value => Ok(Score { value, whole: true }),
    }
}

/// A score as an element of a blob.
#[inline]
pub(super) fn elem_score(elem: Elem<'_>) -> Result<Score, Fault> {
    match elem {
        Elem::Int(n) => Ok(Score { value: n as f64, whole: true }),
        Elem::Bytes(text) => number(text),
    }
}

#[inline]
fn number(text: &[u8]) -> Result<Score, Fault> {
    let score = match parse_double_by(text, DoubleRules::LOADER) {
        Some(value) => Score { value, whole: true },
        None => Score { value: beginning(text).ok_or(Fault::ScoreText)?, whole: false },
    };
    if score.value.is_nan() { Err(Fault::ScoreNan) } else { Ok(score) }
}

/// The number that a text begins with, perhaps behind spaces.
#[cold]
fn beginning(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    let most = text.len().min(LONGEST);
    (1..=most)
        .rev()
        .filter_map(|len| text.get(..len))
        .find_map(|number| parse_double_by(number, DoubleRules::LOADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], want: Result<f64, Fault>) {
        let mut body = Cursor::new(bytes);
        let score = text_score(&mut body).map_err(|broken| broken.fault);
        assert_eq!(score.map(|score| score.value), want);
    }

    #[test]
    fn a_number_with_more_behind_it_is_told_apart() {
        let whole = |text: &[u8]| elem_score(Elem::Bytes(text)).map(|score| score.whole);
        assert_eq!(whole(b"1.5"), Ok(true));
        assert_eq!(whole(b"1.5x"), Ok(false));
        assert_eq!(whole(b"x"), Err(Fault::ScoreText));
        assert_eq!(whole(&[b'x'; 100_000]), Err(Fault::ScoreText));
        assert!(elem_score(Elem::Bytes(b"-0")).is_ok_and(|score| score.value.is_sign_negative()));
    }

    #[test]
    fn scores_as_text() {
        check(b"\x031.5", Ok(1.5));
        check(b"\x02-2", Ok(-2.0));
        check(b"\xfe", Ok(f64::INFINITY));
        check(b"\xff", Ok(f64::NEG_INFINITY));
        check(b"\x17-1.7976931348623157e308", Ok(f64::MIN));
        check(b"\xfd", Err(Fault::ScoreNan));
        check(b"\x03nan", Err(Fault::ScoreNan));
        check(b"\x00", Err(Fault::ScoreText));
        check(b"\x01x", Err(Fault::ScoreText));
        check(b"\x041.5x", Ok(1.5));
        check(b"\x03 2e", Ok(2.0));
        check(b"\x051e400", Ok(f64::INFINITY));
        check(b"\x02x", Err(Fault::Truncated { need: 2, have: 1 }));
    }
}
