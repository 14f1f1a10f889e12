//! Lists: containers, nodes, and whether anything is in them.

use super::packed::{Judged, open, tuples};
use super::{Checker, Halt, Report, Stance, blob};
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::object::cursor::{Blob, Cursor};
use crate::rdb::object::list::{PACKED, PLAIN};
use crate::rdb::packed::{Listpack, Packed, Ziplist};

/// Servers count the elements of a node in 16 bits: of 70000 they would see 4464.
const MOST_IN_NODE: u64 = 65535;

pub(super) fn check(
    ty: ValueType,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let room = &mut checker.scratch.blob;
    let mut nodes = Nodes::default();
    match ty {
        ValueType::ListZiplist => {
            let blob = blob(&mut body, room, report)?;
            nodes.packed::<Ziplist<'_>>(0, blob, report)?;
        }
        ValueType::ListQuicklist => {
            for _ in 0..body.length()? {
                let at = body.at();
                let blob = blob(&mut body, room, report)?;
                nodes.packed::<Ziplist<'_>>(at, blob, report)?;
            }
        }
        ValueType::ListQuicklist2 => {
            for _ in 0..body.length()? {
                let at = body.at();
                match body.length()? {
                    PLAIN => {
                        let at = body.at();
                        let text = body.text()?;
                        report.text(text, at)?;
                        if text.is_empty() {
                            report.add(at, Fault::ListPlainEmpty, Stance::Fatal)?;
                        }
                        nodes.full += 1;
                    }
                    PACKED => {
                        let blob = blob(&mut body, room, report)?;
                        nodes.packed::<Listpack<'_>>(at, blob, report)?;
                    }
                    container => {
                        report.add(at, Fault::Container { container }, Stance::Fatal)?;
                        report.next_text(&mut body)?;
                        nodes.full += 1;
                    }
                }
            }
        }
        _ => {
            nodes.full = body.length()?;
            for _ in 0..nodes.full {
                report.next_text(&mut body)?;
            }
        }
    }
    nodes.verdict(report)
}

/// What has been seen of a list's nodes.
#[derive(Default)]
struct Nodes {
    full: u64,
    empty: u64,
    /// Of the first empty one.
    empty_at: u64,
}

impl Nodes {
    /// A node at `at`; its blob, if it could be had.
    #[inline]
    fn packed<'s, P: Packed<'s> + Judged>(
        &mut self,
        at: u64,
        blob: Option<Blob<'s>>,
        report: &mut Report<'_>,
    ) -> Result<(), Halt> {
        let mut count = None;
        if let Some(blob) = blob
            && let Some(pack) = open::<P>(blob, report)?
        {
            count = tuples::<P, 1>(pack, blob, report, |_, _| Ok(()))?;
        }
        match count {
            Some(0) => {
                self.empty += 1;
                if self.empty == 1 {
                    self.empty_at = at;
                }
                return Ok(());
            }
            Some(entries) if entries > MOST_IN_NODE => {
                report.add(at, Fault::ListNodeCount { entries }, Stance::Unnoticed)?;
            }
            _ => {}
        }
        self.full += 1;
        Ok(())
    }

    fn verdict(self, report: &mut Report<'_>) -> Result<(), Halt> {
        match self {
            Nodes { full: 0, .. } => report.add(0, Fault::EmptyValue, Stance::Dropped),
            Nodes { empty: 0, .. } => Ok(()),
            _ => report.add(self.empty_at, Fault::ListNodeEmpty, Stance::Unnoticed),
        }
    }
}
