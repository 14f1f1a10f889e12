//! The ten keys of a snapshot that take the most bytes in the file.
//!
//! ```sh
//! cargo run --example biggest -- fixtures/redis-8.10.2-alltypes.rdb
//! ```
//!
//! One pass over the frames, no value is decoded, and no more than ten keys are kept: the file may
//! be of any size. It is mapped here; what comes through a pipe or is compressed is read with
//! `rdbkit::ops::walk` instead, which does the same on all cores.

#![allow(clippy::print_stdout, reason = "a program")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;

use rdbkit::bytes::quoted;
use rdbkit::rdb::Snapshot;
use rdbkit::source::{Locator, OpenOptions, open};

const TOP: usize = 10;

/// Size in bytes, database, type, key.
type Row = (u64, u64, &'static str, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which snapshot?")?;
    let mut source = open(&Locator::from(path.as_os_str()), &OpenOptions::default())?;
    let feed = source.feed.as_mut().ok_or("a directory is no snapshot")?;
    let bytes = feed.whole().ok_or("this needs a plain file, which can be mapped")?;

    let mut biggest: BinaryHeap<Reverse<Row>> = BinaryHeap::new();
    for entry in Snapshot::new(bytes)?.entries() {
        let entry = entry?;
        let least = biggest.peek().map_or(0, |Reverse((size, ..))| *size);
        if biggest.len() < TOP || entry.size_bytes() > least {
            let kind = entry.value_type.kind().name();
            let key = entry.key_bytes()?.into_owned();
            biggest.push(Reverse((entry.size_bytes(), entry.db, kind, key)));
        }
        if biggest.len() > TOP {
            biggest.pop();
        }
    }

    for Reverse((size, db, kind, key)) in biggest.into_sorted_vec() {
        println!("{size:>12}  {kind:<8} db {db:<3} {}", quoted(&key));
    }
    Ok(())
}
