//! Runs a log in the embedded engine, and asks the engine as a client asks a server.
//!
//! ```sh
//! cargo run --example ask -- fixtures/redis-8.10.2-alltypes-aofdir HGETALL hash:small
//! ```

#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;

use rdbkit::ops::run::{RunOptions, run};
use rdbkit::ops::walk::Silent;
use rdbkit::source::{Locator, OpenOptions, open};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("ask LOG COMMAND…")?;
    let words: Vec<Vec<u8>> = args.map(|word| word.into_encoded_bytes()).collect();

    let source = open(&Locator::from(path.as_os_str()), &OpenOptions::default())?;
    let mut run = run(source, &RunOptions::default(), &Silent)?;
    println!("{} commands ran, {} of them failed", run.commands, run.failures.failed);

    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    println!("{:?}", run.engine.execute(&words));
    Ok(())
}
