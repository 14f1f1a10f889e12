//! A window over bytes that arrive: stdin, a pipe, a decompressor, a file that is not mapped.
//!
//! ```text
//! heap    │ consumed │ at hand │ room │     up to `spill_bytes` at hand
//! spill   │ consumed │ at hand │ …          beyond: an unlinked temporary file, mapped
//!                    ^ position
//! ```
//!
//! [`Window::more`] at least doubles what is at hand, so a reader that scans an unfinished record
//! anew each time scans it at most twice as long in all. What was consumed is discarded only when
//! at least as much was consumed as would have to be moved, so moving costs at most one copy of
//! every byte.
//!
//! The danger is a single record that is larger than memory. Beyond `spill_bytes` the window
//! moves to a [`Spill`], whose pages don't stay resident, and comes back when most is consumed.

use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use super::compressed::Broken;
use super::spill::{Spill, Trouble, default_directory};
use crate::bytes::input::Input;
use crate::error::{Doing, Error, Fault, FormatError, Result};

/// How a window grows.
#[derive(Debug, Clone)]
pub struct WindowOptions {
    /// The size it starts with, and the least that it reads at a time, in bytes.
    pub start_bytes: usize,
    /// How much may be at hand on the heap, in bytes; beyond it goes to a temporary file.
    pub spill_bytes: usize,
    /// Whether each widening at least doubles what is at hand. Without it a widening brings what
    /// one read of `start_bytes` brings, and a long record costs the square of its length: for
    /// tests that want bytes in small pieces.
    pub doubling: bool,
    /// Where the temporary file goes; else `TMPDIR`, `/var/tmp` or the system's choice.
    pub spill_directory: Option<PathBuf>,
}

impl Default for WindowOptions {
    fn default() -> Self {
        WindowOptions {
            start_bytes: 256 << 10,
            spill_bytes: 32 << 20,
            doubling: true,
            spill_directory: None,
        }
    }
}

/// A window over any reader.
pub struct Window {
    reader: Box<dyn Read + Send>,
    name: String,
    options: WindowOptions,
    store: Store,
    /// The part of the store that is at hand.
    start: usize,
    end: usize,
    position: u64,
    /// Once the data ended, well or badly, every further call says the same.
    ended: Option<Result<(), Failure>>,
}

enum Store {
    Heap(Vec<u8>),
    Spill(Spill),
}

impl Window {
    /// A window that stands before the first byte of `reader`, which errors call `name`.
    pub fn new(reader: Box<dyn Read + Send>, name: &str, options: WindowOptions) -> Self {
        let start_bytes = options.start_bytes.max(1);
        let spill_bytes = options.spill_bytes.max(start_bytes);
        Window {
            reader,
            name: name.to_owned(),
            options: WindowOptions { start_bytes, spill_bytes, ..options },
            store: Store::Heap(Vec::new()),
            start: 0,
            end: 0,
            position: 0,
            ended: None,
        }
    }

    /// Whether the bytes at hand stand in a temporary file.
    pub fn is_spilled(&self) -> bool {
        matches!(self.store, Store::Spill(_))
    }

    fn at_hand(&self) -> usize {
        self.end - self.start
    }

    /// Reads at least as much as is wanted, or to the end. Bytes that came before a failure are
    /// brought first; the failure waits for the next call.
    fn widen(&mut self) -> usize {
        let want = match self.make_room() {
            Ok(want) => want,
            Err(failure) => {
                self.ended = Some(Err(failure));
                return 0;
            }
        };
        let mut got = 0;
        while got < want && self.ended.is_none() {
            match self.read(want - got) {
                Ok(0) => self.ended = Some(Ok(())),
                Ok(n) => {
                    got += n;
                    self.end += n;
                    if !self.options.doubling {
                        break;
                    }
                }
                Err(Trouble::Reading(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(trouble) => {
                    let came = self.position + self.at_hand() as u64;
                    self.ended = Some(Err(Failure::of(trouble, &self.name, came)));
                }
            }
        }
        got
    }

    fn read(&mut self, most: usize) -> Result<usize, Trouble> {
        match &mut self.store {
            Store::Heap(heap) => {
                let room = heap.get_mut(self.end..).unwrap_or_default();
                let most = most.min(room.len());
                let room = room.get_mut(..most).unwrap_or_default();
                let got = self.reader.read(room).map_err(Trouble::Reading)?;
                Ok(got.min(most))
            }
            Store::Spill(spill) => spill.append_from(&mut *self.reader, most),
        }
    }

    /// Chooses where the bytes at hand stand and makes room behind them; returns how much to read.
    fn make_room(&mut self) -> Result<usize, Failure> {
        let WindowOptions { start_bytes, spill_bytes, doubling, .. } = self.options;
        let at_hand = self.at_hand();
        let want = if doubling { at_hand.max(start_bytes) } else { start_bytes };
        match &mut self.store {
            Store::Heap(heap) if at_hand < spill_bytes => {
                let want = want.min(spill_bytes - at_hand);
                if heap.len() - self.end < want {
                    let rest = self.start..self.end;
                    if at_hand <= self.start && heap.len() - at_hand >= want {
                        heap.copy_within(rest, 0);
                    } else {
                        let twice = (2 * at_hand).min(spill_bytes).max(2 * start_bytes);
                        let len = (at_hand + want).max(twice);
                        *heap = moved(heap.get(rest).unwrap_or_default(), len);
                    }
                    (self.start, self.end) = (0, at_hand);
                }
                Ok(want)
            }
            Store::Heap(_) => {
                self.respill()?;
                Ok(want)
            }
            Store::Spill(spill) if at_hand <= spill_bytes / 2 => {
                let rest = spill.bytes().get(self.start..self.end).unwrap_or_default();
                let want = want.min(spill_bytes - at_hand);
                self.store = Store::Heap(moved(rest, at_hand + want));
                (self.start, self.end) = (0, at_hand);
                Ok(want)
            }
            Store::Spill(_) => {
                if self.start >= at_hand {
                    self.respill()?;
                }
                Ok(want)
            }
        }
    }

    /// Moves the bytes at hand to a temporary file of their own.
    fn respill(&mut self) -> Result<(), Failure> {
        let directory =
            self.options.spill_directory.clone().unwrap_or_else(self::default_directory);
        let spill = Spill::create(&directory, self.buffer()).map_err(|error| {
            let came = self.position + self.at_hand() as u64;
            Failure::of(Trouble::Spilling(error), &self.name, came)
        })?;
        (self.start, self.end) = (0, self.at_hand());
        self.store = Store::Spill(spill);
        Ok(())
    }
}

/// `rest` at the front of a heap of `len` bytes.
fn moved(rest: &[u8], len: usize) -> Vec<u8> {
    let mut heap = vec![0; len];
    if let Some(front) = heap.get_mut(..rest.len()) {
        front.copy_from_slice(rest);
    }
    heap
}

impl Input for Window {
    #[inline]
    fn buffer(&self) -> &[u8] {
        let bytes = match &self.store {
            Store::Heap(heap) => heap,
            Store::Spill(spill) => spill.bytes(),
        };
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        let n = n.min(self.at_hand());
        self.start += n;
        self.position += n as u64;
    }

    fn more(&mut self) -> Result<bool> {
        if self.ended.is_none() && self.widen() > 0 {
            return Ok(true);
        }
        match &self.ended {
            Some(Err(failure)) => Err(failure.error()),
            _ => Ok(false),
        }
    }

    #[inline]
    fn position(&self) -> u64 {
        self.position
    }
}

/// What ended a window badly, so that it can be said more than once.
enum Failure {
    Format(FormatError),
    Io { what: String, kind: ErrorKind, code: Option<i32>, text: String },
}

impl Failure {
    /// `came` is how many (uncompressed) bytes came before it.
    fn of(trouble: Trouble, name: &str, came: u64) -> Self {
        let (what, error) = match trouble {
            Trouble::Reading(error) => (format!("cannot read {name}"), error),
            Trouble::Spilling(error) => {
                (format!("cannot keep a large record of {name} in a temporary file"), error)
            }
        };
        let broken = error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>());
        if let Some(&Broken { compression, raw, truncated }) = broken {
            let name_of = compression.name();
            let fault = if truncated {
                Fault::CompressedTruncated { name: name_of, raw }
            } else {
                Fault::CompressedCorrupt { name: name_of, raw }
            };
            return Failure::Format(FormatError {
                file: Some(name.to_owned()),
                offset: came,
                doing: Doing::Compression,
                key: None,
                fault,
            });
        }
        Failure::Io {
            what,
            kind: error.kind(),
            code: error.raw_os_error(),
            text: error.to_string(),
        }
    }

    fn error(&self) -> Error {
        match self {
            Failure::Format(error) => Error::from(Box::new(error.clone())),
            Failure::Io { what, code: Some(code), .. } => {
                Error::io(what.as_str(), io::Error::from_raw_os_error(*code))
            }
            Failure::Io { what, kind, text, .. } => {
                Error::io(what.as_str(), io::Error::new(*kind, text.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A reader that brings a few bytes at a time, and sometimes is interrupted.
    struct Pieces {
        data: io::Cursor<Vec<u8>>,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl Read for Pieces {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.turn += 1;
            match self.sizes[self.turn % self.sizes.len()] {
                0 => Err(ErrorKind::Interrupted.into()),
                size => {
                    let most = size.min(room.len());
                    self.data.read(&mut room[..most])
                }
            }
        }
    }

    fn window(len: usize, sizes: Vec<usize>, options: WindowOptions) -> (Vec<u8>, Window) {
        let data: Vec<u8> =
            (0..len as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let data_of = io::Cursor::new(data.clone());
        let reader = Pieces { data: data_of, sizes: [sizes, vec![9]].concat(), turn: 0 };
        (data, Window::new(Box::new(reader), "x", options))
    }

    fn small(start_bytes: usize, spill_bytes: usize, doubling: bool) -> WindowOptions {
        WindowOptions { start_bytes, spill_bytes, doubling, spill_directory: None }
    }

    proptest! {
        #[test]
        fn it_shows_what_the_reader_brings(
            len in 0usize..5000,
            sizes in vec(0usize..700, 1..5),
            (start_bytes, spill_bytes, doubling) in (1usize..300, 1usize..900, any::<bool>()),
            steps in vec(prop_oneof![1 => Just(None), 2 => (0usize..=100).prop_map(Some)], 0..60),
        ) {
            let (data, mut window) = window(len, sizes, small(start_bytes, spill_bytes, doubling));
            let mut at = 0;
            for step in steps.into_iter().chain([None; 20]) {
                let before = window.buffer().len();
                match step {
                    Some(percent) => {
                        let n = before * percent / 100;
                        window.consume(n);
                        at += n;
                    }
                    None => {
                        let more = window.more().unwrap();
                        let now = window.buffer().len();
                        prop_assert_eq!(more, now > before);
                        prop_assert_eq!(more, at + before < data.len());
                        let limit = spill_bytes.max(start_bytes);
                        if doubling && at + now < data.len() {
                            prop_assert!(now >= (2 * before).min(limit.max(before + 1)));
                        }
                        prop_assert!(window.is_spilled() || now <= limit);
                        prop_assert!(!more || !window.is_spilled() || before > limit / 2);
                    }
                }
                prop_assert_eq!(window.position(), at as u64);
                prop_assert_eq!(window.buffer(), &data[at..at + window.buffer().len()]);
            }
            while window.more().unwrap() {
                window.consume(1);
                at += 1;
            }
            prop_assert_eq!(window.buffer(), &data[at..]);
        }
    }

    #[test]
    fn a_large_record_goes_to_a_file_and_the_window_comes_back() {
        let (data, mut window) = window(100_000, vec![4096], small(16, 1000, true));
        while window.buffer().len() < 50_000 {
            assert!(window.more().unwrap());
        }
        assert!(window.is_spilled());
        assert_eq!(window.buffer(), &data[..window.buffer().len()]);
        let most = window.buffer().len() - 100;
        window.consume(most);
        assert!(window.more().unwrap());
        assert!(!window.is_spilled());
        assert_eq!(window.buffer(), &data[most..most + window.buffer().len()]);
    }

    #[test]
    fn what_came_before_a_failure_is_shown_and_the_failure_is_said_each_time() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let reader = Box::new(io::Cursor::new(b"abc".to_vec()).chain(Fails));
        let mut window = Window::new(reader, "x", WindowOptions::default());
        assert!(window.more().unwrap());
        assert_eq!(window.buffer(), b"abc");
        let want = format!("cannot read x: {}", io::Error::from_raw_os_error(5));
        for _ in 0..2 {
            assert_eq!(window.more().unwrap_err().to_string(), want);
            assert_eq!(window.buffer(), b"abc");
        }
    }

    #[test]
    fn without_room_for_a_temporary_file_it_says_so() {
        let options =
            WindowOptions { spill_directory: Some("/nonexistent".into()), ..small(16, 32, true) };
        let (_, mut window) = window(1000, vec![], options);
        let error = loop {
            match window.more() {
                Ok(more) => assert!(more),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.starts_with("cannot keep a large record of x in a temporary file"),
            "{error}"
        );
        assert_eq!(window.buffer().len(), 32);
    }
}
