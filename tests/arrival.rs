//! However the bytes of a source arrive, the verbs say the same of it, byte for byte: mapped, in
//! memory, through a window in single bytes or in random pieces, through a temporary file, or
//! under a compression; sound or broken; on one thread or on several.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/looks.rs"]
mod looks;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use looks::{Pieces, in_pieces, looks};
use rdbkit::Result;
use rdbkit::source::{
    Compression, Form, Locator, OpenOptions, Source, WindowOptions, open, open_bytes, open_reader,
};

/// Up to this size a file is also fed in single bytes, and taken for what it is not.
const SMALL: usize = 8 << 10;
const FORMS: [Form; 3] = [Form::Rdb, Form::Aof, Form::Dump];

#[test]
fn mapped_and_read_by_any_number_of_threads() {
    each(|file| {
        for (threads, no_mmap) in [(1, false), (3, false), (2, true)] {
            let options = OpenOptions { no_mmap, ..file.options() };
            let locator = Locator::Path(file.path.clone());
            file.check(&format!("--threads {threads}, no_mmap {no_mmap}"), threads, &|| {
                // In memory a manifest has no path, which is another matter.
                match file.from {
                    None if file.name.ends_with(".manifest") => file.in_memory(),
                    _ => open(&locator, &options),
                }
            });
        }
    });
}

#[test]
fn in_single_bytes() {
    each(|file| {
        if file.bytes.len() > SMALL {
            return;
        }
        let window = WindowOptions { start_bytes: 1, doubling: false, ..WindowOptions::default() };
        let options = OpenOptions { window, ..file.options() };
        file.check("single bytes", 1, &|| {
            let pieces = Pieces::single(file.bytes.clone());
            open_reader(&file.name, Box::new(pieces), &options)
        });
    });
}

#[test]
fn in_random_pieces() {
    each(|file| {
        let rounds: u64 = if file.bytes.len() <= SMALL { 2 } else { 1 };
        for seed in 1..=rounds {
            // Too large for the heap, as soon as something does not fit a piece or two.
            let spill_bytes = [24, 32 << 20][seed as usize % 2];
            file.check(&format!("random pieces of seed {seed}"), 1, &|| {
                file.in_pieces(seed, spill_bytes)
            });
        }
    });
}

#[test]
fn compressed() {
    each(|file| {
        // Taken for what they are not, they say nothing new here; of the large ones each has its
        // turn under one compression.
        let large = file.bytes.len() > SMALL;
        if file.from.is_some() {
            return;
        }
        let turn = file.bytes.len() % 4;
        let packed = packed(&file.bytes).into_iter().enumerate();
        for (_, (compression, packed)) in packed.filter(|(n, _)| !large || *n == turn) {
            let options = file.options();
            file.check(&compression.to_string(), 1, &|| {
                let source = open_bytes(&file.name, packed.clone(), &options)?;
                assert_eq!(source.compression, Some(compression));
                Ok(source)
            });
        }
    });
}

#[test]
fn directories() {
    let mut seen = 0;
    for path in found(&|path| path.is_dir()) {
        // The folder of the broken ones is none itself.
        if path.ends_with("broken") {
            continue;
        }
        let locator = Locator::Path(path.clone());
        let mapped = OpenOptions::default();
        let want = looks(1, &mapped, &|| open(&locator, &mapped));
        let random = WindowOptions { start_bytes: 7, doubling: false, ..WindowOptions::default() };
        let ways = [
            (3, mapped.clone()),
            (1, OpenOptions { no_mmap: true, ..OpenOptions::default() }),
            (1, OpenOptions { no_mmap: true, window: random, ..OpenOptions::default() }),
        ];
        for (threads, options) in &ways {
            let got = looks(*threads, options, &|| open(&locator, options));
            same(&got, &want, &format!("{} by {options:?}", path.display()));
        }
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} directories");
}

/// One file, taken for one form, and what is said of it when it is all there.
struct File {
    path: PathBuf,
    name: String,
    bytes: Vec<u8>,
    from: Option<Form>,
    want: Vec<(&'static str, String)>,
}

impl File {
    fn options(&self) -> OpenOptions {
        OpenOptions { from: self.from, ..OpenOptions::default() }
    }

    fn in_memory(&self) -> Result<Source> {
        open_bytes(&self.name, self.bytes.clone(), &self.options())
    }

    fn in_pieces(&self, seed: u64, spill_bytes: usize) -> Result<Source> {
        in_pieces(self.in_memory()?, self.bytes.clone(), seed, spill_bytes)
    }

    #[track_caller]
    fn check(&self, how: &str, threads: usize, source: &dyn Fn() -> Result<Source>) {
        let got = looks(threads, &OpenOptions::default(), source);
        same(&got, &self.want, &format!("{} as {:?} in {how}", self.name, self.from));
    }
}

#[track_caller]
fn same(got: &[(&str, String)], want: &[(&str, String)], what: &str) {
    assert_eq!(got.len(), want.len());
    for ((verb, got), (_, want)) in got.iter().zip(want) {
        assert!(got == want, "{verb} of {what}\n--- here\n{got}\n--- all at hand\n{want}");
    }
}

/// Shows each file to `look`.
fn each(look: impl Fn(&File)) {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(files).iter().for_each(look);
}

/// Each file of the fixtures, as it is and, where it is small, as what it may not be.
fn files() -> Vec<File> {
    let mut all = Vec::new();
    let files = found(&|path| path.is_file() && !path.ends_with("README.md"));
    assert!(files.len() > 100, "only {} files", files.len());
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let others = if bytes.len() <= SMALL { &FORMS[..] } else { &[] };
        for from in [None].into_iter().chain(others.iter().copied().map(Some)) {
            let (name, bytes) = (path.display().to_string(), bytes.clone());
            let mut file = File { path: path.clone(), name, bytes, from, want: Vec::new() };
            file.want = looks(1, &OpenOptions::default(), &|| file.in_memory());
            all.push(file);
        }
    }
    all
}

fn found(wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            if wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn packed(bytes: &[u8]) -> [(Compression, Vec<u8>); 4] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    [
        (Compression::Gzip, gzip.finish().unwrap()),
        (Compression::Zstd, zstd::encode_all(bytes, 1).unwrap()),
        (Compression::Lz4, lz4.finish().unwrap()),
        (Compression::Bzip2, bzip2.finish().unwrap()),
    ]
}
