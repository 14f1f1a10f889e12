use super::*;
use crate::bytes::input::SliceInput;
use crate::bytes::take::take;

/// The offset and size of every key, in the order of merging.
#[derive(Default, PartialEq, Debug)]
struct Spans(Vec<(u64, u64)>);

impl Tally for Spans {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        self.0.push((entry.offset, entry.size_bytes()));
        Ok(())
    }

    fn merge(&mut self, mut later: Self) -> Result<()> {
        self.0.append(&mut later.0);
        Ok(())
    }
}

/// Gives so many bytes with each `more`.
struct Dripping<'a> {
    bytes: &'a [u8],
    position: usize,
    have: usize,
    step: usize,
}

impl Input for Dripping<'_> {
    fn buffer(&self) -> &[u8] {
        &self.bytes[self.position..self.have]
    }
    fn consume(&mut self, n: usize) {
        self.position += n;
    }
    fn more(&mut self) -> Result<bool> {
        let had = self.have;
        self.have = (self.have + self.step).min(self.bytes.len());
        Ok(self.have > had)
    }
    fn position(&self) -> u64 {
        self.position as u64
    }
}

fn snapshot(keys: u32) -> Vec<u8> {
    let mut bytes = b"REDIS0010\xfe\x00".to_vec();
    for n in 0..keys {
        let key = format!("key:{n:06}");
        bytes.extend([0, key.len() as u8]);
        bytes.extend(key.as_bytes());
        bytes.extend([0x40 | (n % 64) as u8, 0]);
        bytes.extend(vec![b'v'; ((n % 64) << 8) as usize]);
    }
    bytes.push(0xff);
    let crc = crate::bytes::crc64::plain(0, &bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn run(input: &mut dyn Input, whole: bool, threads: usize) -> (Spans, Walked) {
    let mut root = Spans::default();
    let options = WalkOptions { threads, ..WalkOptions::default() };
    let walked = walk(input, whole, &Spans::default, &mut root, &options, &Silent).unwrap();
    (root, walked)
}

#[test]
fn threads_and_arrival_do_not_matter() {
    let bytes = snapshot(500);
    let (want, walked) = run(&mut SliceInput::new(&bytes), true, 1);
    assert_eq!(want.0.len(), 500);
    assert!(matches!(walked.checksum, Checksum::Matches(_)));
    for threads in [2, 3, 8] {
        let (got, walked) = run(&mut SliceInput::new(&bytes), true, threads);
        assert_eq!(got, want, "{threads} threads");
        assert!(matches!(walked.checksum, Checksum::Matches(_)));
        assert_eq!(walked.end, bytes.len() as u64);
    }
    for step in [1, 7, 4096, 1 << 20] {
        let bytes = if step == 1 { snapshot(3) } else { bytes.clone() };
        let (want, _) = run(&mut SliceInput::new(&bytes), true, 1);
        let (got, walked) =
            run(&mut Dripping { bytes: &bytes, position: 0, have: 0, step }, false, 2);
        assert_eq!(got, want, "{step} bytes at a time");
        assert!(matches!(walked.checksum, Checksum::Matches(_)));
    }
}

/// Strings, and lists among them that are larger than what a walker reads beside other threads.
fn snapshot_with_large_lists() -> Vec<u8> {
    let mut bytes = b"REDIS0010\xfe\x00".to_vec();
    for n in 0..40u32 {
        bytes.extend([0, 1, n as u8, 0x80]);
        bytes.extend((n << 14).to_be_bytes());
        bytes.resize(bytes.len() + ((n << 14) as usize), b'v');
        if n % 8 == 7 {
            let elements = 80_000 + n;
            if n % 16 == 15 {
                bytes.push(0xfc);
                bytes.extend([0xff; 7]);
                bytes.push(0);
            }
            bytes.extend([1, 2, b'l', n as u8, 0x80]);
            bytes.extend(elements.to_be_bytes());
            for _ in 0..elements {
                bytes.push(60);
                bytes.resize(bytes.len() + 60, b'e');
            }
        }
    }
    bytes.extend([0xff; 1]);
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn large_records_come_in_their_turn() {
    let bytes = snapshot_with_large_lists();
    let (want, walked) = run(&mut SliceInput::new(&bytes), true, 1);
    assert!(want.0.iter().filter(|(_, size)| *size > 4 << 20).count() == 5);
    assert_eq!((want.0.len(), walked.keys, walked.others), (45, 45, 1));
    for threads in [2, 3, 8] {
        let (got, walked) = run(&mut SliceInput::new(&bytes), true, threads);
        assert_eq!(got, want, "{threads} threads");
        assert_eq!((walked.end, walked.keys, walked.others), (bytes.len() as u64, 45, 1));
    }
}

/// Fails at one key.
#[derive(Default)]
struct Refusal(Spans);

impl Tally for Refusal {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        if entry.key == crate::rdb::Text::Raw(b"key:000400") {
            return Err(crate::error::Error::Usage("no more".to_owned()));
        }
        self.0.entry(entry, &mut ())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.0.merge(later.0)
    }
}

#[test]
fn a_tally_that_fails_has_all_that_was_before() {
    let bytes = snapshot(500);
    for threads in [1, 2, 8] {
        let mut root = Refusal::default();
        let options = WalkOptions { threads, ..WalkOptions::default() };
        let mut input = SliceInput::new(&bytes);
        let failed = walk(&mut input, true, &Refusal::default, &mut root, &options, &Silent);
        assert_eq!(failed.err().map(|error| error.to_string()), Some("no more".to_owned()));
        assert_eq!(root.0.0.len(), 400, "{threads} threads");
    }
}

#[test]
fn a_cut_file_gives_what_was_before_the_cut() {
    let bytes = snapshot(5);
    for cut in 9..bytes.len() {
        for threads in [1, 2] {
            let (spans, walked) = run(&mut SliceInput::new(&bytes[..cut]), true, threads);
            let fault = walked.fault.expect("a cut file");
            assert!(fault.fault.is_truncated() && fault.offset <= cut as u64);
            assert!(spans.0.iter().all(|(offset, size)| offset + size <= cut as u64));
            assert_eq!(spans.0.len() as u64, walked.keys);
        }
    }
}

#[test]
fn a_flipped_bit_shows_in_the_checksum() {
    let mut bytes = snapshot(3);
    bytes[20] ^= 1;
    let (_, walked) = run(&mut SliceInput::new(&bytes), true, 2);
    let stored = bytes.len() as u64 - 8;
    let (_, footer) = take(&bytes[stored as usize..], 8).unwrap();
    let stored = u64::from_le_bytes(footer.try_into().unwrap());
    assert!(matches!(walked.checksum, Checksum::Mismatch { stored: s, .. } if s == stored));
}
