//! Commands of a log that failed when it was run, in the reports of all who run it.

use super::replay::ReplayFailure;
use super::text::key;
use crate::bytes::quoted;

/// Where it stands, what it is, and why it failed.
pub fn failure_text(failure: &ReplayFailure) -> String {
    let ReplayFailure { file, offset, command, key: of, error } = failure;
    let of = of.as_ref().map_or(String::new(), |of| format!(" {}", key(of, 40)));
    format!("{file}:{offset}  {}{of}: {error}", quoted(command))
}

/// Who else would have them fail; `played` is a server that is not known to have written the log.
pub fn as_where(played: Option<&str>) -> String {
    match played {
        None => "as in a server".to_owned(),
        Some(server) => format!(
            "as in {server}, for which the log was run: where its writer took them, what they did is \
             missing"
        ),
    }
}
