//! Module values: only their module knows what is in them, so they are copied; but for vector sets,
//! which Redis 8.0 does not take from newer servers.

use super::vector_set::oldest;
use super::{Loss, Sink};
use crate::rdb::{ModuleId, Target, ValueType, length};

/// Writes a module's value, its id first, as it lay in another snapshot; a vector set in the form
/// that the target knows.
pub fn module(sink: &mut Sink, target: &Target, body: &[u8]) -> Result<Option<ValueType>, Loss> {
    let lost = match copies(target, body) {
        Ok(true) => {
            sink.raw(body);
            None
        }
        Ok(false) => {
            let from = sink.out.len();
            let written = oldest(sink, body);
            sink.out.truncate(if written.is_some() { sink.out.len() } else { from });
            written.is_none().then_some(Loss::VectorSet)
        }
        Err(loss) => Some(loss),
    };
    match lost {
        None => Ok(Some(ValueType::Module2)),
        Some(loss) => sink.lose(loss).map(|()| None),
    }
}

/// Whether a target takes a module's value as it lies, or why it cannot hold it. Whether it has
/// the module is not known here.
pub(super) fn copies(target: &Target, body: &[u8]) -> Result<bool, Loss> {
    if !target.has_modules() {
        return Err(Loss::Module);
    }
    if !is_vector_set(body) {
        return Ok(true);
    }
    match target.vector_set_layout() {
        None => Err(Loss::VectorSet),
        Some(layout) => Ok(layout > 0),
    }
}

/// Whether the id in front is that of vector sets.
pub(crate) fn is_vector_set(body: &[u8]) -> bool {
    length(body).is_ok_and(|(_, id)| ModuleId(id).name() == "vectorset")
}
