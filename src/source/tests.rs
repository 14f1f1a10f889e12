//! Every way of arriving brings the same bytes; every form is told; every refusal is a sentence.

use std::process::Command;

use super::compressed::tests::packed;
use super::*;

const COMPRESSIONS: [Compression; 4] =
    [Compression::Gzip, Compression::Zstd, Compression::Lz4, Compression::Bzip2];

/// Reads all that a source holds, leaving some at hand now and then.
fn drained(mut source: Source) -> Result<Vec<u8>> {
    let feed = source.feed.as_mut().unwrap();
    let mut all = Vec::new();
    loop {
        let keep = feed.buffer().len() / 3;
        let taken = feed.buffer().len() - keep;
        all.extend_from_slice(&feed.buffer()[..taken]);
        feed.consume(taken);
        assert_eq!(feed.position(), all.len() as u64);
        if !feed.more()? {
            all.extend_from_slice(feed.buffer());
            return Ok(all);
        }
    }
}

fn tiny(start_bytes: usize, doubling: bool) -> OpenOptions {
    let window =
        WindowOptions { start_bytes, spill_bytes: 4000, doubling, ..WindowOptions::default() };
    OpenOptions { no_mmap: true, window, ..OpenOptions::default() }
}

fn snapshot(len: u64) -> Vec<u8> {
    let noise = (0..len).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
    b"REDIS0011".iter().copied().chain(noise).collect()
}

fn file(directory: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn at(path: &Path) -> Locator {
    Locator::Path(path.to_owned())
}

#[test]
fn every_arrival_brings_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    for len in [0, 1, 3000, 300_000] {
        let data = snapshot(len);
        let path = file(&directory, "dump.rdb", &data);
        let mapped = open(&at(&path), &OpenOptions::default()).unwrap();
        assert_eq!(mapped.feed.as_ref().unwrap().whole(), Some(data.as_slice()));
        assert_eq!(mapped.size_bytes, Some(data.len() as u64));
        check(Ok(mapped), &data, None);
        check(open_bytes("x", data.clone(), &OpenOptions::default()), &data, None);

        let ways = [OpenOptions { no_mmap: true, ..Default::default() }, tiny(777, true)];
        let slow = [tiny(1, false), tiny(13, false)];
        for options in ways.iter().chain(slow.iter().filter(|_| len < 10_000)) {
            check(open(&at(&path), options), &data, None);
            check(open_reader("x", Box::new(io::Cursor::new(data.clone())), options), &data, None);
            for compression in COMPRESSIONS {
                let raw = packed(compression, &data);
                let path = file(&directory, "misnamed.rdb", &raw);
                let source = open(&at(&path), options).unwrap();
                let progress = source.feed.as_ref().unwrap().progress().clone();
                check(Ok(source), &data, Some(compression));
                assert_eq!(progress.done_bytes(), raw.len() as u64);
                assert_eq!(progress.total_bytes(), Some(raw.len() as u64));
                check(open_bytes("x", raw, options), &data, Some(compression));
            }
        }
    }

    #[track_caller]
    fn check(source: Result<Source>, want: &[u8], compression: Option<Compression>) {
        let source = source.unwrap();
        assert_eq!((source.form, source.compression), (Form::Rdb, compression));
        assert!(drained(source).unwrap() == want);
    }
}

#[test]
fn one_byte_at_a_time_is_one_byte_at_a_time() {
    let mut source =
        open_reader("x", Box::new(io::Cursor::new(snapshot(50))), &tiny(1, false)).unwrap();
    let feed = source.feed.as_mut().unwrap();
    for at_hand in 0..=59 {
        assert_eq!(feed.buffer().len(), at_hand);
        assert_eq!(feed.more().unwrap(), at_hand < 59);
    }
}

#[test]
fn compressed_bytes_that_break_say_where_and_how() {
    let data = snapshot(200_000);
    for compression in COMPRESSIONS {
        let raw = packed(compression, &data);
        for cut in [raw.len() / 2, raw.len() - 1] {
            let error = open_bytes("x", raw[..cut].to_vec(), &OpenOptions::default())
                .and_then(drained)
                .unwrap_err();
            let Error::Format(error) = error else { panic!("{error}") };
            let name = compression.name();
            let fault = crate::error::Fault::CompressedTruncated { name, raw: cut as u64 };
            assert_eq!(error.fault, fault);
            assert_eq!(error.file.as_deref(), Some("x"));
            assert!(error.offset <= data.len() as u64);
        }
        // So short that nothing comes out: what says so is the opening.
        let error = open_bytes("x", raw[..6].to_vec(), &OpenOptions::default()).unwrap_err();
        let want = format!(
            "x: offset 0: expected a whole {compression} stream, found its end after 6 \
             compressed bytes, inside a frame while reading the compressed stream"
        );
        assert_eq!(error.to_string(), want);
    }
}

#[test]
fn a_second_layer_of_compression_is_refused() {
    for (outer, inner) in
        [(Compression::Gzip, Compression::Zstd), (Compression::Lz4, Compression::Lz4)]
    {
        let raw = packed(outer, &packed(inner, b"REDIS0011"));
        let error = open_bytes("x", raw, &OpenOptions::default()).unwrap_err().to_string();
        let want = format!(
            "x (under {outer}) is {inner} once more: one layer of compression is taken off, \
             take off the other first"
        );
        assert_eq!(error, want);
    }
}

#[test]
fn forms_are_told_through_compression() {
    check(b"*1\r\n$4\r\nPING\r\n", Ok(Form::Aof));
    check(b"", Ok(Form::Empty));
    check(b"hello", Err("begins with \"hello\""));
    check(b"file a seq 1 type i\n", Err("is a manifest, which names files beside it"));

    #[track_caller]
    fn check(data: &[u8], want: Result<Form, &str>) {
        let packed = COMPRESSIONS.map(|compression| packed(compression, data));
        for bytes in packed.into_iter().chain([data.to_vec()]) {
            match (open_bytes("x", bytes, &OpenOptions::default()), want) {
                (Ok(source), Ok(form)) => assert_eq!(source.form, form),
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, _) => panic!("{got:?}"),
            }
        }
    }
}

#[test]
fn a_form_that_is_forced_is_taken() {
    let forced = |from| OpenOptions { from: Some(from), ..Default::default() };
    for form in [Form::Dump, Form::Rdb, Form::Aof] {
        let raw = packed(Compression::Zstd, b"\0\x01a");
        assert_eq!(open_bytes("x", raw, &forced(form)).unwrap().form, form);
        assert_eq!(open_bytes("x", b"\0\x01a".to_vec(), &forced(form)).unwrap().form, form);
    }
    let directory = tempfile::tempdir().unwrap();
    let error = open(&at(directory.path()), &forced(Form::Rdb)).unwrap_err().to_string();
    assert!(error.ends_with("is a directory, rdb takes a file"), "{error}");
    let path = file(&directory, "x", b"*");
    let error = open(&at(&path), &forced(Form::AofDir)).unwrap_err().to_string();
    assert!(error.ends_with("is a file, aof-dir takes a directory"), "{error}");
    assert_eq!(open(&at(&path), &forced(Form::Manifest)).unwrap().form, Form::Manifest);
}

#[test]
fn directories_and_manifests_know_where_their_parts_are() {
    let directory = tempfile::tempdir().unwrap();
    let source = open(&at(directory.path()), &OpenOptions::default()).unwrap();
    assert_eq!((source.form, source.directory()), (Form::AofDir, Some(directory.path())));
    assert!(source.feed.is_none());

    let text = b"# hand made\nfile a.1.incr.aof seq 1 type i\n";
    let path = file(&directory, "a.manifest", text);
    let source = open(&at(&path), &OpenOptions::default()).unwrap();
    assert_eq!((source.form, source.directory()), (Form::Manifest, Some(directory.path())));
    assert_eq!(drained(source).unwrap(), text);

    let here = Source {
        path: Some("a.manifest".into()),
        ..open(&at(&path), &OpenOptions::default()).unwrap()
    };
    assert_eq!(here.directory(), Some(Path::new(".")));
}

#[test]
fn a_part_is_a_snapshot_by_its_magic_or_else_a_log() {
    let directory = tempfile::tempdir().unwrap();
    let from_directory = OpenOptions { from: Some(Form::AofDir), ..Default::default() };
    let cases: [(&[u8], Form); 5] = [
        (b"REDIS0011", Form::Rdb),
        (b"VALKEY080", Form::Rdb),
        (b"*1\r\n", Form::Aof),
        (b"file x", Form::Aof),
        (b"", Form::Aof),
    ];
    for (content, form) in cases {
        let path = file(&directory, "part", content);
        assert_eq!(open_part(&path, &from_directory).unwrap().form, form);
    }
    let error = open_part(directory.path(), &from_directory).unwrap_err().to_string();
    assert!(error.ends_with("is a directory, a part must be a file"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_fifo_goes_through_the_window_and_a_socket_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let data = snapshot(300_000);
    let (to, content) = (path.clone(), data.clone());
    let writer = std::thread::spawn(move || fs::write(to, content));
    let source = open(&at(&path), &OpenOptions::default()).unwrap();
    assert_eq!((source.form, source.size_bytes), (Form::Rdb, None));
    assert!(!source.feed.as_ref().unwrap().is_seekable());
    assert!(drained(source).unwrap() == data);
    writer.join().unwrap().unwrap();

    let path = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = open(&at(&path), &OpenOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("is a socket, from which files can't be read"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = open(&at(Path::new("/nonexistent/dump.rdb")), &OpenOptions::default());
    let want = "cannot open /nonexistent/dump.rdb: No such file or directory (os error 2)";
    assert_eq!(error.unwrap_err().to_string(), want);
}

#[test]
fn a_source_that_fails_at_once_says_so() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    for first in [b"".as_slice(), b"??", b"\x1f\x8b\x08"] {
        let reader = Box::new(io::Cursor::new(first).chain(Fails));
        let error = open_reader("x", reader, &OpenOptions::default()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read x: {}", io::Error::from_raw_os_error(5)));
    }
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!(Locator::from("-"), Locator::Stdin);
    assert_eq!(Locator::from("./-"), Locator::Path("./-".into()));
}
