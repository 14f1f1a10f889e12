//! Module values: only their module knows what is in them, so they are copied.

use super::{Loss, Sink};
use crate::rdb::{ModuleId, Target, ValueType, length};

/// Writes a module's value, its id first, as it lay in another snapshot.
pub fn module(sink: &mut Sink, target: &Target, body: &[u8]) -> Result<Option<ValueType>, Loss> {
    if let Some(loss) = refused(target, body) {
        sink.lose(loss)?;
        return Ok(None);
    }
    sink.raw(body);
    Ok(Some(ValueType::Module2))
}

/// Why a target cannot hold a module's value. Whether it has the module is not known here.
pub(super) fn refused(target: &Target, body: &[u8]) -> Option<Loss> {
    if !target.has_modules() {
        Some(Loss::Module)
    } else if !target.has_vector_sets() && is_vector_set(body) {
        Some(Loss::VectorSet)
    } else {
        None
    }
}

/// Whether the id in front is that of vector sets.
pub(crate) fn is_vector_set(body: &[u8]) -> bool {
    length(body).is_ok_and(|(_, id)| ModuleId(id).name() == "vectorset")
}
