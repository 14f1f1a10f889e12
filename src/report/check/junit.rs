//! The check as JUnit XML, which test reporters of CI systems read: a suite for each source, a case
//! for its soundness and one for each policy.

use std::io::Write;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::github::sentence;
use super::{CheckReport, SourceReport};
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};

/// Writes the report as one document.
pub fn write_junit(out: &mut dyn Write, report: &CheckReport) -> Result<()> {
    let mut document = Report::new("rdbkit check");
    for source in &report.sources {
        let mut suite = TestSuite::new(source.name.as_str());
        suite.add_test_cases(cases(source));
        document.add_test_suite(suite);
    }
    let wrong = |error: quick_junit::SerializeError| {
        Error::io("cannot write the result", std::io::Error::other(error.to_string()))
    };
    document.serialize(out).map_err(wrong)
}

fn cases(source: &SourceReport) -> Vec<TestCase> {
    if let Some(why) = &source.could_not_look {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(why.as_str()).set_type("could-not-look");
        return vec![case(source, "sound", status)];
    }
    let findings = source.findings.iter().chain(source.files.iter().flat_map(|f| &f.findings));
    let errors: u64 = source.files.iter().map(|file| file.unlisted.errors).sum();
    let mut cases = vec![judged(source, "sound", findings, errors)];
    if let Some(policy) = &source.policy {
        for rule in &policy.rules {
            let of_rule = policy.findings.iter().filter(|finding| finding.code == *rule);
            let unlisted = policy.unlisted_of.get(rule).copied().unwrap_or_default();
            cases.push(judged(source, rule, of_rule, unlisted.errors));
        }
    }
    cases
}

fn case(source: &SourceReport, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(source.name.as_str());
    case
}

/// A failure where one of the findings is an error; warnings go along as text.
fn judged<'a>(
    source: &SourceReport,
    name: &str,
    findings: impl Iterator<Item = &'a Finding>,
    unlisted_errors: u64,
) -> TestCase {
    let findings: Vec<&Finding> = findings.collect();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let (first, count) = (errors.clone().next(), errors.count() as u64 + unlisted_errors);
    let mut text = String::new();
    for finding in &findings {
        text += &format!("{} {}: {}\n", finding.severity.name(), finding.code, sentence(finding));
    }
    if count == 0 {
        let mut case = case(source, name, TestCaseStatus::success());
        if !text.is_empty() {
            case.set_system_out(text);
        }
        return case;
    }
    if unlisted_errors > 0 {
        text += &format!("and {unlisted_errors} more errors\n");
    }
    let code = first.map_or("findings", |finding| finding.code);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let errors = if count == 1 { "error" } else { "errors" };
    status.set_message(format!("{count} {errors}, the first: {code}")).set_type(code);
    status.set_description(text);
    case(source, name, status)
}
