//! The check as SARIF 2.1.0, which code scanning services read.
//!
//! Of a finding in a binary file the place is a byte offset; the key is a logical location.

use std::collections::BTreeSet;
use std::io::Write;

use serde::Serialize;

use super::CheckReport;
use super::github::sentence;
use crate::bytes::{name_bytes, quoted};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::report::json;

/// Writes the report as one document.
pub fn write_sarif(out: &mut dyn Write, report: &CheckReport) -> Result<()> {
    let mut codes = BTreeSet::new();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for source in &report.sources {
        if let Some(why) = &source.could_not_look {
            notifications.push(Notification {
                level: "error",
                message: Message { text: why.clone() },
                locations: vec![Location::of_file(&source.name, None)],
            });
        }
        for finding in source.all_findings() {
            codes.insert(finding.code);
            results.push(found(&source.name, finding));
        }
    }
    let rules = codes.into_iter().map(|id| Rule { id }).collect();
    let driver = Driver { name: "rdbkit", version: env!("CARGO_PKG_VERSION"), rules };
    let invocation = Invocation {
        execution_successful: report.is_complete(),
        tool_execution_notifications: notifications,
    };
    let run = Run { tool: Tool { driver }, invocations: vec![invocation], results };
    let document = Document {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: vec![run],
    };
    json::document(out, &document)
}

fn found(source: &str, finding: &Finding) -> Outcome {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let file = if finding.file.is_empty() { source } else { &finding.file };
    let mut location = Location::of_file(file, finding.offset);
    if let Some(key) = &finding.key {
        location.logical_locations.push(Logical {
            name: quoted(key).to_string(),
            fully_qualified_name: format!("db{}/{}", finding.db.unwrap_or(0), quoted(key)),
            kind: "key",
        });
    }
    Outcome {
        rule_id: finding.code,
        level,
        message: Message { text: sentence(finding) },
        locations: vec![location],
    }
}

#[derive(Serialize)]
struct Document {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    tool: Tool,
    invocations: Vec<Invocation>,
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    byte_offset: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

impl Location {
    fn of_file(name: &str, offset: Option<u64>) -> Self {
        Location {
            physical_location: Physical {
                artifact_location: Artifact { uri: uri(name) },
                region: offset.map(|byte_offset| Region { byte_offset }),
            },
            logical_locations: Vec::new(),
        }
    }
}

/// A path, as it is shown, as a relative reference: what has a meaning in one goes as a code.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for &byte in &*name_bytes(path) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("backups/a b:1.rdb"), "backups/a%20b%3A1.rdb");
        assert_eq!(uri("é.rdb"), "%C3%A9.rdb");
        assert_eq!(uri("\"caf\\xe9\\n.rdb\""), "caf%E9%0A.rdb");
    }
}
