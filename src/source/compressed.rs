//! Compressed sources: gzip, zstd, lz4 frames and bzip2, told by their first bytes.
//!
//! ```text
//! file ── raw bytes ──► decoder ── blocks ──► bounded channel ──► window
//!                       (its own thread)  ◄── spent blocks ───
//! ```
//!
//! All four formats may hold several members one after another; all of them are read. One layer
//! is taken off: compressed data inside compressed data is refused with a sentence.
//!
//! The danger is a stream that is cut short and looks finished. Every end that is not the end of
//! a member is an error here ([`Broken`]), which arrives behind the bytes that came before it.

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bzip2::bufread::MultiBzDecoder;
use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::feed::Progress;

/// The size of a block that goes through the channel.
const BLOCK: usize = 256 << 10;
/// How many blocks may wait in it.
const WAITING: usize = 8;
/// How many compressed bytes are read at a time.
const RAW: usize = 128 << 10;

/// How a source is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames; skippable ones are skipped.
    Zstd,
    /// The LZ4 frame format, of one or more frames; skippable ones are skipped.
    Lz4,
    /// bzip2, of one or more streams.
    Bzip2,
}

impl Compression {
    /// The name in reports: `gzip`, `zstd`, `lz4`, `bzip2`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Bzip2 => "bzip2",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a decoder says of compressed bytes that are not sound; travels inside an [`io::Error`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the {compression} stream is not sound")]
pub(super) struct Broken {
    pub(super) compression: Compression,
    /// How many compressed bytes had been read.
    pub(super) raw: u64,
    /// Whether it ended too early, rather than being wrong.
    pub(super) truncated: bool,
}

/// The decompressed bytes of `raw`, from a thread of their own. `progress` is that of `raw`.
pub(super) fn decompress(
    compression: Compression,
    raw: impl Read + Send + 'static,
    progress: &Progress,
) -> io::Result<Decompressed> {
    let failed = Arc::new(AtomicBool::new(false));
    let watched = Watched { raw, failed: Arc::clone(&failed) };
    let judge = Judge { compression, failed, progress: progress.clone() };
    let raw = BufReader::with_capacity(RAW, watched);
    let (blocks, arriving) = bounded(WAITING);
    let (returning, spent) = bounded(WAITING);
    let decode = move || match compression {
        Compression::Gzip => pump(MultiGzDecoder::new(raw), &judge, &blocks, &spent),
        Compression::Bzip2 => pump(MultiBzDecoder::new(raw), &judge, &blocks, &spent),
        Compression::Lz4 => pump(Lz4Frames::Between(raw), &judge, &blocks, &spent),
        Compression::Zstd => match zstd::stream::read::Decoder::with_buffer(raw) {
            Ok(decoder) => pump(decoder, &judge, &blocks, &spent),
            Err(error) => drop(blocks.send(Err(error))),
        },
    };
    thread::Builder::new().name(format!("{compression}-decode")).spawn(decode)?;
    Ok(Decompressed { arriving, returning, block: Vec::new(), taken: 0, ended: false })
}

/// Decodes block after block until the data ends, an error, or nobody listens any more. The end is
/// said by an empty block: a channel that closes without one belongs to a thread that died.
fn pump(
    mut decoder: impl Read,
    judge: &Judge,
    blocks: &Sender<io::Result<Vec<u8>>>,
    spent: &Receiver<Vec<u8>>,
) {
    loop {
        let whole = spent.try_recv().ok().filter(|block| block.len() == BLOCK);
        let mut block = whole.unwrap_or_else(|| vec![0; BLOCK]);
        let (filled, error) = fill(&mut decoder, &mut block);
        let ended = filled < block.len();
        block.truncate(filled);
        if filled > 0 && blocks.send(Ok(block)).is_err() {
            return;
        }
        if let Some(error) = error {
            // Nobody listening is as good an end as any.
            let _ = blocks.send(Err(judge.judged(error)));
            return;
        }
        if ended {
            let _ = blocks.send(Ok(Vec::new()));
            return;
        }
    }
}

/// Reads until `block` is full, the data ends or an error; says how much came, and the error.
fn fill(reader: &mut impl Read, block: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

/// Tells an error of the decoder from one of the source below it.
struct Judge {
    compression: Compression,
    failed: Arc<AtomicBool>,
    progress: Progress,
}

impl Judge {
    fn judged(&self, error: io::Error) -> io::Error {
        if self.failed.load(Ordering::Relaxed) {
            return error;
        }
        let truncated = error.kind() == ErrorKind::UnexpectedEof;
        let raw = self.progress.done_bytes();
        let broken = Broken { compression: self.compression, raw, truncated };
        io::Error::new(ErrorKind::InvalidData, broken)
    }
}

/// A reader that remembers whether it failed.
struct Watched<R> {
    raw: R,
    failed: Arc<AtomicBool>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let result = self.raw.read(room);
        if result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// The receiving end of a decoder's thread, as a reader.
pub(super) struct Decompressed {
    arriving: Receiver<io::Result<Vec<u8>>>,
    returning: Sender<Vec<u8>>,
    block: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl Read for Decompressed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() || self.ended {
            return Ok(0);
        }
        if self.taken == self.block.len() {
            let died = || io::Error::other("the decoder gave up");
            let arrived = self.arriving.recv().map_err(|_| died())??;
            if arrived.is_empty() {
                self.ended = true;
                return Ok(0);
            }
            let spent = std::mem::replace(&mut self.block, arrived);
            self.taken = 0;
            // A block that finds no place is simply freed.
            let _ = self.returning.try_send(spent);
        }
        let mut left = self.block.get(self.taken..).unwrap_or_default();
        let n = left.read(room)?;
        self.taken += n;
        Ok(n)
    }
}

/// LZ4 frames one after another.
///
/// The decoder below takes the end of its input for the end of a frame, wherever it comes. So
/// frame boundaries are looked at here, and inside a frame [`Inside`] makes that end an error.
/// Each frame has a decoder of its own: one that was used for a larger block size is not fit
/// for a smaller one.
enum Lz4Frames<R: BufRead> {
    Between(R),
    In(FrameDecoder<Inside<R>>),
    /// Only while it changes from one to the other, and after an error.
    Gone,
}

/// The rest of a frame.
struct Inside<R> {
    /// Bytes of its magic that were looked at, and are still to be read.
    magic: io::Cursor<[u8; 4]>,
    raw: R,
}

/// Stands behind the magic of the next frame, which it returns; `None` where there is none.
fn next_frame(raw: &mut impl BufRead) -> io::Result<Option<[u8; 4]>> {
    loop {
        if raw.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut word = [0; 4];
        raw.read_exact(&mut word)?;
        if !is_skippable(u32::from_le_bytes(word)) {
            return Ok(Some(word));
        }
        raw.read_exact(&mut word)?;
        let len = u64::from(u32::from_le_bytes(word));
        if io::copy(&mut raw.by_ref().take(len), &mut io::sink())? < len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Whether a word is the magic of a frame that decoders of zstd and lz4 skip.
pub(super) fn is_skippable(magic: u32) -> bool {
    magic & 0xffff_fff0 == 0x184d_2a50
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            *self = match std::mem::replace(self, Lz4Frames::Gone) {
                Lz4Frames::Gone => return Ok(0),
                Lz4Frames::Between(mut raw) => match next_frame(&mut raw)? {
                    None => return Ok(0),
                    Some(magic) => {
                        let magic = io::Cursor::new(magic);
                        Lz4Frames::In(FrameDecoder::new(Inside { magic, raw }))
                    }
                },
                Lz4Frames::In(mut decoder) => match decoder.read(room).map_err(unmask)? {
                    0 => Lz4Frames::Between(decoder.into_inner().raw),
                    n => {
                        *self = Lz4Frames::In(decoder);
                        return Ok(n);
                    }
                },
            };
        }
    }
}

impl<R: Read> Read for Inside<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        match self.magic.read(room)? {
            0 => {}
            n => return Ok(n),
        }
        match self.raw.read(room)? {
            // Under another kind, because the decoder swallows UnexpectedEof.
            0 => Err(io::Error::new(ErrorKind::BrokenPipe, CutShort)),
            n => Ok(n),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the data ends inside a frame")]
struct CutShort;

fn unmask(error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<CutShort>()) {
        return ErrorKind::UnexpectedEof.into();
    }
    error
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Zstd, Compression::Lz4, Compression::Bzip2];

    /// One member that holds `data`, with whatever checksums the format has.
    pub(in crate::source) fn packed(compression: Compression, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut out, Default::default());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(&mut out, 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new()
                    .content_checksum(true)
                    .block_checksums(true)
                    .block_mode(lz4_flex::frame::BlockMode::Linked);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, &mut out);
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Bzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(&mut out, bzip2::Compression::fast());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
        }
        out
    }

    fn unpacked(compression: Compression, raw: &[u8]) -> (Vec<u8>, Result<(), Broken>) {
        let progress = Progress::of(None);
        let raw = io::Cursor::new(raw.to_vec());
        let mut reader = decompress(compression, raw, &progress).unwrap();
        let mut out = Vec::new();
        let result = reader.read_to_end(&mut out).map(drop);
        let broken = |error: io::Error| *error.get_ref().unwrap().downcast_ref::<Broken>().unwrap();
        (out, result.map_err(broken))
    }

    fn noise(len: u32) -> Vec<u8> {
        (0..len).map(|n| (n.wrapping_mul(n) >> 5) as u8 & 0x3f).collect()
    }

    #[test]
    fn members_one_after_another_are_one_stream() {
        for compression in ALL {
            for parts in [vec![0], vec![0, 10], vec![5, 300_000, 0, 200_000], vec![1; 50]] {
                let parts: Vec<Vec<u8>> = parts.into_iter().map(noise).collect();
                let raw: Vec<u8> =
                    parts.iter().flat_map(|part| packed(compression, part)).collect();
                let (out, result) = unpacked(compression, &raw);
                assert!(result.is_ok() && out == parts.concat(), "{compression}: {result:?}");
            }
        }
    }

    #[test]
    fn skippable_frames_are_skipped() {
        let skippable = b"\x53\x2a\x4d\x18\x05\0\0\0PADDI";
        for compression in [Compression::Zstd, Compression::Lz4] {
            let frame = packed(compression, b"abc");
            let raw = [skippable, frame.as_slice(), skippable, &frame, skippable].concat();
            assert_eq!(unpacked(compression, &raw).0, b"abcabc");
            let (out, result) = unpacked(compression, &raw[..raw.len() - 1]);
            assert_eq!((out.as_slice(), result.unwrap_err().truncated), (&b"abcabc"[..], true));
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error_and_not_a_short_stream() {
        let data = noise(100);
        for compression in ALL {
            let first = packed(compression, &data);
            let raw = [first.as_slice(), &packed(compression, &data)].concat();
            for cut in 1..raw.len() {
                let (out, result) = unpacked(compression, &raw[..cut]);
                let whole = [data.as_slice(), &data].concat();
                assert!(whole.starts_with(&out), "{compression} cut at {cut}");
                if cut == first.len() {
                    assert!(result.is_ok(), "{compression} cut at {cut}");
                    continue;
                }
                let broken = result.expect_err(&format!("{compression} cut at {cut}"));
                assert!(broken.truncated, "{compression} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_stream_with_a_wrong_byte_is_an_error_or_harmless() {
        let data = noise(100);
        for compression in ALL {
            let raw = packed(compression, &data);
            let mut errors = 0;
            for at in 0..raw.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut raw = raw.clone();
                    raw[at] ^= flip;
                    match unpacked(compression, &raw) {
                        (out, Ok(())) => assert!(out == data, "{compression} at {at} ^ {flip:#x}"),
                        (_, Err(_)) => errors += 1,
                    }
                }
            }
            assert!(errors > raw.len() * 2, "{compression}: {errors} of {}", raw.len() * 3);
        }
    }

    #[test]
    fn garbage_behind_the_last_member_is_an_error() {
        for compression in ALL {
            let raw = [packed(compression, b"abc"), b"garbage, and then some".to_vec()].concat();
            let (out, result) = unpacked(compression, &raw);
            assert_eq!(out, b"abc", "{compression}");
            assert!(!result.unwrap_err().truncated, "{compression}");
        }
    }

    #[test]
    fn a_failing_source_is_not_called_a_broken_stream() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        for compression in ALL {
            let raw = packed(compression, &noise(100));
            let half = io::Cursor::new(raw[..raw.len() / 2].to_vec()).chain(Fails);
            let mut reader = decompress(compression, half, &Progress::of(None)).unwrap();
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(5), "{compression}: {error:?}");
        }
    }

    #[test]
    fn a_decoder_that_dies_is_no_end_of_the_data() {
        let (blocks, arriving) = bounded(WAITING);
        let (returning, _spent) = bounded(WAITING);
        let mut reader =
            Decompressed { arriving, returning, block: Vec::new(), taken: 0, ended: false };
        blocks.send(Ok(vec![1; 3])).unwrap();
        drop(blocks);
        let mut out = Vec::new();
        assert!(reader.read_to_end(&mut out).is_err());
        assert_eq!(out, [1; 3]);
    }

    #[test]
    fn a_window_that_nobody_reads_to_the_end_lets_the_thread_go() {
        let raw = packed(Compression::Zstd, &vec![0; 20 << 20]);
        let mut reader =
            decompress(Compression::Zstd, io::Cursor::new(raw), &Progress::of(None)).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        drop(reader);
    }
}
