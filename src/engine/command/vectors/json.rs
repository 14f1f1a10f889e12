//! A field of an attribute, as the FILTER of VSIM sees it: of the JSON text only as much is looked
//! at as it takes to find the field, so a text that is broken behind it will do.
//!
//! Numbers, strings, `true` (1), `false` (0), `null` and arrays of these are values; objects are
//! none. All of this is what Redis 8.0.2, 8.6.3 and 8.10.2 do.

use std::borrow::Cow;

use crate::bytes::number::{DoubleRules, parse_double_by};

/// Arrays in arrays, at most so deep.
const DEEPEST: usize = 64;
/// Longer numbers are none.
const LONGEST_NUMBER: usize = 255;

/// A value that a filter works on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term<'a> {
    Number(f64),
    Text(Cow<'a, [u8]>),
    Tuple(Vec<Term<'a>>),
    Null,
}

/// The value of a field of the object that a text is.
pub(super) fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<Term<'a>> {
    let mut rest = Rest(text);
    rest.take(b'{')?;
    loop {
        let key = rest.string()?;
        rest.take(b':')?;
        rest.spaces();
        if key == name {
            return rest.term(0);
        }
        rest.skip()?;
        rest.take(b',')?;
    }
}

/// Whether C calls it a space.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn spaces(&mut self) {
        while let [byte, rest @ ..] = self.0
            && is_space(*byte)
        {
            self.0 = rest;
        }
    }

    /// Takes a byte, spaces before it apart.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// Takes a string; what stands between its quotes, escapes and all.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let mut end = 0;
        while *self.0.get(end)? != b'"' {
            end += if self.0.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(text)
    }

    /// Steps over a value. Of brackets only those that it begins with are counted.
    fn skip(&mut self) -> Option<()> {
        match *self.0.first()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.skip_to(b'{', b'}'),
            b'[' => self.skip_to(b'[', b']'),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => {
                let digits = self.0.iter().take_while(|byte| is_number(**byte)).count();
                self.0 = self.0.get(digits..).filter(|_| digits > 0)?;
                Some(())
            }
        }
    }

    fn skip_to(&mut self, opens: u8, closes: u8) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match *self.0.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                byte if byte == opens => depth += 1,
                byte if byte == closes => depth -= 1,
                _ => {}
            }
            self.0 = self.0.get(1..)?;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// A word as a value, which has to end there.
    fn literal(&mut self, word: &[u8], term: Term<'a>) -> Option<Term<'a>> {
        self.word(word)?;
        let ends = |&byte: &u8| is_space(byte) || matches!(byte, b',' | b']' | b'}');
        self.0.first().is_none_or(ends).then_some(term)
    }

    fn term(&mut self, depth: usize) -> Option<Term<'a>> {
        self.spaces();
        match *self.0.first()? {
            b'"' => Some(Term::Text(unescaped(self.string()?))),
            b'[' if depth < DEEPEST => self.tuple(depth + 1),
            b't' => self.literal(b"true", Term::Number(1.0)),
            b'f' => self.literal(b"false", Term::Number(0.0)),
            b'n' => self.literal(b"null", Term::Null),
            b'0'..=b'9' | b'-' | b'+' => {
                let digits = self.0.iter().take_while(|byte| is_number(**byte));
                let (digits, rest) = self.0.split_at_checked(digits.count())?;
                let digits = digits.get(..LONGEST_NUMBER).unwrap_or(digits);
                self.0 = rest;
                parse_double_by(digits, DoubleRules::LOADER).map(Term::Number)
            }
            _ => None,
        }
    }

    fn tuple(&mut self, depth: usize) -> Option<Term<'a>> {
        self.take(b'[')?;
        let mut terms = Vec::new();
        if self.take(b']').is_some() {
            return Some(Term::Tuple(terms));
        }
        loop {
            terms.push(self.term(depth)?);
            if self.take(b']').is_some() {
                return Some(Term::Tuple(terms));
            }
            self.take(b',')?;
        }
    }
}

fn is_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// A string without its escapes; of those that are not known the letter stays.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&other) => other,
                None => break,
            },
            byte => byte,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{Term, field};

    #[track_caller]
    fn check(text: &str, want: Option<Term<'_>>) {
        assert_eq!(field(text.as_bytes(), b"x"), want, "{text}");
    }

    #[test]
    fn a_field_is_found_in_what_is_whole_up_to_it() {
        let two = || Some(Term::Number(2.0));
        check(r#"{"x":2}"#, two());
        check(r#" { "y" : {"x":"}"} , "z":[1,{"q":"]"}],"x" : 2"#, two());
        check(r#"{"x":2,"x":3}"#, two());
        check(r#"{"a\"":1,"x":true}"#, Some(Term::Number(1.0)));
        check(r#"{"x":null}"#, Some(Term::Null));
        check(r#"{"x":"a\"\n\q"}"#, Some(Term::Text(b"a\"\nq".as_slice().into())));
        check(r#"{"x":[]}"#, Some(Term::Tuple(Vec::new())));
        let deep = Term::Tuple(vec![Term::Tuple(vec![Term::Number(1.0)]), Term::Null]);
        check(r#"{"x":[[1],null]}"#, Some(deep));
        for none in
            ["", "5", "{}", r#"{"x""#, r#"{"x":"#, r#"{"x":{}}"#, r#"{"x":truer}"#, r#"{"x":1-}"#]
        {
            check(none, None);
        }
        for none in [r#"{"y":tru,"x":2}"#, r#"{"y":1 "x":2}"#, r#"{"x":"a"#, r#"{"x":[1,]}"#] {
            check(none, None);
        }
        check(&format!(r#"{{"x":{}1"#, "[".repeat(100_000)), None);
    }
}
