//! ARGREP: which cells have a text.
//!
//! ```text
//! ARGREP key start end   EXACT text | MATCH part | GLOB pattern | RE expression   …
//!                        AND | OR    LIMIT count    WITHVALUES    NOCASE
//! ```
//!
//! Expressions are those of the `regex` crate, over bytes; the server's are POSIX ones. What both
//! know finds the same cells, but for `$`, which servers also see in front of a zero byte. What is
//! no expression here is refused rather than guessed at.

use regex::bytes::{Regex, RegexBuilder};

use super::{index, number, read};
use crate::bytes::glob::Glob;
use crate::engine::call::is;
use crate::engine::{Answer, Array, Call, Failure};
use crate::resp::Reply;

/// More conditions are refused.
const MOST_TESTS: usize = 250;

/// A condition on a text.
enum Test<'c> {
    /// The text is this.
    Exact(&'c [u8]),
    /// The text has this in it.
    Part(&'c [u8]),
    Glob(Glob),
    Expression(Box<Regex>),
}

/// What is asked for.
struct Question<'c> {
    tests: Vec<Test<'c>>,
    all: bool,
    most: usize,
    values: bool,
    nocase: bool,
}

/// An end of the range: `-` is the first index, `+` the last one that there is.
fn end(arg: &[u8]) -> Answer<Option<u64>> {
    match arg {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        arg => index(arg).map(Some),
    }
}

pub(super) fn grep(call: &mut Call<'_>) -> Answer {
    let (from, to) = (end(call.arg(2))?, end(call.arg(3))?);
    let question = Question::parse(call.rest(4))?;
    let key = call.arg(1);
    let Some(array) = call.keys.get::<Array>(key)? else { return Ok(Reply::Array(Vec::new())) };
    let highest = array.span().saturating_sub(1);
    let found = read::walk(array, from.unwrap_or(highest), to.unwrap_or(highest))
        .filter(|(_, text)| question.fits(text))
        .take(question.most);
    let told = found.map(|(index, text)| match question.values {
        true => read::pair(index, text),
        false => number(index),
    });
    Ok(Reply::Array(told.collect()))
}

impl<'c> Question<'c> {
    fn parse(args: &[&'c [u8]]) -> Answer<Self> {
        let mut question = Question {
            tests: Vec::new(),
            all: false,
            most: usize::MAX,
            values: false,
            nocase: false,
        };
        let mut texts: Vec<(&str, &'c [u8])> = Vec::new();
        let mut args = args.iter();
        while let Some(word) = args.next() {
            if is(word, "AND") || is(word, "OR") {
                question.all = is(word, "AND");
            } else if is(word, "WITHVALUES") {
                question.values = true;
            } else if is(word, "NOCASE") {
                question.nocase = true;
            } else if is(word, "LIMIT") {
                question.most = read::limit(args.next().ok_or(Failure::SYNTAX)?)?;
            } else {
                let kinds = ["EXACT", "MATCH", "GLOB", "RE"];
                let kind = kinds.into_iter().find(|kind| is(word, kind)).ok_or(Failure::SYNTAX)?;
                texts.push((kind, args.next().ok_or(Failure::SYNTAX)?));
                if texts.len() > MOST_TESTS {
                    return Err(Failure::text("ERR too many predicates, maximum is 250"));
                }
            }
        }
        if texts.is_empty() {
            return Err(Failure::SYNTAX);
        }
        let nocase = question.nocase;
        let test = |(kind, text)| Test::new(kind, text, nocase);
        question.tests = texts.into_iter().map(test).collect::<Answer<_>>()?;
        Ok(question)
    }

    fn fits(&self, text: &[u8]) -> bool {
        let mut tests = self.tests.iter().map(|test| test.fits(text, self.nocase));
        if self.all { tests.all(|fits| fits) } else { tests.any(|fits| fits) }
    }
}

impl<'c> Test<'c> {
    fn new(kind: &str, text: &'c [u8], nocase: bool) -> Answer<Self> {
        Ok(match kind {
            "EXACT" => Test::Exact(text),
            "MATCH" => Test::Part(text),
            "GLOB" if nocase => Test::Glob(Glob::new_nocase(text)),
            "GLOB" => Test::Glob(Glob::new(text)),
            _ => Test::Expression(Box::new(expression(text, nocase)?)),
        })
    }

    fn fits(&self, text: &[u8], nocase: bool) -> bool {
        match self {
            Test::Exact(wanted) if nocase => text.eq_ignore_ascii_case(wanted),
            Test::Exact(wanted) => text == *wanted,
            Test::Part(part) => has(text, part, nocase),
            Test::Glob(glob) => glob.matches(text),
            Test::Expression(regex) => regex.is_match(text),
        }
    }
}

/// Whether a text has a part.
fn has(text: &[u8], part: &[u8], nocase: bool) -> bool {
    let same = |window: &[u8]| match nocase {
        true => window.eq_ignore_ascii_case(part),
        false => window == part,
    };
    part.is_empty() || text.windows(part.len()).any(same)
}

fn expression(text: &[u8], nocase: bool) -> Answer<Regex> {
    if text.is_empty() {
        return Err(Failure::text("ERR regular expression is empty"));
    }
    let regex = std::str::from_utf8(text).ok().and_then(|text| {
        RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(nocase)
            .dot_matches_new_line(true)
            .build()
            .ok()
    });
    regex.ok_or_else(|| {
        let shown = crate::bytes::quoted(text);
        Failure::Unsupported(format!("{shown} is no regular expression that is known here"))
    })
}
