//! How long a value is to live: `EX`, `PX`, `EXAT`, `PXAT`, `PERSIST`, `KEEPTTL`.

use crate::engine::call::{int, is};
use crate::engine::{Answer, Env, Failure};

/// What is to become of the expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::command) enum Lifetime<'a> {
    /// Nothing was said.
    Unsaid,
    /// `KEEPTTL`
    Keep,
    /// `PERSIST`
    Persist,
    /// Until then.
    Until(Unit, &'a [u8]),
}

/// What a time is counted in, and from when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::command) enum Unit {
    Ex,
    Px,
    ExAt,
    PxAt,
}

impl Unit {
    fn of(word: &[u8]) -> Option<Self> {
        let units =
            [("EX", Unit::Ex), ("PX", Unit::Px), ("EXAT", Unit::ExAt), ("PXAT", Unit::PxAt)];
        units.into_iter().find(|(name, _)| is(word, name)).map(|(_, unit)| unit)
    }

    /// A time in this unit as unix time in milliseconds; one that is no future is refused.
    pub(in crate::engine::command) fn at_ms(
        self,
        text: &[u8],
        env: &Env,
        command: &str,
    ) -> Answer<i64> {
        let refused = || Failure::said(format!("ERR invalid expire time in '{command}' command"));
        let time = int(text)?;
        let time = match self {
            _ if time <= 0 => None,
            Unit::Ex => time.checked_mul(1000).and_then(|ms| ms.checked_add(env.now_ms)),
            Unit::ExAt => time.checked_mul(1000),
            Unit::Px => time.checked_add(env.now_ms),
            Unit::PxAt => Some(time),
        };
        time.filter(|&ms| ms > 0).ok_or_else(refused)
    }
}

impl<'a> Lifetime<'a> {
    /// Takes one more option if it is one of these: how many arguments that was. What does not go
    /// together with an earlier one is not taken.
    pub(in crate::engine::command) fn take(
        &mut self,
        args: &[&'a [u8]],
        word: Option<(&str, Lifetime<'static>)>,
    ) -> Option<usize> {
        let (first, rest) = args.split_first()?;
        if let Some((name, lifetime)) = word
            && is(first, name)
            && (*self == Lifetime::Unsaid || *self == lifetime)
        {
            *self = lifetime;
            return Some(1);
        }
        let unit = Unit::of(first)?;
        let free = match self {
            Lifetime::Unsaid => true,
            Lifetime::Until(before, _) => *before == unit,
            Lifetime::Keep | Lifetime::Persist => false,
        };
        let time = rest.first().filter(|_| free)?;
        *self = Lifetime::Until(unit, time);
        Some(2)
    }

    /// When it ends, if a time was said.
    pub(in crate::engine::command) fn until_ms(
        self,
        env: &Env,
        command: &str,
    ) -> Answer<Option<i64>> {
        match self {
            Lifetime::Until(unit, text) => unit.at_ms(text, env, command).map(Some),
            _ => Ok(None),
        }
    }
}

/// Whether a time is past, where that counts.
#[inline]
pub(in crate::engine::command) fn is_past(env: &Env, at_ms: i64) -> bool {
    !env.loading && at_ms <= env.now_ms
}
