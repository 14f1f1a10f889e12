//! A server that answers by heart, in pieces of any size.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

const MARK: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: &str = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
const HELLO: &str = "+PONG\r\n-ERR Unrecognized REPLCONF option: version\r\n+OK\r\n";

/// Says its bytes in pieces of `step`, waits once between all of them, and ends the connection.
struct Told {
    bytes: VecDeque<u8>,
    step: usize,
    waits: bool,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Read for Told {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.waits = !self.waits;
        if self.waits {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.step.min(room.len()).min(self.bytes.len());
        for (to, from) in room.iter_mut().zip(self.bytes.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Duplex for Told {
    fn set_pause(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

fn wire(text: &[u8], step: usize) -> (Wire, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::default();
    let told = Told {
        bytes: text.iter().copied().collect(),
        step,
        waits: false,
        heard: Arc::clone(&heard),
    };
    (Wire::new(Box::new(told), "redis://db1", Duration::from_secs(5)).unwrap(), heard)
}

fn snapshot(text: &str, step: usize) -> io::Result<(Point, Vec<u8>, Payload)> {
    let (mut wire, _) = wire(format!("{HELLO}{text}").as_bytes(), step);
    let answered = ask(&mut wire, &Ask::default()).map_err(io::Error::other)?;
    let Answered::Snapshot { point, framing } = answered else { panic!("{answered:?}") };
    let (mut payload, mut bytes) = (Payload::new(wire, framing), Vec::new());
    payload.read_to_end(&mut bytes)?;
    Ok((point, bytes, payload))
}

#[test]
fn both_framings_bring_the_snapshot_however_it_is_cut() {
    // Parts of the mark stand in the snapshot itself, and all of it but its last sign.
    let body = format!("REDIS0011{}\n{}{}", &MARK[..39], &MARK[..7], "x".repeat(500));
    for step in [1, 2, 39, 40, 41, 100, 10_000] {
        for announced in
            [format!("$EOF:{MARK}\r\n{body}{MARK}"), format!("${}\r\n{body}", body.len())]
        {
            let text = format!("\n\n+FULLRESYNC {ID} 77\r\n\n\n{announced}");
            let (point, bytes, payload) = snapshot(&text, step).unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), body, "{step}");
            assert_eq!(point, Point { id: ID.to_owned(), offset: 77 });
            assert!(payload.is_over());
        }
    }
}

#[test]
fn a_snapshot_that_is_cut_off_is_never_taken_for_one() {
    for announced in
        [format!("$EOF:{MARK}\r\n{}{}", "x".repeat(90), &MARK[..39]), "$91\r\nx".into()]
    {
        for step in [1, 64, 1000] {
            let text = format!("+FULLRESYNC {ID} 77\r\n{announced}");
            let error = snapshot(&text, step).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            let words = error.to_string();
            assert!(
                words.contains("ended the connection after") && words.contains("bytes of"),
                "{words}"
            );
        }
    }
}

#[test]
fn a_refusal_is_a_sentence() {
    for (answer, want) in [
        ("-NOPERM User u has no permissions to run the 'psync' command", "+psync"),
        ("-NOMASTERLINK Can't SYNC while not connected with my master", "link to its master"),
        ("-ERR unknown command 'PSYNC'", "managed service"),
        ("-ERR something else", "refuses PSYNC: ERR something else"),
        ("+WHAT", "which is no answer"),
        ("+CONTINUE", "which is no answer"),
    ] {
        let error = snapshot(&format!("{answer}\r\n"), 1000).err().unwrap().to_string();
        assert!(error.contains(want) && error.contains("redis://db1"), "{error}");
    }
}

#[test]
fn the_stream_goes_on_and_is_acknowledged() {
    let stream = "*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$8\r\nREPLCONF\r\n\
                  $6\r\nGETACK\r\n$1\r\n*\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";
    for step in [1, 7, 1000] {
        let text = format!("{HELLO}+CONTINUE {ID}\r\n{stream}");
        let (mut wire, heard) = wire(text.as_bytes(), step);
        let from = Point { id: "f".repeat(40), offset: 1000 };
        let answered = ask(&mut wire, &Ask { from: Some(from), ..Ask::default() }).unwrap();
        let Answered::Continues { point } = answered else { panic!("{answered:?}") };
        assert_eq!(point, Point { id: ID.to_owned(), offset: 1000 });
        let mut follow = Follow::new(wire, point).unwrap();
        let mut names = Vec::new();
        let end = loop {
            match follow.next_event() {
                Ok(Event::Command(command)) => names.push(command.name().to_vec()),
                Ok(Event::Quiet) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(names, [&b"SELECT"[..], b"DEL"]);
        assert_eq!(follow.offset(), 1000 + stream.len() as u64);
        assert!(end.contains("ended the connection"), "{end}");
        let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
        assert!(
            heard.contains("\r\n1001\r\n"),
            "the byte that is asked for is the next one: {heard}"
        );
        // Behind SELECT and GETACK, not behind DEL.
        let acked = 1000 + stream.find("*2\r\n$3\r\nDEL").unwrap();
        assert!(heard.contains(&format!("ACK\r\n$4\r\n{acked}\r\n")), "{heard}");
    }
}
