//! Patterns as KEYS and SCAN understand them: over bytes, with no rules about paths.
//!
//! ```text
//! *        any bytes, also none          ?         one byte
//! [abc]    one of these                  [^abc]    one of all others
//! [a-z]    a range, in either order      \x        the byte x itself, in and out of brackets
//! ```
//!
//! A pattern is compiled once; each atom but the star takes one byte, so a mismatch need only go
//! back to the last star, and no pattern takes more than pattern × text steps.
//!
//! Quirks that are kept, each seen on servers: a bracket that is never closed ends with the
//! pattern, and its last byte counts; `[a-]` is the range from `a` to `]`, not closed; ranges
//! compare *signed* bytes, so `[a-\xff]` is everything from 0xff over 0x00 up to `a`; `**` does
//! not match the empty text, although `*` does; behind 1000 stars nothing matches.

/// The servers' limit on nested stars.
const MAX_STARS: usize = 1000;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    atoms: Vec<Atom>,
    /// The pattern is the single star: it matches every text.
    all: bool,
    /// The pattern has no bytes at all: it matches only the empty text.
    empty: bool,
    nocase: bool,
}

#[derive(Debug, Clone)]
enum Atom {
    Star,
    Any,
    Byte(u8),
    Class(Box<Class>),
}

/// One bit for each byte.
type Class = [u64; 4];

impl Glob {
    /// Compiles a pattern. Every byte string is one.
    pub fn new(pattern: &[u8]) -> Self {
        Self::compile(pattern, false)
    }

    /// Compiles a pattern that takes ASCII letters without regard to case.
    pub fn new_nocase(pattern: &[u8]) -> Self {
        Self::compile(pattern, true)
    }

    /// Whether the whole of `text` fits the pattern.
    pub fn matches(&self, text: &[u8]) -> bool {
        if self.all {
            return true;
        }
        if text.is_empty() {
            return self.empty;
        }
        let mut atoms = self.atoms.as_slice();
        let mut rest = text;
        // Where the last star could take one byte more.
        let mut retry: Option<(&[Atom], &[u8])> = None;
        let mut stars = 0;
        loop {
            match (atoms, rest) {
                ([Atom::Star], _) | ([], []) => return true,
                ([Atom::Star, after @ ..], _) => {
                    stars += 1;
                    if stars > MAX_STARS {
                        return false;
                    }
                    atoms = after;
                    retry = Some((after, rest));
                }
                ([atom, after @ ..], [byte, tail @ ..]) if self.takes(atom, *byte) => {
                    atoms = after;
                    rest = tail;
                }
                _ => match retry {
                    Some((after_star, [_, tail @ ..])) => {
                        atoms = after_star;
                        rest = tail;
                        retry = Some((after_star, tail));
                    }
                    _ => return false,
                },
            }
        }
    }

    #[inline]
    fn takes(&self, atom: &Atom, byte: u8) -> bool {
        match atom {
            Atom::Star => false,
            Atom::Any => true,
            Atom::Byte(want) if self.nocase => want.eq_ignore_ascii_case(&byte),
            Atom::Byte(want) => *want == byte,
            Atom::Class(class) => {
                class.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
            }
        }
    }

    fn compile(pattern: &[u8], nocase: bool) -> Self {
        let mut atoms = Vec::new();
        let mut rest = pattern;
        while let [first, after @ ..] = rest {
            rest = after;
            let atom = match first {
                b'*' if matches!(atoms.last(), Some(Atom::Star)) => continue,
                b'*' => Atom::Star,
                b'?' => Atom::Any,
                b'[' => {
                    let (after, class) = class(after, nocase);
                    rest = after;
                    Atom::Class(Box::new(class))
                }
                b'\\' => match after {
                    [byte, after @ ..] => {
                        rest = after;
                        Atom::Byte(*byte)
                    }
                    [] => Atom::Byte(b'\\'),
                },
                byte => Atom::Byte(*byte),
            };
            atoms.push(atom);
        }
        Glob { atoms, all: pattern == b"*", empty: pattern.is_empty(), nocase }
    }
}

/// What stands behind an opening bracket, and the pattern behind its end.
fn class(mut rest: &[u8], nocase: bool) -> (&[u8], Class) {
    let negated = match rest {
        [b'^', after @ ..] => {
            rest = after;
            true
        }
        _ => false,
    };
    let mut class = [0_u64; 4];
    loop {
        match rest {
            // An escaped byte keeps its case.
            [b'\\', byte, after @ ..] => {
                set(&mut class, *byte);
                rest = after;
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [] => break,
            [from, b'-', to, after @ ..] => {
                range(&mut class, *from, *to, nocase);
                rest = after;
            }
            [byte, after @ ..] => {
                range(&mut class, *byte, *byte, nocase);
                rest = after;
            }
        }
    }
    if negated {
        for word in &mut class {
            *word = !*word;
        }
    }
    (rest, class)
}

fn set(class: &mut Class, byte: u8) {
    if let Some(word) = class.get_mut(usize::from(byte >> 6)) {
        *word |= 1 << (byte & 63);
    }
}

fn range(class: &mut Class, from: u8, to: u8, nocase: bool) {
    // The servers' bytes are signed, and are put in order before case is taken off.
    let (low, high) = if from as i8 > to as i8 { (to, from) } else { (from, to) };
    let fold = |byte: u8| if nocase { byte.to_ascii_lowercase() as i8 } else { byte as i8 };
    let (low, high) = (fold(low), fold(high));
    for byte in 0..=u8::MAX {
        if (low..=high).contains(&fold(byte)) {
            set(class, byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern.as_bytes());
        for text in yes {
            assert!(glob.matches(text.as_bytes()), "{pattern} should match {text:?}");
        }
        for text in no {
            assert!(!glob.matches(text.as_bytes()), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn stars_and_questions() {
        check("*", &["", "a", "a/b.c"], &[]);
        check("**", &["a", "ab"], &[""]);
        check("", &[""], &["a"]);
        check("user:*", &["user:", "user:1"], &["user", "xuser:1"]);
        check("*:*:x", &["a:b:x", "::x", "a:b:c:x"], &["a:x", "a:b:xy"]);
        check("h?llo", &["hello", "hallo"], &["hllo", "heello"]);
        check("a*", &["a", "ab"], &["", "b"]);
        check("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "b"]);
    }

    #[test]
    fn classes() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
        check("h[^e]llo", &["hallo", "h^llo"], &["hello"]);
        check("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x"]);
        check("[c-a]x", &["ax", "bx", "cx"], &["dx"]);
        check("[\\]]", &["]"], &["\\"]);
        check("[]a]", &[], &["]", "a", "a]"]);
        check("[]", &[], &["", "[", "]", "a"]);
        check("[^]", &["a", "]"], &["", "ab"]);
        check("[a\\-c]", &["a", "-", "c"], &["b"]);
    }

    #[test]
    fn what_is_never_closed() {
        check("[abc", &["a", "c"], &["[abc", "d"]);
        check("[a-", &["a", "-"], &["b"]);
        check("[a-]", &["]", "^", "a"], &["-", "b"]);
        check("[", &[], &["[", "a"]);
        check("[^", &["[", "a"], &[""]);
        check("[a\\", &["a", "\\"], &["b"]);
        check("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn escapes() {
        check("a\\*b", &["a*b"], &["axb", "a\\*b"]);
        check("\\[a\\]", &["[a]"], &["a"]);
        check("\\a", &["a"], &["\\a"]);
    }

    #[test]
    fn ranges_are_signed() {
        let glob = Glob::new(b"[a-\xff]");
        for byte in [0, b'a', 0xff] {
            assert!(glob.matches(&[byte]));
        }
        for byte in [b'b', 0x7f, 0x80, 0xfe] {
            assert!(!glob.matches(&[byte]));
        }
    }

    #[test]
    fn case_is_taken_off_on_request() {
        let glob = Glob::new_nocase(b"HE?[a-c]*");
        assert!(glob.matches(b"hexB") && glob.matches(b"HEXaz"));
        assert!(!glob.matches(b"hexd"));
    }

    #[test]
    fn many_stars_take_little_time() {
        let text = vec![b'a'; 20_000];
        let glob = Glob::new(&b"a*".repeat(900));
        assert!(glob.matches(&text));
        let glob = Glob::new(&[b"a*".repeat(900).as_slice(), b"b"].concat());
        assert!(!glob.matches(&text));
        // The servers' own limit.
        let text = vec![b'a'; 3000];
        assert!(Glob::new(&[b"*a".repeat(1000).as_slice(), b"*"].concat()).matches(&text));
        assert!(!Glob::new(&b"*a".repeat(1001)).matches(&text));
    }

    /// By the book: every star tries everything. Slow, and obviously right.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', after @ ..], text) => (0..=text.len()).any(|n| naive(after, &text[n..])),
            ([b'?', after @ ..], [_, tail @ ..]) => naive(after, tail),
            ([b'\\', byte, after @ ..], [first, tail @ ..]) => byte == first && naive(after, tail),
            ([b'[', from, b'-', to, b']', after @ ..], [first, tail @ ..]) => {
                (from.min(to)..=from.max(to)).contains(&first) && naive(after, tail)
            }
            ([b'[', b'^', a, b']', after @ ..], [first, tail @ ..]) => {
                a != first && naive(after, tail)
            }
            ([b'[' | b'?' | b'\\', ..], []) => false,
            ([byte, after @ ..], [first, tail @ ..]) => byte == first && naive(after, tail),
            _ => false,
        }
    }

    #[test]
    fn as_the_naive_matcher() {
        let atoms: [&[u8]; 8] = [b"*", b"?", b"a", b"b", b"\\a", b"[a-b]", b"[b-a]", b"[^a]"];
        let mut state = 7_u64;
        let mut random = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let (mut yes, mut no) = (0, 0);
        for _ in 0..100_000 {
            let pattern: Vec<u8> =
                (0..random(7)).flat_map(|_| atoms[random(8) as usize].to_vec()).collect();
            let text: Vec<u8> = (0..1 + random(7)).map(|_| b"abc"[random(3) as usize]).collect();
            let want = naive(&pattern, &text);
            let glob = Glob::new(&pattern);
            assert_eq!(
                glob.matches(&text),
                want,
                "{:?} on {:?}",
                String::from_utf8_lossy(&pattern),
                String::from_utf8_lossy(&text)
            );
            *if want { &mut yes } else { &mut no } += 1;
        }
        assert!(yes > 2_000 && no > 10_000, "{yes} {no}");
    }
}
