//! Snapshots that are damaged, and what a repair makes of them.

use std::fs;

use rdbkit::ops::repair::{RepairOptions, RepairReport, repair};
use rdbkit::ops::walk::Silent;
use rdbkit::source::{OpenOptions, open_bytes};

/// Repairs bytes: what is said, and what comes out.
#[track_caller]
pub fn repaired_bytes(bytes: Vec<u8>) -> (RepairReport, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.rdb");
    let source = open_bytes("in.rdb", bytes, &OpenOptions::default()).unwrap();
    let report = repair(source, &to, &RepairOptions::default(), &Silent).unwrap();
    (report, fs::read(to).unwrap())
}

/// Makes the checksum say nothing of damage elsewhere.
pub fn spoil_checksum(bytes: &mut [u8]) {
    let stored = bytes.last_chunk_mut::<8>().unwrap();
    // A writer that computes none writes a zero.
    if *stored != [0; 8] {
        stored.iter_mut().for_each(|byte| *byte ^= 0x5a);
    }
}
