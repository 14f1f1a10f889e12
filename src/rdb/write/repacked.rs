//! Values whose texts are packed, or are not any more, and that stay what they are otherwise: those
//! that would become another type if they were written anew.
//!
//! ```text
//! hashes of a template of the file    a listpack, or a text for each name of the template
//! listpacks of fields that expire     eight bytes, a listpack
//! ```

use super::Sink;
use crate::error::{FormatError, unwrap_bad};
use crate::rdb::{Entry, Text, ValueType};

/// Writes such a value; `None` where it is none. `same_templates` says that the file that is written
/// has the templates of the file that is read.
pub(super) fn repacked(
    sink: &mut Sink,
    entry: &Entry<'_>,
    same_templates: bool,
) -> Result<Option<ValueType>, Box<FormatError>> {
    let ty = entry.value_type;
    let mut rest = entry.body();
    match ty {
        ValueType::HashListpackEx => {
            let Some((soonest, behind)) = rest.split_at_checked(8) else { return Ok(None) };
            sink.raw(soonest);
            rest = behind;
        }
        ValueType::HashTemplateListpack if same_templates => {}
        ValueType::HashTemplateArray if same_templates => {
            let Some(template) = entry.template() else { return Ok(None) };
            // The reader has taken the template's id off the body.
            sink.length(template.id);
        }
        _ => return Ok(None),
    }
    while !rest.is_empty() {
        let at = (entry.body().len() - rest.len()) as u64;
        let (behind, text) =
            Text::parse(rest).map_err(|bad| entry.error(at, unwrap_bad(bad).fault))?;
        let text = text.to_cow().map_err(|fault| entry.error(at, fault))?;
        match ty {
            ValueType::HashTemplateArray => sink.text(&text),
            _ => sink.blob(&text),
        }
        rest = behind;
    }
    Ok(Some(ty))
}
