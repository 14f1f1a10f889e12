//! Figures for Prometheus, as the textfile collector of its node exporter reads them.
//!
//! ```text
//! # HELP rdbkit_check_sound Whether nothing was found that is an error.
//! # TYPE rdbkit_check_sound gauge
//! rdbkit_check_sound{source="dump.rdb"} 1
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::backup::{Backup, Followed};
use super::check::CheckReport;
use super::load::LoadReport;
use super::replay::ReplayReport;
use crate::finding::Severity;

/// Gauges, by name.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug, Clone)]
struct Family {
    help: &'static str,
    samples: Vec<(String, f64)>,
}

impl Metrics {
    /// Adds a sample; all of one name have the same labels.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let family =
            self.families.entry(name).or_insert_with(|| Family { help, samples: Vec::new() });
        family.samples.push((of_labels(labels), value));
    }

    /// Says when it was, unix time in seconds: whoever watches wants to know that it still happens.
    pub fn at(&mut self, verb: &str, secs: f64) {
        let help = "When it was done, unix time in seconds.";
        self.gauge("rdbkit_last_run_timestamp_seconds", help, &[("verb", verb)], secs);
    }

    /// The text of the collector's file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, Family { help, samples }) in &self.families {
            // Writing into memory cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}

fn of_labels(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let each = labels.iter().map(|(name, value)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    });
    format!("{{{}}}", each.collect::<Vec<_>>().join(","))
}

/// The figures of a check.
pub fn of_check(report: &CheckReport) -> Metrics {
    let mut metrics = Metrics::default();
    for source in &report.sources {
        let label = [("source", source.name.as_str())];
        let looked = source.could_not_look.is_none();
        let mut gauge = |name, help, value: f64| metrics.gauge(name, help, &label, value);
        gauge("rdbkit_check_looked", "Whether the source could be looked at.", truth(looked));
        gauge(
            "rdbkit_check_sound",
            "Whether the source could be looked at and nothing was found that is an error.",
            truth(looked && source.is_sound()),
        );
        if source.policy.is_some() {
            let kept = truth(looked && source.keeps_policy());
            gauge("rdbkit_check_policy_kept", "Whether the policies are kept.", kept);
        }
        if looked {
            let size: u64 = source.files.iter().map(|file| file.size_bytes).sum();
            gauge("rdbkit_check_size_bytes", "Bytes of the source, uncompressed.", number(size));
            let keys: Option<u64> = source.files.iter().filter_map(|f| f.keys).reduce(|a, b| a + b);
            if let Some(keys) = keys {
                gauge("rdbkit_check_keys", "Keys of the snapshots of the source.", number(keys));
            }
            for severity in [Severity::Error, Severity::Warning] {
                let listed =
                    source.all_findings().filter(|f| f.severity == severity).count() as u64;
                let unlisted = source.files.iter().map(|file| &file.unlisted);
                let unlisted = unlisted.chain(source.policy.iter().map(|policy| &policy.unlisted));
                let unlisted: u64 = match severity {
                    Severity::Error => unlisted.map(|one| one.errors).sum(),
                    _ => unlisted.map(|one| one.others).sum(),
                };
                metrics.gauge(
                    "rdbkit_check_findings",
                    "Findings, by severity.",
                    &[("source", &source.name), ("severity", severity.name())],
                    number(listed + unlisted),
                );
            }
        }
    }
    metrics
}

/// Whether a source was run.
const RUN: (&str, &str) = ("rdbkit_replay_complete", "Whether all of the source was run.");

/// Whether a source was loaded into live servers.
const LOADED: (&str, &str) = ("rdbkit_load_complete", "Whether all is there.");

/// The figures of a replay that failed.
pub fn of_no_replay(source: &str) -> Metrics {
    let mut metrics = Metrics::default();
    metrics.gauge(RUN.0, RUN.1, &[("source", source)], 0.0);
    metrics
}

/// The figures of a load into live servers that failed.
pub fn of_no_load(source: &str, target: &str) -> Metrics {
    let mut metrics = Metrics::default();
    metrics.gauge(LOADED.0, LOADED.1, &[("source", source), ("target", target)], 0.0);
    metrics
}

/// The figures of a replay.
pub fn of_replay(report: &ReplayReport) -> Metrics {
    let mut metrics = Metrics::default();
    let label = [("source", report.source.as_str())];
    let skipped = report.skipped.iter().map(|one| one.count).sum();
    let mut gauge = |name, help, value| metrics.gauge(name, help, &label, number(value));
    let whole = report.stopped || report.parts.iter().all(|part| part.dropped_from.is_none());
    gauge(RUN.0, RUN.1, u64::from(whole));
    gauge("rdbkit_replay_commands", "Commands that were run.", report.commands);
    gauge("rdbkit_replay_failed_commands", "Commands that failed.", report.failed);
    gauge("rdbkit_replay_skipped_commands", "Commands that were stepped over.", skipped);
    gauge("rdbkit_replay_keys", "Keys in the end.", report.keys);
    gauge("rdbkit_replay_duration_milliseconds", "How long it took.", report.took_ms);
    metrics
}

/// The figures of a load into live servers.
pub fn of_load(report: &LoadReport) -> Metrics {
    let mut metrics = Metrics::default();
    let labels = [("source", report.source.as_str()), ("target", report.target.as_str())];
    let mut gauge = |name, help, value| metrics.gauge(name, help, &labels, number(value));
    gauge(LOADED.0, LOADED.1, u64::from(report.is_complete()));
    gauge("rdbkit_load_keys", "Keys that have arrived in this run.", report.keys);
    gauge("rdbkit_load_log_commands", "Commands of a log that were sent.", report.log_commands);
    gauge("rdbkit_load_refused_keys", "Keys that were refused.", report.refused);
    gauge("rdbkit_load_sent_again_commands", "Commands sent again.", report.sent_again);
    gauge("rdbkit_load_reopened_connections", "Connections opened anew.", report.reopened);
    gauge("rdbkit_load_size_bytes", "Bytes of commands.", report.bytes);
    gauge("rdbkit_load_duration_milliseconds", "How long it took.", report.took_ms);
    if let Some(verify) = &report.verify {
        gauge("rdbkit_load_compared_keys", "Keys that were compared afterwards.", verify.compared);
        gauge("rdbkit_load_different_keys", "Keys among them that differ.", verify.different);
    }
    metrics
}

/// Whether a backup of a server, or of all of a Cluster, is there.
const TAKEN: (&str, &str) = ("rdbkit_backup_taken", "Whether a sound backup was taken.");

/// The figures of backups that were taken.
pub fn of_backups<'b>(backups: impl IntoIterator<Item = &'b Backup>) -> Metrics {
    let mut metrics = Metrics::default();
    for backup in backups {
        let labels = [("server", backup.server.url.as_str())];
        let mut gauge = |name, help, value| metrics.gauge(name, help, &labels, number(value));
        gauge(TAKEN.0, TAKEN.1, 1);
        gauge("rdbkit_backup_keys", "Keys in the backup.", backup.keys);
        gauge("rdbkit_backup_size_bytes", "Bytes of the file.", backup.size_bytes);
        let bytes = backup.snapshot_bytes;
        gauge("rdbkit_backup_snapshot_bytes", "Bytes of the snapshot, uncompressed.", bytes);
        gauge("rdbkit_backup_duration_milliseconds", "How long it took.", backup.took_ms);
        gauge("rdbkit_backup_warnings", "Findings that are no errors.", backup.check.warnings);
        let offset = backup.replication.offset;
        gauge("rdbkit_backup_replication_offset", "The point of the replication stream.", offset);
    }
    metrics
}

/// The figures of a backup that could not be taken, or is not kept because it is not sound.
pub fn of_no_backup(server: &str) -> Metrics {
    let mut metrics = Metrics::default();
    metrics.gauge(TAKEN.0, TAKEN.1, &[("server", server)], 0.0);
    metrics
}

/// The figures of logs that followed a server, or those of a Cluster, until they were stopped.
pub fn of_followed<'f>(logs: impl IntoIterator<Item = &'f Followed>) -> Metrics {
    let mut metrics = Metrics::default();
    for (n, log) in logs.into_iter().enumerate() {
        let labels = [("server", log.server.as_str()), ("directory", log.directory.as_str())];
        // What is taken is the whole, however many logs it has.
        if n == 0 {
            metrics.gauge(TAKEN.0, TAKEN.1, &labels[..1], 1.0);
        }
        let mut gauge = |name, help, value| metrics.gauge(name, help, &labels, number(value));
        gauge("rdbkit_backup_followed_commands", "Commands that were written.", log.commands);
        gauge("rdbkit_backup_followed_reconnects", "Connections made anew.", log.reconnects);
        gauge("rdbkit_backup_followed_snapshots", "Whole snapshots.", log.snapshots);
        gauge("rdbkit_backup_size_bytes", "Bytes of the file.", log.size_bytes);
        let offset = log.replication.offset;
        gauge("rdbkit_backup_replication_offset", "The point of the replication stream.", offset);
    }
    metrics
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

#[expect(clippy::cast_precision_loss, reason = "the format has doubles and nothing else")]
fn number(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn labels_are_escaped() {
        let mut metrics = Metrics::default();
        metrics.gauge("rdbkit_x", "X.", &[("source", "a\"b\\c\n")], 1.0);
        metrics.gauge("rdbkit_x", "X.", &[("source", "d")], 2.5);
        let want = "# HELP rdbkit_x X.\n# TYPE rdbkit_x gauge\n\
                    rdbkit_x{source=\"a\\\"b\\\\c\\n\"} 1\nrdbkit_x{source=\"d\"} 2.5\n";
        assert_eq!(metrics.text(), want);
    }
}
