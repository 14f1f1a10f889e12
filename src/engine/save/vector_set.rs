//! Vector sets with their graph, whose elements are linked now if they were not before.

use crate::engine::VectorSet;
use crate::rdb::write::{
    Loss, Sink, VectorSetHead, VectorSetLinks, VectorSetNode, VectorSetWriter,
};
use crate::rdb::{Target, ValueType};

/// The type of a vector set that has been written; none where the target has no form for it.
pub(super) fn save(
    set: &VectorSet,
    target: &Target,
    sink: &mut Sink,
) -> Result<Option<ValueType>, Loss> {
    let form = set.form();
    let matrix = set.projection().map(|projection| projection.to_bytes());
    let columns = set.projection().map_or(0, |projection| projection.columns() as u64);
    let head = VectorSetHead {
        dimensions: form.dimensions as u64,
        count: set.len() as u64,
        quantization: form.quantization.code(),
        m: form.m as u64,
        projection: matrix.as_deref().map(|matrix| (columns, matrix)),
        attributes: set.attributes() > 0,
    };
    let Some(mut writer) = VectorSetWriter::begin(sink, target, &head)? else { return Ok(None) };
    set.linked(|element, levels, id| {
        let levels = levels.iter().map(|links| VectorSetLinks {
            room: u64::from(links.room),
            to: links.to.iter().map(|&place| id(place)).collect(),
            worst: links.worst(),
        });
        writer.node(VectorSetNode {
            name: &element.name,
            attribute: element.attribute.as_deref().unwrap_or_default(),
            vector: &element.vector.bytes,
            id: element.id,
            levels,
            length: element.vector.length,
            range: element.vector.range,
        });
    });
    Ok(Some(writer.end()))
}
