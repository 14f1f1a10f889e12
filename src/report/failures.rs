//! What is to be known of the run of a log, in the reports of all who run one: commands that failed,
//! parts that are missing.

use super::replay::ReplayFailure;
use super::text::key;
use crate::bytes::quoted;

/// Where it stands, what it is, and why it failed.
pub fn failure_text(failure: &ReplayFailure) -> String {
    let ReplayFailure { file, offset, command, key: of, error } = failure;
    let of = of.as_ref().map_or(String::new(), |of| format!(" {}", key(of, 40)));
    format!("{file}:{offset}  {}{of}: {error}", quoted(command))
}

/// What is to be known of a part of a log that was run without the others.
pub(super) fn ran_alone(manifest: impl std::fmt::Display) -> String {
    format!(
        "only one part of the log of {manifest}, run alone: what stands in the other parts is missing, \
         and commands that build on it do something else here; name the manifest for the whole"
    )
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
