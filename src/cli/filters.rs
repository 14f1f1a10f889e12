//! The filters that verbs about keys share, each with its `--not-` twin.

use std::ffi::OsString;
use std::ops::RangeInclusive;

use clap::Args;
use clap::builder::PossibleValuesParser;
use rdbkit::Error;
use rdbkit::ops::encodings;
use rdbkit::ops::filter::{Criteria, Filter, Span, Ttl};
use rdbkit::value::Kind;

use super::args::bytes;

/// Several values of one filter are "any of" (commas separate them, except in patterns); several
/// filters are "all of"
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Filters (several values: any of them; several filters: all of them)"
)]
pub(crate) struct FilterArgs {
    /// Keys in this database, or range of them
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = databases)]
    db: Vec<RangeInclusive<u64>>,

    /// Keys of this type
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = kinds())]
    kind: Vec<String>,

    /// Keys that match this pattern, as KEYS understands it: user:*, h?llo, [a-c]*
    #[arg(long, value_name = "GLOB")]
    key: Vec<OsString>,

    /// Keys in which this regular expression is found
    #[arg(long, value_name = "REGEX")]
    key_regex: Vec<String>,

    /// Keys that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Vec<OsString>,

    /// Keys in this cluster slot, or range of them
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = slots)]
    slot: Vec<RangeInclusive<u16>>,

    /// Keys with this time to live: none, any, expired, '<30m', '>1d'
    #[arg(long, value_name = "TTL", value_delimiter = ',', value_parser = ttl)]
    ttl: Vec<Ttl>,

    /// Keys idle for this long: '>7d', '<1h' (files saved under an LRU policy)
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = span)]
    idle: Vec<Span>,

    /// Keys stored in this encoding: listpack, intset, quicklist, raw, int, lzf …
    #[arg(long, value_name = "ENCODING", value_delimiter = ',', value_parser = known_encodings(), hide_possible_values = true)]
    encoding: Vec<String>,

    /// Keys that take more bytes in the file: 512, 10kb (10 × 1024), 10k (10 × 1000), 1mb
    #[arg(long, value_name = "BYTES", value_parser = size)]
    larger_than: Option<u64>,

    /// Keys that take fewer bytes in the file
    #[arg(long, value_name = "BYTES", value_parser = size)]
    smaller_than: Option<u64>,

    /// Not those in this database
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = databases)]
    not_db: Vec<RangeInclusive<u64>>,

    /// Not those of this type
    #[arg(long, value_name = "TYPE", value_delimiter = ',', value_parser = kinds(), hide_possible_values = true)]
    not_type: Vec<String>,

    /// Not those that match this pattern
    #[arg(long, value_name = "GLOB")]
    not_key: Vec<OsString>,

    /// Not those in which this is found
    #[arg(long, value_name = "REGEX")]
    not_key_regex: Vec<String>,

    /// Not those that begin with this
    #[arg(long, value_name = "TEXT")]
    not_prefix: Vec<OsString>,

    /// Not those in this slot
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = slots)]
    not_slot: Vec<RangeInclusive<u16>>,

    /// Not those with this time to live
    #[arg(long, value_name = "TTL", value_delimiter = ',', value_parser = ttl)]
    not_ttl: Vec<Ttl>,

    /// Not those idle for this long
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = span)]
    not_idle: Vec<Span>,

    /// Not those in this encoding
    #[arg(long, value_name = "ENCODING", value_delimiter = ',', value_parser = known_encodings(), hide_possible_values = true)]
    not_encoding: Vec<String>,
}

impl FilterArgs {
    /// The filter; `now_ms` is what times to live are counted from.
    pub(crate) fn filter(&self, now_ms: i64) -> Result<Filter, Error> {
        let all = |arguments: &[OsString]| arguments.iter().map(bytes).collect();
        let only = Criteria {
            dbs: self.db.clone(),
            kinds: self.kind.iter().filter_map(|name| kind(name)).collect(),
            encodings: self.encoding.clone(),
            globs: all(&self.key),
            regexes: self.key_regex.clone(),
            prefixes: all(&self.prefix),
            slots: self.slot.clone(),
            ttls: self.ttl.clone(),
            idles: self.idle.clone(),
            larger_than: self.larger_than,
            smaller_than: self.smaller_than,
        };
        let not = Criteria {
            dbs: self.not_db.clone(),
            kinds: self.not_type.iter().filter_map(|name| kind(name)).collect(),
            encodings: self.not_encoding.clone(),
            globs: all(&self.not_key),
            regexes: self.not_key_regex.clone(),
            prefixes: all(&self.not_prefix),
            slots: self.not_slot.clone(),
            ttls: self.not_ttl.clone(),
            idles: self.not_idle.clone(),
            larger_than: None,
            smaller_than: None,
        };
        Filter::new(&only, &not, now_ms)
    }
}

/// The filters that can be answered from the name of a key alone, each with its `--not-` twin
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Filters (several values: any of them; several filters: all of them)"
)]
pub(crate) struct KeyFilterArgs {
    /// Keys in this database, or range of them
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = databases)]
    db: Vec<RangeInclusive<u64>>,

    /// Keys that match this pattern, as KEYS understands it: user:*, h?llo, [a-c]*
    #[arg(long, value_name = "GLOB")]
    key: Vec<OsString>,

    /// Keys in which this regular expression is found
    #[arg(long, value_name = "REGEX")]
    key_regex: Vec<String>,

    /// Keys that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Vec<OsString>,

    /// Keys in this cluster slot, or range of them
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = slots)]
    slot: Vec<RangeInclusive<u16>>,

    /// Not those in this database
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = databases)]
    not_db: Vec<RangeInclusive<u64>>,

    /// Not those that match this pattern
    #[arg(long, value_name = "GLOB")]
    not_key: Vec<OsString>,

    /// Not those in which this is found
    #[arg(long, value_name = "REGEX")]
    not_key_regex: Vec<String>,

    /// Not those that begin with this
    #[arg(long, value_name = "TEXT")]
    not_prefix: Vec<OsString>,

    /// Not those in this slot
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = slots)]
    not_slot: Vec<RangeInclusive<u16>>,
}

impl KeyFilterArgs {
    /// The filter.
    pub(crate) fn filter(&self) -> Result<Filter, Error> {
        let all = |arguments: &[OsString]| arguments.iter().map(bytes).collect();
        let only = Criteria {
            dbs: self.db.clone(),
            globs: all(&self.key),
            regexes: self.key_regex.clone(),
            prefixes: all(&self.prefix),
            slots: self.slot.clone(),
            ..Criteria::default()
        };
        let not = Criteria {
            dbs: self.not_db.clone(),
            globs: all(&self.not_key),
            regexes: self.not_key_regex.clone(),
            prefixes: all(&self.not_prefix),
            slots: self.not_slot.clone(),
            ..Criteria::default()
        };
        Filter::new(&only, &not, 0)
    }
}

pub(super) fn kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

pub(super) fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name))
}

fn known_encodings() -> PossibleValuesParser {
    PossibleValuesParser::new(encodings())
}

pub(super) fn databases(text: &str) -> Result<RangeInclusive<u64>, String> {
    range(text, u64::MAX)
}

pub(super) fn slots(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = range(text, u64::from(rdbkit::bytes::slot::SLOTS - 1))?;
    let small = |n: &u64| u16::try_from(*n).map_err(|_| "no slot".to_owned());
    Ok(small(range.start())?..=small(range.end())?)
}

/// `5` or `0-5460`.
fn range(text: &str, most: u64) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last && last <= most => Ok(first..=last),
        _ if most == u64::MAX => Err("give a number, or a range such as 0-3".into()),
        _ => Err(format!("give a number up to {most}, or a range such as 0-{most}")),
    }
}

fn ttl(text: &str) -> Result<Ttl, String> {
    match text {
        "none" => Ok(Ttl::Never),
        "any" => Ok(Ttl::Any),
        "expired" => Ok(Ttl::Expired),
        _ => span(text).map(Ttl::Left).map_err(|_| {
            "give none, any, expired, or a comparison such as '<30m' or '>1d' (in quotes)".into()
        }),
    }
}

fn span(text: &str) -> Result<Span, String> {
    let wrong = || "give a comparison such as '<30m' or '>1d' (in quotes)".to_owned();
    let (span, rest): (fn(u64) -> Span, _) = match (text.strip_prefix('<'), text.strip_prefix('>'))
    {
        (Some(rest), _) => (Span::Below, rest),
        (_, Some(rest)) => (Span::Above, rest),
        _ => return Err(wrong()),
    };
    let time = humantime::parse_duration(rest.trim()).map_err(|_| wrong())?;
    Ok(span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// A size by the rules of the servers' configuration: `k` is 1000, `kb` is 1024; and `KiB` too.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "give a number of bytes, such as 512, 10kb, 1.5mb or 2gb".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let unit: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" | "kib" => 1 << 10,
        "m" => 1_000_000,
        "mb" | "mib" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(unit).ok_or_else(wrong);
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction is no exact wish, and there is no sign"
    )]
    Ok((number * unit as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_servers() {
        let sizes = ["512", "10k", "10kb", "10KB", "1.5mb", "2g", "2 GiB"].map(size);
        let want = [512, 10_000, 10_240, 10_240, 1_572_864, 2_000_000_000, 2 << 30];
        assert_eq!(sizes, want.map(Ok));
        for wrong in ["", "kb", "-1", "1x", "1.2.3", "99999999999gb"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_to_live_are_words_or_comparisons() {
        assert_eq!(ttl("none"), Ok(Ttl::Never));
        assert_eq!(ttl("<30m"), Ok(Ttl::Left(Span::Below(1_800_000))));
        assert_eq!(ttl(">1d"), Ok(Ttl::Left(Span::Above(86_400_000))));
        assert!(ttl("30m").is_err());
        assert!(ttl("<soon").is_err());
    }

    #[test]
    fn ranges_have_limits() {
        assert_eq!(databases("3"), Ok(3..=3));
        assert_eq!(slots("0-16383"), Ok(0..=16383));
        assert!(slots("16384").is_err());
        assert!(databases("5-3").is_err());
        assert!(databases("-").is_err());
    }
}
