//! What no target is emptied for: a log that servers refuse, or whose tail they would cut away.

use std::convert::Infallible;

use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::ops::load::files::File;
use crate::ops::load::point::{Point, up_to};
use crate::ops::run::log::{Runner, read};
use crate::ops::run::{self, Run};
use crate::resp::Command;
use crate::source::{Form, Source};

/// What is wrong with the manifest of a log, or with its files beside one another.
pub(in crate::ops::load) fn manifest_fault(source: &Source) -> Result<Option<String>> {
    if !matches!(source.form, Form::AofDir | Form::Manifest) {
        return Ok(None);
    }
    let directory = run::survey(source)?;
    let fault = directory.findings.iter().find(|finding| finding.severity == Severity::Error);
    Ok(fault.map(|fault| {
        format!(
            "{}: {} expected, found {} ({}), and a server {}",
            fault.file, fault.expected, fault.found, fault.doing, fault.server
        )
    }))
}

/// Where the end of a log that was run had to be left out.
pub(in crate::ops::load) fn cut_in_run(run: &Run) -> Option<String> {
    run.parts.iter().find_map(|part| Some(cut(&part.name, part.dropped_from?)))
}

/// The same of a log that is sent as it stands, up to a point; also what is broken in it.
pub(in crate::ops::load) fn cut_in_files(files: &[File], point: Option<Point>) -> Option<String> {
    for (file, progress) in up_to(files, point) {
        let begins = file.log_begins(|_, _, _| Ok::<_, Box<crate::error::FormatError>>(()));
        let at = match begins {
            Err(error) => return Some(Error::from(error).in_file(&file.name).to_string()),
            Ok(Some(at)) => at,
            Ok(None) => continue,
        };
        let Ok(end) = read(file.bytes(), at, &progress, &mut Nobody);
        if let Some(fault) = end.fault {
            return Some(Error::from(fault).in_file(&file.name).to_string());
        }
        let is_whole = end.stopped || end.good_up_to == file.bytes().len() as u64;
        if !is_whole {
            return Some(cut(&file.name, end.good_up_to));
        }
    }
    None
}

fn cut(file: &str, at: u64) -> String {
    format!(
        "{file} ends in a command that is cut or a transaction without its EXEC, from offset {at} \
         on: `rdbkit repair` cuts that away"
    )
}

/// Runs nothing.
struct Nobody;

impl<'a> Runner<'a> for Nobody {
    type Stop = Infallible;

    fn command(&mut self, _: u64, _: Command<'a>) -> std::result::Result<(), Infallible> {
        Ok(())
    }
}
