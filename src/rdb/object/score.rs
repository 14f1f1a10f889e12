//! Scores: of sorted sets, in each of the forms that files have had.

use super::Broken;
use super::cursor::Cursor;
use crate::error::Fault;
use crate::value::Elem;

/// A score as text: a length byte and digits; 253 to 255 stand alone for NaN and the infinities.
pub(super) fn text_score(body: &mut Cursor<'_>) -> Result<f64, Broken> {
    let at = body.at();
    match body.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Err(Broken { at, fault: Fault::ScoreNan }),
        n => {
            let text = body.take(n.into())?;
            number(text).map_err(|fault| Broken { at, fault })
        }
    }
}

/// A score as the eight bytes of a double.
#[inline]
pub(super) fn double_score(body: &mut Cursor<'_>) -> Result<f64, Broken> {
    let at = body.at();
    match body.f64()? {
        score if score.is_nan() => Err(Broken { at, fault: Fault::ScoreNan }),
        score => Ok(score),
    }
}

/// A score as an element of a blob. Servers make 0 of a text that is no number; a reader who is
/// asked for the score cannot say so.
#[inline]
pub(super) fn elem_score(elem: Elem<'_>) -> Result<f64, Fault> {
    match elem {
        Elem::Int(n) => Ok(n as f64),
        Elem::Bytes(text) => number(text),
    }
}

fn number(text: &[u8]) -> Result<f64, Fault> {
    match parse_double(text) {
        Some(score) if score.is_nan() => Err(Fault::ScoreNan),
        Some(score) => Ok(score),
        None => Err(Fault::ScoreText),
    }
}

/// The double that a text stands for, all of it.
fn parse_double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], want: Result<f64, Fault>) {
        let mut body = Cursor::new(bytes);
        assert_eq!(text_score(&mut body).map_err(|broken| broken.fault), want);
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
        check(b"\x02x", Err(Fault::Truncated { need: 2, have: 1 }));
    }
}
