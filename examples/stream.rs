//! Keeps a backup that comes through a pipe, if it is sound: the check reads along.
//!
//! ```sh
//! ssh db1 cat /var/lib/redis/dump.rdb | cargo run --example stream -- target/backup.rdb
//! ```
//!
//! Nothing is kept in memory but the window that the check needs, and no file appears unless
//! everything was sound.

#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rdbkit::ops::check::{CheckOptions, check_source};
use rdbkit::ops::walk::Silent;
use rdbkit::source::{OpenOptions, open_reader};
use rdbkit::target::{AtomicFile, Publish};

/// A reader that writes down what it hands out.
struct Tee<R> {
    reader: R,
    copy: Arc<Mutex<AtomicFile>>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(room)?;
        let mut copy = self.copy.lock().map_err(|_| io::Error::other("the writer has panicked"))?;
        copy.write_all(room.get(..n).unwrap_or_default())?;
        Ok(n)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let to = std::env::args_os().nth(1).ok_or("stream OUTPUT")?;
    let copy = Arc::new(Mutex::new(AtomicFile::create(Path::new(&to), &Publish::default())?));
    let tee = Tee { reader: io::stdin(), copy: Arc::clone(&copy) };
    let source = open_reader("-", Box::new(tee), &OpenOptions::default())?;
    let report = check_source(source, &CheckOptions::default(), &Silent)?;
    if !report.is_sound() {
        let first = report.all_findings().next();
        let why =
            first.map_or_else(String::new, |found| format!("{}: {}", found.code, found.found));
        return Err(format!("not sound, so it is not kept: {why}").into());
    }
    let copy = Arc::into_inner(copy).ok_or("somebody still reads")?;
    let kept = copy.into_inner().map_err(|_| "the writer has panicked")?.commit()?;
    println!("{} bytes, sound", kept.size_bytes);
    Ok(())
}
