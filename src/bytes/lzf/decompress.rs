//! Unpacking: the danger is the declared length, which is a claim. [`decompress`] allocates it only
//! when the compressed bytes could produce that much.

use crate::error::Fault;

/// No token makes more than 264 bytes out of its three.
const MAX_EXPANSION: u64 = 88;
/// From this control byte on a token is a copy.
const COPY: u8 = 0x20;
/// From this one on it has a third byte.
const LONG: u8 = 0xe0;
/// The most bytes that a literal makes.
const LONGEST_LITERAL: usize = 32;
/// The longest literal and a copy behind it.
const ROUND: usize = 1 + LONGEST_LITERAL + 3;
/// Copies move in blocks of this size.
const BLOCK: usize = 32;

/// Walks the tokens without producing anything: whether `packed` unpacks to exactly `len` bytes.
pub fn validate(packed: &[u8], len: u64) -> Result<(), Fault> {
    let mut input = packed;
    let mut written = 0u64;
    // Where three bytes are at hand no token needs a branch, and what the next one is is anybody's
    // guess. The compiler sees it so only as long as each number is chosen by itself.
    while let Some(&[control, second, third]) = input.first_chunk::<3>() {
        let (literal, long) = (control < COPY, control >= LONG);
        let size = if literal { usize::from(control) + 2 } else { 2 + usize::from(long) };
        let count = if long { u64::from(second) + 9 } else { u64::from(control >> 5) + 2 };
        let low = if long { third } else { second };
        let back = (u32::from(control & 31) << 8 | u32::from(low)) + 1;
        let (count, back) = if literal { (u64::from(control) + 1, 0) } else { (count, back) };
        let Some(rest) = input.get(size..) else { break };
        if u64::from(back) > written {
            return Err(Fault::LzfOffset { back, have: written });
        }
        written += count;
        input = rest;
    }
    while let Some((token, rest)) = Token::next(input)? {
        if let Token::Copy { back, .. } = token
            && u64::from(back) > written
        {
            return Err(Fault::LzfOffset { back, have: written });
        }
        written += token.len();
        input = rest;
    }
    if written == len { Ok(()) } else { Err(Fault::LzfLength { want: len, got: written }) }
}

/// How many bytes the literal of this control byte makes, and how many it takes; none if it is a
/// copy. No branch.
#[inline(always)]
fn literal_before(control: u8) -> (usize, usize) {
    let count = usize::from(control) + 1;
    if control < COPY { (count, 1 + count) } else { (0, 0) }
}

/// How far back a copy begins, how many bytes it makes, and how many it takes. No branch.
#[inline(always)]
fn copy_token(control: u8, second: u8, third: u8) -> (usize, usize, usize) {
    let long = control >= LONG;
    let (more, low) = if long { (second, third) } else { (0, second) };
    let back = (usize::from(control & 31) << 8 | usize::from(low)) + 1;
    (back, usize::from(control >> 5) + 2 + usize::from(more), 2 + usize::from(long))
}

/// Unpacks into `out`, which holds exactly `len` bytes afterwards; what it held before is room.
pub fn decompress(packed: &[u8], len: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
    if len > (packed.len() as u64).saturating_mul(MAX_EXPANSION) {
        // More than these bytes can make: say by how much, without making it.
        out.clear();
        validate(packed, len)?;
    }
    // Every byte is written over, so those that are there already need not be zeros.
    out.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
    unpack(packed, out, len)
}

/// Unpacks into the whole of `out`.
pub fn decompress_into(packed: &[u8], out: &mut [u8]) -> Result<(), Fault> {
    let len = out.len() as u64;
    unpack(packed, out, len)
}

/// Unpacks no more than the first bytes, for headers: `out` is filled and the rest is not looked at.
pub fn prefix(packed: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
    let mut input = packed;
    let mut at = 0usize;
    while at < out.len() {
        let Some((token, rest)) = Token::next(input)? else { break };
        match token {
            Token::Literal(bytes) => {
                for (slot, byte) in out.iter_mut().skip(at).zip(bytes) {
                    *slot = *byte;
                }
                at += bytes.len();
            }
            Token::Copy { back, count } => {
                for _ in 0..count {
                    let from = at.checked_sub(back as usize);
                    let byte = from.and_then(|from| out.get(from).copied());
                    let Some(byte) = byte else {
                        return Err(Fault::LzfOffset { back, have: at as u64 });
                    };
                    let Some(slot) = out.get_mut(at) else { break };
                    *slot = byte;
                    at += 1;
                }
            }
        }
        input = rest;
    }
    Ok(at.min(out.len()))
}

enum Token<'a> {
    Literal(&'a [u8]),
    Copy { back: u32, count: u32 },
}

impl<'a> Token<'a> {
    #[inline(always)]
    fn next(input: &'a [u8]) -> Result<Option<(Token<'a>, &'a [u8])>, Fault> {
        let copy = |control: u8, more: u8, low: u8| Token::Copy {
            back: (u32::from(control & 31) << 8 | u32::from(low)) + 1,
            count: u32::from(control >> 5) + u32::from(more) + 2,
        };
        match *input {
            [control @ 0..=31, ref rest @ ..] => rest
                .split_at_checked(usize::from(control) + 1)
                .map(|(bytes, rest)| Some((Token::Literal(bytes), rest)))
                .ok_or(Fault::LzfTruncated),
            [control @ 32..=223, low, ref rest @ ..] => Ok(Some((copy(control, 0, low), rest))),
            [control, more, low, ref rest @ ..] => Ok(Some((copy(control, more, low), rest))),
            [] => Ok(None),
            _ => Err(Fault::LzfTruncated),
        }
    }

    #[inline(always)]
    fn len(&self) -> u64 {
        match *self {
            Token::Literal(bytes) => bytes.len() as u64,
            Token::Copy { count, .. } => u64::from(count),
        }
    }
}

/// The tokens of `packed` into the whole of `out`.
fn unpack(packed: &[u8], out: &mut [u8], len: u64) -> Result<(), Fault> {
    let (read, mut at) = unpack_far(packed, out);
    let mut input = packed.get(read..).unwrap_or_default();
    while let Some((token, rest)) = Token::next(input)? {
        match token {
            Token::Literal(bytes) => {
                let Some(slot) = out.get_mut(at..at + bytes.len()) else {
                    return Err(overrun(input, at, len));
                };
                slot.copy_from_slice(bytes);
                at += bytes.len();
            }
            Token::Copy { back, count } => {
                let Some(from) = at.checked_sub(back as usize) else {
                    return Err(Fault::LzfOffset { back, have: at as u64 });
                };
                let count = count as usize;
                if at + count > out.len() {
                    return Err(overrun(input, at, len));
                }
                copy(out, from, at, count);
                at += count;
            }
        }
        input = rest;
    }
    if at == out.len() { Ok(()) } else { Err(Fault::LzfLength { want: len, got: at as u64 }) }
}

/// The tokens that are far from both ends, where more may be read and written than they ask for:
/// what is too much is overwritten by the next one. Stops in front of the first token that is not,
/// or is broken; returns how much has been read and written by then.
fn unpack_far(packed: &[u8], out: &mut [u8]) -> (usize, usize) {
    let mut input = packed;
    let mut at = 0usize;
    // Each round takes a copy and the literal in front of it, if there is one, without asking
    // whether there is: nobody could guess that.
    while let Some(&[control, ref literal @ .., _, _, _]) = input.first_chunk::<ROUND>() {
        let (run, skip) = literal_before(control);
        let Some(slot) = out.get_mut(at..).and_then(|to| to.first_chunk_mut()) else { break };
        *slot = *literal;
        let Some(rest) = input.get(skip..) else { break };
        let Some(&[control, second, third]) = rest.first_chunk() else { break };
        let to = at + run;
        if control < COPY {
            // A literal that goes on.
            (at, input) = (to, rest);
            continue;
        }
        let (back, count, size) = copy_token(control, second, third);
        let Some(from) = to.checked_sub(back) else { break };
        if count <= BLOCK && count <= back && to + BLOCK <= out.len() {
            out.copy_within(from..from + BLOCK, to);
        } else if !copy_far(out, from, to, count) {
            break;
        }
        at = to + count;
        input = rest.get(size..).unwrap_or_default();
    }
    (packed.len() - input.len(), at)
}

/// Like [`copy`], in blocks, where there is room for another one behind; says whether there is.
#[inline(never)]
fn copy_far(out: &mut [u8], from: usize, at: usize, count: usize) -> bool {
    if at + count + BLOCK > out.len() {
        return false;
    }
    if at - from < BLOCK && at - from < count {
        copy(out, from, at, count);
        return true;
    }
    let mut done = 0;
    while done < count {
        out.copy_within(from + done..from + done + BLOCK, at + done);
        done += BLOCK;
    }
    true
}

/// Copies `count` bytes from `from` to `at`, as if byte by byte: the end of the stretch may be
/// what its start has just written. Both ends have been checked.
#[inline(always)]
fn copy(out: &mut [u8], from: usize, at: usize, count: usize) {
    let back = at - from;
    if back == 1
        && let Some(&byte) = out.get(from)
        && let Some(run) = out.get_mut(at..at + count)
    {
        run.fill(byte);
        return;
    }
    // The copied stretch doubles each time: what has been written may be copied from.
    let mut done = 0;
    while done < count {
        let step = (back + done).min(count - done);
        out.copy_within(from..from + step, at + done);
        done += step;
    }
}

/// More was unpacked than declared: how much it would have been.
#[cold]
fn overrun(input: &[u8], at: usize, len: u64) -> Fault {
    let mut got = at as u64;
    let mut rest = input;
    while let Ok(Some((token, after))) = Token::next(rest) {
        got += token.len();
        rest = after;
    }
    Fault::LzfLength { want: len, got }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(packed: &[u8], len: u64, want: Result<&[u8], Fault>) {
        let mut out = Vec::new();
        let got = decompress(packed, len, &mut out);
        assert_eq!(got.map(|()| out.as_slice()), want);
        assert_eq!(validate(packed, len), want.map(|_| ()), "validation says the same");
        if let Ok(want) = want {
            let mut head = vec![0; 10.min(want.len())];
            assert_eq!(prefix(packed, &mut head), Ok(head.len()));
            assert_eq!(head, want[..head.len()]);
        }
    }

    #[test]
    fn what_servers_wrote_comes_back() {
        check(b"\x01aa\xe0\x0a\x00", 21, Ok(&[b'a'; 21]));
        check(b"\x03abca\xe0\x0c\x02\x01bc", 27, Ok(&b"abc".repeat(9)));
        check(b"", 0, Ok(b""));
    }

    #[test]
    fn a_broken_stream_is_named() {
        check(b"\x03ab", 4, Err(Fault::LzfTruncated));
        check(b"\xe0", 4, Err(Fault::LzfTruncated));
        check(b"\x00a\x20\x05", 4, Err(Fault::LzfOffset { back: 6, have: 1 }));
        check(b"\x01aa\xe0\x0a\x00", 20, Err(Fault::LzfLength { want: 20, got: 21 }));
        check(b"\x01aa", 3, Err(Fault::LzfLength { want: 3, got: 2 }));
    }

    #[test]
    fn a_lie_about_the_length_allocates_nothing() {
        check(b"\x01aa", 1 << 60, Err(Fault::LzfLength { want: 1 << 60, got: 2 }));
    }

    /// Byte by byte, as the format says.
    fn naive(packed: &[u8], len: u64) -> Result<Vec<u8>, Fault> {
        let (mut out, mut input) = (Vec::new(), packed);
        while let Some((token, rest)) = Token::next(input)? {
            match token {
                Token::Literal(bytes) => out.extend_from_slice(bytes),
                Token::Copy { back, .. } if back as usize > out.len() => {
                    return Err(Fault::LzfOffset { back, have: out.len() as u64 });
                }
                Token::Copy { back, count } => {
                    for _ in 0..count {
                        out.push(out[out.len() - back as usize]);
                    }
                }
            }
            input = rest;
        }
        let got = out.len() as u64;
        if got == len { Ok(out) } else { Err(Fault::LzfLength { want: len, got }) }
    }

    #[test]
    fn any_tokens_are_what_they_are_byte_by_byte() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % below
        };
        for round in 0..3000u64 {
            let (mut packed, mut have) = (Vec::new(), 0u64);
            for _ in 0..next(60) {
                let kind = next(4);
                if kind == 0 || have == 0 {
                    let count = if next(5) == 0 { 32 } else { 1 + next(31) };
                    packed.push(count as u8 - 1);
                    packed.extend((0..count).map(|_| next(256) as u8));
                    have += count;
                    continue;
                }
                // Now and then one that reaches too far.
                let reach = (have + u64::from(next(400) == 0)).min(8192);
                let back = 1 + next(if kind == 1 { reach.min(40) } else { reach });
                let (high, low) = ((back - 1) >> 8, (back - 1) as u8);
                if kind == 2 {
                    let more = next(256);
                    packed.extend([0xe0 | high as u8, more as u8, low]);
                    have += more + 9;
                } else {
                    let count = 3 + next(6);
                    packed.extend([((count - 2) << 5 | high) as u8, low]);
                    have += count;
                }
            }
            packed.truncate(packed.len() - (round % 16 == 0 && !packed.is_empty()) as usize);
            let len = if round % 8 == 1 { have.saturating_sub(next(9)) } else { have };
            let want = naive(&packed, len);
            assert_eq!(validate(&packed, len), want.clone().map(|_| ()));
            let mut out = vec![0xaa; next(500) as usize];
            let got = decompress(&packed, len, &mut out).map(|()| out);
            // Of two faults either may be found first.
            assert_eq!(got.is_ok(), want.is_ok());
            if want.is_ok() {
                assert_eq!(got, want);
            }
        }
    }

    #[test]
    fn an_independent_encoder_agrees() {
        let mut text = Vec::new();
        for n in 0..4000u32 {
            text.extend_from_slice(format!("item:{} ", n * n % 611).as_bytes());
            if n % 7 == 0 {
                text.extend(std::iter::repeat_n(n as u8, (n % 300) as usize));
            }
        }
        for len in [30, 100, 1000, 10_000, text.len()] {
            if let Ok(packed) = ::lzf::compress(&text[..len]) {
                check(&packed, len as u64, Ok(&text[..len]));
            }
        }
    }
}
