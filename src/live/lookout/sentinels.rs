//! What all Sentinels of a service say of its master.
//!
//! ```text
//! SENTINEL MASTER service                    →  config-epoch: of which election it has heard
//! SENTINEL GET-MASTER-ADDR-BY-NAME service   →  host, port
//! ```
//!
//! Both in one go, lest one be older than the other. Those who have heard of a later election are
//! right; among equals each is, since one may say a name where another one says an address.

use redis::{FromRedisValue as _, Value};

use super::{Ask, Lines, Word};
use crate::live::sentinel::{Row, row, rows};
use crate::live::{Address, Connection, Failure};
use crate::resp::encode;

/// What a Sentinel said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    epoch: u64,
    master: Address,
}

pub(super) struct SentinelWords {
    lines: Lines,
    service: String,
    /// The Sentinels that are known, with what each said last.
    known: Vec<(Address, Option<Said>)>,
    /// The latest election that was heard of.
    newest: u64,
}

impl SentinelWords {
    pub(super) fn new(lines: Lines, seeds: &[Address], service: &str) -> Self {
        let known = seeds.iter().map(|seed| (seed.clone(), None)).collect();
        SentinelWords { lines, service: service.to_owned(), known, newest: 0 }
    }

    fn one(&mut self, index: usize) -> Option<Said> {
        let (address, _) = self.known.get(index)?;
        let service = &self.service;
        let (said, others) = self.lines.ask(address, |sentinel| {
            let said = said(sentinel, service)?;
            let others = rows(sentinel, &["SENTINEL", "SENTINELS", service]).unwrap_or_default();
            Ok((said, others))
        })?;
        for other in others.iter().filter_map(Row::address) {
            if !self.known.iter().any(|(known, _)| *known == other) {
                self.known.push((other, None));
            }
        }
        said
    }

    /// The master, as those have it who know best.
    fn word(&mut self) -> Option<Word> {
        let said = || self.known.iter().filter_map(|(_, said)| said.as_ref());
        self.newest = said().map(|said| said.epoch).max()?.max(self.newest);
        let mut masters: Vec<Address> = Vec::new();
        for said in said().filter(|said| said.epoch == self.newest) {
            if !masters.contains(&said.master) {
                masters.push(said.master.clone());
            }
        }
        (!masters.is_empty()).then_some(Word::Masters(masters))
    }
}

impl Ask for SentinelWords {
    fn ask(&mut self, tell: &mut dyn FnMut(Word)) {
        let mut index = 0;
        // Others are learnt on the way.
        while index < self.known.len() {
            let said = self.one(index);
            let is_news = said.is_some();
            if let Some((_, last)) = self.known.get_mut(index) {
                *last = said;
            }
            // Told at once: the next one may have to be waited for.
            if let Some(word) = self.word().filter(|_| is_news) {
                tell(word);
            }
            index += 1;
        }
    }
}

fn said(sentinel: &mut Connection, service: &str) -> Result<Option<Said>, Failure> {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, ["SENTINEL", "MASTER", service]);
    encode::command(&mut bytes, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service]);
    Ok(read(sentinel.send(&bytes, 2)?))
}

fn read(replies: Vec<Value>) -> Option<Said> {
    let mut replies = replies.into_iter();
    let about = row(replies.next()?);
    let epoch = about.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    let (host, port) = Option::<(String, u16)>::from_redis_value(replies.next()?).ok()??;
    Some(Said { epoch, master: Address::Tcp(host, port) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Connector, Endpoint, Timeouts, TlsOptions};

    fn at(port: u16) -> Address {
        Address::Tcp("h".into(), port)
    }

    #[test]
    fn those_who_have_heard_of_the_latest_election_are_right() {
        let endpoint: Endpoint = "redis+sentinel://s/x".parse().unwrap();
        let connector =
            Connector::new(&endpoint, &TlsOptions::default(), Timeouts::default()).unwrap();
        let mut words = SentinelWords::new(Lines::new(connector), &[at(11), at(12), at(13)], "x");
        assert_eq!(words.word(), None);
        let mut check = |said: [Option<(u64, u16)>; 3], want: Option<&[u16]>| {
            for ((_, last), said) in words.known.iter_mut().zip(said) {
                *last = said.map(|(epoch, port)| Said { epoch, master: at(port) });
            }
            let want = want.map(|ports| Word::Masters(ports.iter().copied().map(at).collect()));
            assert_eq!(words.word(), want, "{said:?}");
        };
        check([Some((3, 1)), None, Some((3, 1))], Some(&[1]));
        check([Some((3, 1)), Some((4, 2)), Some((3, 1))], Some(&[2]));
        // The one who knew is silent, and the others have not heard of it.
        check([Some((3, 1)), None, Some((3, 1))], None);
        check([Some((4, 2)), None, Some((4, 9))], Some(&[2, 9]));
    }
}
