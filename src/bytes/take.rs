//! The smallest parsers: fixed-width numbers and runs of bytes, over a slice.
//!
//! Running out is [`Fault::Truncated`] with the number of bytes that were asked for.

use nom::Parser;
use nom::number::complete as number;

use crate::error::{Bad, Fault, Parsed};

/// The next `n` bytes. `n` may be any claim of the file: it is held against the bytes left.
#[inline(always)]
pub fn take(input: &[u8], n: u64) -> Parsed<'_, &[u8]> {
    match usize::try_from(n).ok().and_then(|n| input.split_at_checked(n)) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => Err(short(input, n)),
    }
}

#[cold]
fn short(input: &[u8], need: u64) -> nom::Err<Bad<'_>> {
    nom::Err::Error(Bad { at: input, fault: Fault::Truncated { need, have: input.len() as u64 } })
}

/// The next byte.
#[inline(always)]
pub fn byte(input: &[u8]) -> Parsed<'_, u8> {
    match input.split_first() {
        Some((&byte, rest)) => Ok((rest, byte)),
        None => Err(short(input, 1)),
    }
}

/// A fixed-width number; each names its width and byte order.
macro_rules! numbers {
    ($($name:ident: $type:ty = $parser:path;)+) => { $(
        #[doc = concat!("A `", stringify!($type), "`, in the byte order that the name says.")]
        #[inline]
        pub fn $name(input: &[u8]) -> Parsed<'_, $type> {
            $parser.parse(input)
        }
    )+ };
}

numbers! {
    le_u16: u16 = number::le_u16;
    le_u32: u32 = number::le_u32;
    le_u64: u64 = number::le_u64;
    le_i16: i16 = number::le_i16;
    le_i32: i32 = number::le_i32;
    le_i64: i64 = number::le_i64;
    le_f32: f32 = number::le_f32;
    le_f64: f64 = number::le_f64;
    be_u32: u32 = number::be_u32;
    be_u64: u64 = number::be_u64;
}
