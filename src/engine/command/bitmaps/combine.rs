//! BITOP: a string out of others, bit by bit. What is shorter ends in zeros.

use super::super::strings::with_text;
use crate::engine::{Answer, Call, Failure, Value};
use crate::resp::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    Or,
    Xor,
    Not,
    /// In the first and in no other.
    Diff,
    /// In some other but not in the first.
    Diff1,
    /// In the first and in some other.
    AndOr,
    /// In exactly one.
    One,
}

const OPS: [(&str, Op); 8] = [
    ("AND", Op::And),
    ("OR", Op::Or),
    ("XOR", Op::Xor),
    ("NOT", Op::Not),
    ("DIFF", Op::Diff),
    ("DIFF1", Op::Diff1),
    ("ANDOR", Op::AndOr),
    ("ONE", Op::One),
];

pub(super) fn combine(call: &mut Call<'_>) -> Answer {
    let (name, op) = OPS.into_iter().find(|(name, _)| call.is(1, name)).ok_or(Failure::SYNTAX)?;
    let sources = call.rest(3);
    match op {
        Op::Not if sources.len() != 1 => {
            return Err(Failure::text("ERR BITOP NOT must be called with a single source key."));
        }
        Op::Diff | Op::Diff1 | Op::AndOr if sources.len() < 2 => {
            return Err(Failure::said(format!(
                "ERR BITOP {name} must be called with at least two source keys."
            )));
        }
        _ => {}
    }
    let mut texts = Vec::with_capacity(sources.len());
    for source in sources {
        texts.push(with_text(call, source, |text| text.unwrap_or_default().to_vec())?);
    }
    let result = combined(op, &texts);
    let len = result.len();
    if len == 0 {
        call.keys.remove(call.arg(2));
    } else {
        call.keys.set(call.arg(2), Value::raw(result), None);
    }
    Ok(Reply::count(len))
}

fn combined(op: Op, texts: &[Vec<u8>]) -> Vec<u8> {
    let len = texts.iter().map(Vec::len).max().unwrap_or(0);
    let mut padded = texts.iter().map(|text| {
        let mut text = text.clone();
        text.resize(len, 0);
        text
    });
    let Some(mut first) = padded.next() else { return Vec::new() };
    let merge = |into: &mut Vec<u8>, text: &[u8], with: fn(u8, u8) -> u8| {
        into.iter_mut().zip(text).for_each(|(to, from)| *to = with(*to, *from));
    };
    match op {
        Op::And => padded.for_each(|text| merge(&mut first, &text, |a, b| a & b)),
        Op::Or => padded.for_each(|text| merge(&mut first, &text, |a, b| a | b)),
        Op::Xor => padded.for_each(|text| merge(&mut first, &text, |a, b| a ^ b)),
        Op::Not => first.iter_mut().for_each(|byte| *byte = !*byte),
        Op::Diff | Op::Diff1 | Op::AndOr => {
            let mut others = vec![0; len];
            padded.for_each(|text| merge(&mut others, &text, |a, b| a | b));
            merge(
                &mut first,
                &others,
                match op {
                    Op::Diff => |a, b| a & !b,
                    Op::Diff1 => |a, b| !a & b,
                    _ => |a, b| a & b,
                },
            );
        }
        Op::One => {
            let mut more = vec![0; len];
            for text in padded {
                for ((one, more), byte) in first.iter_mut().zip(&mut more).zip(&text) {
                    *more |= *one & byte;
                    *one |= byte;
                }
            }
            merge(&mut first, &more, |a, b| a & !b);
        }
    }
    first
}
