//! The check as workflow commands of GitHub Actions, which show findings beside the files of a
//! change: `::error file=dump.rdb,title=duplicate-key::…`.

use std::io::Write;

use super::CheckReport;
use crate::bytes::{name_bytes, quoted};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::report::json::failed;

/// Writes a line for each finding.
pub fn write_github(out: &mut dyn Write, report: &CheckReport) -> Result<()> {
    let mut text = String::new();
    for source in &report.sources {
        if let Some(why) = &source.could_not_look {
            text += &line("error", &source.name, "could-not-look", why);
        }
        for finding in source.all_findings() {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let file = if finding.file.is_empty() { &source.name } else { &finding.file };
            text += &line(level, file, finding.code, &sentence(finding));
        }
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

fn line(level: &str, file: &str, title: &str, message: &str) -> String {
    // The name goes to a program, which wants it as it is.
    let file = property(&String::from_utf8_lossy(&name_bytes(file)));
    format!("::{level} file={file},title={}::{}\n", property(title), escaped(message))
}

/// Where, what was expected, what was found.
pub(super) fn sentence(finding: &Finding) -> String {
    let Finding { offset, key, db, expected, found, advice, .. } = finding;
    let mut text = String::new();
    if let Some(key) = key {
        text += &format!("key {}", quoted(key));
    }
    if let Some(db) = db {
        text += &format!("{}db {db}", if text.is_empty() { "" } else { " in " });
    }
    if let Some(offset) = offset {
        text += &format!("{}at offset {offset}", if text.is_empty() { "" } else { ", " });
    }
    for (word, what) in [("expected", expected.as_str()), ("found", found), ("advice:", advice)] {
        if !what.is_empty() {
            text += &format!("{}{word} {what}", if text.is_empty() { "" } else { "; " });
        }
    }
    text
}

/// What would end a command, or its message, goes as a code.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn what_would_end_a_command_goes_as_a_code() {
        let got = line("error", "a,b.rdb", "one:two", "50 %\nmore");
        assert_eq!(got, "::error file=a%2Cb.rdb,title=one%3Atwo::50 %25%0Amore\n");
    }
}
