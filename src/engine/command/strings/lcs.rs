//! LCS: the longest common subsequence of two strings.

use super::LARGEST;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Failure, Value};
use crate::resp::Reply;

const NOT_STRINGS: Failure = Failure::text("ERR The specified keys must contain string values");

#[derive(Default)]
struct Options {
    len: bool,
    index: bool,
    with_len: bool,
    least: i64,
}

pub(super) fn lcs(call: &mut Call<'_>) -> Answer {
    let one = text(call, call.arg(1))?;
    let other = text(call, call.arg(2))?;
    let mut options = Options::default();
    let mut rest = call.rest(3);
    while let Some((word, more)) = rest.split_first() {
        rest = more;
        match more {
            _ if is(word, "IDX") => options.index = true,
            _ if is(word, "LEN") => options.len = true,
            _ if is(word, "WITHMATCHLEN") => options.with_len = true,
            [least, more @ ..] if is(word, "MINMATCHLEN") => {
                options.least = int(least)?.max(0);
                rest = more;
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
    if options.len && options.index {
        return Err(Failure::text(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let table = Table::new(&one, &other)?;
    let len = table.at(one.len(), other.len());
    if options.len {
        return Ok(Reply::count(len as usize));
    }
    let (common, matches) = table.walk(&one, &other);
    if !options.index {
        return Ok(Reply::Bulk(common));
    }
    let pair = |from: usize, len: usize| {
        Reply::Array(vec![Reply::count(from), Reply::count(from + len - 1)])
    };
    let matches = matches.into_iter().filter(|m| m.len as i64 >= options.least).map(|m| {
        let mut items = vec![pair(m.one, m.len), pair(m.other, m.len)];
        items.extend(options.with_len.then(|| Reply::count(m.len)));
        Reply::Array(items)
    });
    Ok(Reply::Array(vec![
        Reply::bulk("matches"),
        Reply::Array(matches.collect()),
        Reply::bulk("len"),
        Reply::count(len as usize),
    ]))
}

fn text(call: &mut Call<'_>, key: &[u8]) -> Answer<Vec<u8>> {
    let Some(record) = call.keys.find(key)? else { return Ok(Vec::new()) };
    let mut digits = itoa::Buffer::new();
    Value::text(&record.value, &mut digits).map(<[u8]>::to_vec).ok_or(NOT_STRINGS)
}

/// A stretch that both have, and where.
struct Match {
    one: usize,
    other: usize,
    len: usize,
}

/// For each pair of prefixes, how much they have in common.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(one: &[u8], other: &[u8]) -> Answer<Self> {
        let width = other.len() + 1;
        let cells = (one.len() as u64 + 1).saturating_mul(width as u64);
        if cells.saturating_mul(4) > LARGEST {
            return Err(Failure::text(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut table = Table { cells: Vec::with_capacity(cells as usize), width };
        table.cells.resize(width, 0);
        for &a in one {
            let above = table.cells.len() - width;
            let (mut left, mut corner) = (0, 0);
            table.cells.push(0);
            for (column, &b) in (1..).zip(other) {
                let up = table.cells.get(above + column).copied().unwrap_or_default();
                left = if a == b { corner + 1 } else { left.max(up) };
                corner = up;
                table.cells.push(left);
            }
        }
        Ok(table)
    }

    fn at(&self, one: usize, other: usize) -> u32 {
        self.cells.get(one * self.width + other).copied().unwrap_or_default()
    }

    /// What both have in common, and in which stretches, the last one first.
    fn walk(&self, one: &[u8], other: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let (mut i, mut j) = (one.len(), other.len());
        let (mut common, mut matches) = (Vec::new(), Vec::new());
        let mut open: Option<Match> = None;
        while let (Some(&a), Some(&b)) =
            (i.checked_sub(1).and_then(|i| one.get(i)), j.checked_sub(1).and_then(|j| other.get(j)))
        {
            if a == b {
                common.push(a);
                let len = open.as_ref().map_or(0, |open| open.len) + 1;
                (i, j) = (i - 1, j - 1);
                open = Some(Match { one: i, other: j, len });
            } else {
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1
                } else {
                    j -= 1
                }
                matches.extend(open.take());
            }
        }
        matches.extend(open);
        common.reverse();
        (common, matches)
    }
}
