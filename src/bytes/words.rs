//! The servers' argument splitter, which they use on everything that people write: commands, lines
//! of manifests, the first lines of function libraries.

/// Words between blanks, double quotes with escapes, single quotes with only `\'`. `None` if
/// quotes do not close, or close in the middle of a word.
pub(crate) fn split_words(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => break,
                [b'"', behind @ ..] => {
                    rest = closed(double_quoted(behind, &mut word)?)?;
                    break;
                }
                [b'\'', behind @ ..] => {
                    rest = closed(single_quoted(behind, &mut word)?)?;
                    break;
                }
                [byte, behind @ ..] => {
                    word.push(*byte);
                    rest = behind;
                }
            }
        }
        words.push(word);
    }
}

/// What follows closing quotes must be a blank or the end.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|b| b.is_ascii_whitespace() || *b == 0x0b).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (nibble(*high) << 4 | nibble(*low), behind)
            }
            [b'\\', escaped, behind @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                };
                (byte, behind)
            }
            [byte, behind @ ..] => (*byte, behind),
            [] => return None,
        };
        word.push(byte);
        rest = behind;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
            [] => return None,
        };
        word.push(byte);
        rest = behind;
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[track_caller]
    fn check(text: &str, want: Option<&[&str]>) {
        let words = split_words(text.as_bytes());
        let want = want.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect());
        assert_eq!(words, want);
    }

    #[test]
    fn words_and_quotes() {
        check(" a\tb  c\r\n", Some(&["a", "b", "c"]));
        check("a=\"b \\x41\" 'c d'", Some(&["a=b A", "c d"]));
        check("", Some(&[]));
        check("a \"b", None);
        check("'a'b", None);
    }
}
