//! The FILTER of VSIM: an expression over the fields of an element's attribute.
//!
//! ```text
//! .year >= 1980 and .genre in ["drama", "crime"]
//!
//! or ||   and &&   < <= > >= == != in   + -   * / %   **   not !      from weak to strong
//! ```
//!
//! It becomes a program of values and operators in the order in which they are run, by operators
//! that wait until a weaker one comes. So servers do it, and what follows from that stays: `1 2 +`
//! is an expression, `not not .x` is none (Redis 8.0.2, 8.6.3 and 8.10.2).

use std::borrow::Cow;

use super::json::{Term, field, is_space};
use crate::bytes::number::{DoubleRules, parse_double_by};
use crate::engine::{Answer, Failure};

/// Longer numbers are none.
const LONGEST_NUMBER: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Open,
    Close,
    Not,
    Power,
    Times,
    Divided,
    Modulo,
    Plus,
    Minus,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    Unequal,
    In,
    And,
    Or,
}

use Operator::{
    And, Close, Divided, Equal, Greater, GreaterEqual, In, Less, LessEqual, Minus, Modulo, Not,
    Open, Or, Plus, Power, Times, Unequal,
};

const OPERATORS: [(&str, Operator); 21] = [
    ("(", Open),
    (")", Close),
    ("!", Not),
    ("not", Not),
    ("**", Power),
    ("*", Times),
    ("/", Divided),
    ("%", Modulo),
    ("+", Plus),
    ("-", Minus),
    (">", Greater),
    (">=", GreaterEqual),
    ("<", Less),
    ("<=", LessEqual),
    ("==", Equal),
    ("!=", Unequal),
    ("in", In),
    ("and", And),
    ("&&", And),
    ("or", Or),
    ("||", Or),
];

impl Operator {
    /// The stronger one is run first.
    fn strength(self) -> u8 {
        match self {
            Or => 0,
            And => 1,
            Greater | GreaterEqual | Less | LessEqual | Equal | Unequal | In => 2,
            Plus | Minus => 3,
            Times | Divided | Modulo => 4,
            Power => 5,
            Not => 6,
            Open | Close => 7,
        }
    }

    /// How many values it takes.
    fn takes(self) -> usize {
        match self {
            Open | Close => 0,
            Not => 1,
            _ => 2,
        }
    }
}

/// A step of the program.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Term(Term<'static>),
    Field(Vec<u8>),
    Operator(Operator),
}

/// An expression.
#[derive(Debug)]
pub(super) struct Filter(Vec<Step>);

impl Filter {
    /// An expression out of its text.
    pub(super) fn parse(text: &[u8]) -> Answer<Self> {
        // To a server the text ends there.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let bad = |at: &[u8]| {
            let near = if at.is_empty() { text } else { at };
            let near = String::from_utf8_lossy(near);
            Failure::said(format!("ERR syntax error in FILTER expression near: {near}"))
        };
        let steps = tokens(text).map_err(bad)?;
        program(steps).map(Filter).ok_or_else(|| bad(text))
    }

    /// Whether an attribute is what the expression asks for. Where a field is missing it is not.
    pub(super) fn takes(&self, attribute: &[u8]) -> bool {
        self.run(attribute).is_some_and(|term| truth(&term))
    }

    fn run<'a>(&'a self, attribute: &'a [u8]) -> Option<Term<'a>> {
        let mut terms: Vec<Term<'a>> = Vec::new();
        for step in &self.0 {
            let term = match step {
                Step::Term(term) => term.clone(),
                Step::Field(name) if name.is_empty() => return None,
                Step::Field(name) => field(attribute, name)?,
                Step::Operator(Not) => flag(!truth(&terms.pop()?)),
                Step::Operator(operator) => {
                    let second = terms.pop()?;
                    calculate(*operator, &terms.pop()?, &second)
                }
            };
            terms.push(term);
        }
        terms.pop()
    }
}

/// Cuts a text into values and operators; where it cannot be cut, what is left there.
fn tokens(text: &[u8]) -> Result<Vec<Step>, &[u8]> {
    let mut steps: Vec<Step> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start_by_c();
        // A minus belongs to a number where no value stands before it.
        let signed = match steps.last() {
            None => true,
            Some(Step::Operator(operator)) => *operator != Close,
            Some(_) => false,
        };
        let (step, behind) = match rest {
            [] => return Ok(steps),
            [b'0'..=b'9', ..] => number(rest)?,
            [b'-', b'0'..=b'9', ..] if signed => number(rest)?,
            [b'"' | b'\'', ..] => string(rest)?,
            // A point at the end is a field without a name, which no attribute has.
            [b'.'] => (Step::Field(Vec::new()), &[][..]),
            [b'.', name @ ..] if name.first().is_some_and(is_name) => {
                let (name, behind) = name.split_at(name.iter().take_while(|b| is_name(b)).count());
                (Step::Field(name.to_vec()), behind)
            }
            [b'[', ..] => tuple(rest)?,
            [byte, ..] if is_word(byte) => operator(rest)?,
            _ => return Err(rest),
        };
        steps.push(step);
        rest = behind;
    }
}

/// A token, and what is left behind it; or what is left where it broke off.
type Token<'t> = Result<(Step, &'t [u8]), &'t [u8]>;

fn number(text: &[u8]) -> Token<'_> {
    let is_part = |&(at, byte): &(usize, &u8)| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E') || (at == 0 && *byte == b'-')
    };
    let len = text.iter().enumerate().take_while(is_part).count();
    if len > LONGEST_NUMBER {
        return Err(text.get(LONGEST_NUMBER..).unwrap_or_default());
    }
    let (digits, behind) = text.split_at(len);
    match parse_double_by(digits, DoubleRules::LOADER) {
        Some(number) => Ok((Step::Term(Term::Number(number)), behind)),
        None => Err(behind),
    }
}

/// A string in quotes. A backslash keeps a quote from ending it, and stays.
fn string(text: &[u8]) -> Token<'_> {
    let Some((quote, inside)) = text.split_first() else { return Err(text) };
    let mut end = 0;
    loop {
        match inside.get(end..) {
            Some([b'\\', _, ..]) => end += 2,
            Some([byte, ..]) if byte == quote => break,
            Some([_, ..]) => end += 1,
            _ => return Err(&[]),
        }
    }
    let (inside, behind) = inside.split_at(end);
    let term = Term::Text(Cow::Owned(inside.to_vec()));
    Ok((Step::Term(term), behind.get(1..).unwrap_or_default()))
}

fn tuple(text: &[u8]) -> Token<'_> {
    let mut rest = text.get(1..).unwrap_or_default();
    let mut terms = Vec::new();
    loop {
        rest = rest.trim_ascii_start_by_c();
        if let [b']', behind @ ..] = rest {
            return Ok((Step::Term(Term::Tuple(terms)), behind));
        }
        let (step, behind) = match rest {
            [b'0'..=b'9' | b'-', ..] => number(rest)?,
            [b'"' | b'\'', ..] => string(rest)?,
            _ => return Err(rest),
        };
        if let Step::Term(term) = step {
            terms.push(term);
        }
        rest = behind.trim_ascii_start_by_c();
        match rest {
            [b']', ..] => {}
            [b',', behind @ ..] => rest = behind,
            _ => return Err(rest),
        }
    }
}

fn operator(text: &[u8]) -> Token<'_> {
    let (word, behind) = text.split_at(text.iter().take_while(|byte| is_word(byte)).count());
    if word == b"null" {
        return Ok((Step::Term(Term::Null), behind));
    }
    let known = OPERATORS.iter().filter(|(name, _)| word.starts_with(name.as_bytes()));
    match known.max_by_key(|(name, _)| name.len()) {
        Some((name, operator)) => {
            Ok((Step::Operator(*operator), text.get(name.len()..).unwrap_or_default()))
        }
        None => Err(behind),
    }
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || b"+-*%/!()<>=|&".contains(byte)
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

trait Trim {
    fn trim_ascii_start_by_c(&self) -> &Self;
}

impl Trim for [u8] {
    fn trim_ascii_start_by_c(&self) -> &[u8] {
        let spaces = self.iter().take_while(|byte| is_space(**byte)).count();
        self.get(spaces..).unwrap_or_default()
    }
}

/// Puts values and operators into the order in which they are run, if that leaves one value.
fn program(tokens: Vec<Step>) -> Option<Vec<Step>> {
    let mut program = Program::default();
    let mut waiting: Vec<Operator> = Vec::new();
    for token in tokens {
        match token {
            Step::Operator(Open) => waiting.push(Open),
            Step::Operator(Close) => loop {
                match waiting.pop()? {
                    Open => break,
                    operator => program.run(operator)?,
                }
            },
            Step::Operator(operator) => {
                while let Some(&last) = waiting.last()
                    && last != Open
                    && last.strength() >= operator.strength()
                    // Of powers the last one is the first.
                    && !(operator == Power && last == Power)
                {
                    waiting.pop();
                    program.run(last)?;
                }
                waiting.push(operator);
            }
            value => {
                program.values += 1;
                program.steps.push(value);
            }
        }
    }
    while let Some(operator) = waiting.pop() {
        if operator == Open {
            return None;
        }
        program.run(operator)?;
    }
    (program.values == 1).then_some(program.steps)
}

#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    /// How many values there are after the last step.
    values: usize,
}

impl Program {
    fn run(&mut self, operator: Operator) -> Option<()> {
        self.values = self.values.checked_sub(operator.takes())? + 1;
        self.steps.push(Step::Operator(operator));
        Some(())
    }
}

fn flag(flag: bool) -> Term<'static> {
    Term::Number(if flag { 1.0 } else { 0.0 })
}

fn truth(term: &Term<'_>) -> bool {
    match term {
        Term::Number(number) => *number != 0.0,
        Term::Text(text) => !text.is_empty(),
        Term::Tuple(_) => true,
        Term::Null => false,
    }
}

/// A value as a number; what is none is 0.
fn value(term: &Term<'_>) -> f64 {
    match term {
        Term::Number(number) => *number,
        Term::Text(text) if text.len() <= LONGEST_NUMBER => {
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            let number = parse_double_by(text.trim_ascii_start_by_c(), DoubleRules::LOADER);
            number.unwrap_or(0.0)
        }
        _ => 0.0,
    }
}

fn equal(one: &Term<'_>, other: &Term<'_>) -> bool {
    match (one, other) {
        (Term::Text(one), Term::Text(other)) => one == other,
        (Term::Null, other) | (other, Term::Null) => matches!(other, Term::Null),
        (one, other) => value(one) == value(other),
    }
}

fn calculate(operator: Operator, one: &Term<'_>, other: &Term<'_>) -> Term<'static> {
    let (a, b) = (value(one), value(other));
    match operator {
        Power => Term::Number(a.powf(b)),
        Times => Term::Number(a * b),
        Divided => Term::Number(a / b),
        Modulo => Term::Number(a % b),
        Plus => Term::Number(a + b),
        Minus => Term::Number(a - b),
        Greater => flag(a > b),
        GreaterEqual => flag(a >= b),
        Less => flag(a < b),
        LessEqual => flag(a <= b),
        Equal => flag(equal(one, other)),
        Unequal => flag(!equal(one, other)),
        In => flag(match other {
            Term::Tuple(terms) => terms.iter().any(|term| equal(one, term)),
            _ => false,
        }),
        And => flag(truth(one) && truth(other)),
        Or => flag(truth(one) || truth(other)),
        Not | Open | Close => flag(false),
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    const ATTRIBUTE: &str = r#"{"x":2,"s":"foo","t":true,"n":null,"a":[1,2,"z"],"k-1":"12"}"#;

    #[track_caller]
    fn check(text: &str, want: Option<bool>) {
        let filter = Filter::parse(text.as_bytes()).ok();
        assert_eq!(filter.map(|filter| filter.takes(ATTRIBUTE.as_bytes())), want, "{text}");
    }

    // What Redis 8.10.2 finds.
    #[test]
    fn expressions_take_what_servers_take() {
        for text in [
            ".x == 2 && .s != \"bar\"",
            ".s == 'foo' or .x == 3",
            "(1+2)*3 == 9",
            "2 ** 3 ** 2 == 512",
            ".x -1 == 1",
            ".x in [1,\"foo\",2]",
            ".x in .a",
            ".t",
            ".n == null",
            "1 2 +",
            ".k-1 + 1 == 13",
            ".s + 1 == 1",
            ".x==2and.s=='foo'",
            ".a == 0",
            "0/0",
        ] {
            check(text, Some(true));
        }
        for text in
            [".zz", "not .zz", ".", ".x > 2", ".n", ".s == 1 and .x", ".x in 2", "''", ".x-1"]
        {
            check(text, Some(false));
        }
        for text in [
            "",
            "!!.x",
            "not not .x",
            "-.x < 0",
            "true",
            ".x >",
            "and",
            "(.x",
            ".x)",
            "()",
            ".x = 2",
            "@",
            "1e-3",
            "0x10",
            "'open",
            "[1,2",
            "[1 2]",
            ".x .s",
        ] {
            check(text, None);
        }
    }
}
