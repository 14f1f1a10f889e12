//! Logs.

use crate::error::Result;
use crate::ops::walk::Observer;
use crate::report::inspect::InspectReport;
use crate::source::Feed;

pub(super) fn rest(_feed: &mut Feed, _report: &mut InspectReport, _observer: &dyn Observer) -> Result<()> {
    Ok(())
}
