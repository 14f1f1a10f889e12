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
    /// Has no more to say, and does not end the connection.
    stays: bool,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Read for Told {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.waits = !self.waits;
        if self.waits {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.step.min(room.len()).min(self.bytes.len());
        if n == 0 && self.stays {
            return Err(ErrorKind::WouldBlock.into());
        }
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
    told(text, step, false)
}

fn told(text: &[u8], step: usize, stays: bool) -> (Wire, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::default();
    let told = Told {
        bytes: text.iter().copied().collect(),
        step,
        waits: false,
        stays,
        heard: Arc::clone(&heard),
    };
    (Wire::new(Box::new(told), "redis://db1", Duration::from_secs(5)).unwrap(), heard)
}

fn snapshot(text: &str, step: usize) -> io::Result<(Point, Vec<u8>, Payload)> {
    let (wire, _) = wire(format!("{HELLO}{text}").as_bytes(), step);
    let answered = ask(wire, &mut alone, &Ask::default()).map_err(io::Error::other)?;
    let Answered::Snapshot { point, mut payload, .. } = answered else { panic!("{text}") };
    let mut bytes = Vec::new();
    payload.read_to_end(&mut bytes)?;
    Ok((point, bytes, payload))
}

/// A server that has one connection for us and no other.
fn alone() -> Result<Wire> {
    Err(Error::Usage("no other connection".to_owned()))
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
        let (wire, heard) = wire(text.as_bytes(), step);
        let from = Point { id: "f".repeat(40), offset: 1000 };
        let answered = ask(wire, &mut alone, &Ask { from: Some(from), ..Ask::default() });
        let Ok(Answered::Continues { point, wire }) = answered else { panic!("{text}") };
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

/// What a server says on connections, one after the other, and what it hears on each.
fn over(texts: &[&str], step: usize, ask: &Ask) -> (Result<Answered>, Vec<String>) {
    let (mut wires, heard): (Vec<_>, Vec<_>) =
        texts.iter().map(|text| told(text.as_bytes(), step, true)).unzip();
    let main = wires.remove(0);
    let mut rest = wires.into_iter();
    let answered = super::ask(main, &mut || rest.next().map_or_else(alone, Ok), ask);
    let heard = heard.iter().map(|heard| String::from_utf8(heard.lock().unwrap().clone()).unwrap());
    let heard = heard.map(|heard| heard.replace("\r\n", " ")).collect();
    (answered, heard)
}

const SELECT_AND_DEL: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";

/// Reads a snapshot to its end, and then the commands behind it.
fn read_on(answered: Answered) -> (Point, u32, String, Vec<Vec<u8>>, u64) {
    let Answered::Snapshot { point, db, mut payload } = answered else { panic!("no snapshot") };
    let mut bytes = String::new();
    payload.read_to_string(&mut bytes).unwrap();
    assert!(payload.is_over() && payload.has_own_connection());
    let mut follow = Follow::new(payload.into_wire().unwrap(), point.clone()).unwrap();
    let mut names = Vec::new();
    while names.len() < 2 {
        if let Event::Command(command) = follow.next_event().unwrap() {
            names.push(command.name().to_vec());
        }
    }
    (point, db, bytes, names, follow.offset())
}

#[test]
fn a_snapshot_with_a_connection_of_its_own_is_followed_over_the_main_one() {
    let body = "x".repeat(500);
    let payload = format!("\n$EOF:{MARK}\r\n{body}{MARK}");
    let redis = [
        // Signs of life before the stream are none of its bytes.
        format!("{HELLO}+RDBCHANNELSYNC 5\r\n\n\n{SELECT_AND_DEL}"),
        format!("-ERR no version\r\n+OK\r\n+FULLRESYNC {ID} 77\r\n{payload}"),
    ];
    let valkey = [
        format!("{HELLO}+DUALCHANNELSYNC\r\n+OK\r\n+CONTINUE {ID}\r\n{SELECT_AND_DEL}"),
        format!("+OK\r\n+OK\r\n\n$ENDOFF:77 {ID} 9 23\r\n{payload}"),
    ];
    for step in [1, 40, 10_000] {
        for (texts, want_db) in [(&redis, 0), (&valkey, 9)] {
            let (answered, heard) =
                over(&texts.each_ref().map(String::as_str), step, &Ask::default());
            let (point, db, bytes, names, offset) = read_on(answered.unwrap());
            assert_eq!((point, db), (Point { id: ID.to_owned(), offset: 77 }, want_db));
            assert_eq!(bytes, body);
            assert_eq!(names, [&b"SELECT"[..], b"DEL"]);
            assert_eq!(offset, 77 + SELECT_AND_DEL.len() as u64);
            if db == 0 {
                assert!(heard[1].contains("main-ch-client-id $1 5 "), "{heard:?}");
            } else {
                assert!(heard[0].contains("set-rdb-client-id $2 23 "), "{heard:?}");
                assert!(heard[0].contains(&format!("PSYNC $40 {ID} $2 78 ")), "{heard:?}");
            }
        }
    }
}

#[test]
fn without_a_second_connection_all_comes_over_one() {
    let one = format!("{HELLO}+FULLRESYNC {ID} 99\r\n$3\r\nabc");
    let mains = [format!("{HELLO}+RDBCHANNELSYNC 5\r\n"), format!("{HELLO}+DUALCHANNELSYNC\r\n")];
    let seconds = [
        "-ERR v\r\n-NOPERM no\r\n".to_owned(),
        "+OK\r\n+OK\r\n-NOPERM no sync\r\n".to_owned(),
        // Another server has another stream.
        format!("+OK\r\n+OK\r\n$ENDOFF:5 {ID} 0 7\r\n"),
    ];
    for main in &mains {
        for second in &seconds {
            // To what is asked of the main connection after that a server that is not meant says no.
            let main = format!("{main}-ERR Unrecognized RDB client id 7\r\n");
            let (answered, heard) = over(&[&main, second, &one], 1000, &Ask::default());
            let Ok(Answered::Snapshot { point, mut payload, .. }) = answered else {
                panic!("{main}")
            };
            let mut bytes = Vec::new();
            payload.read_to_end(&mut bytes).unwrap();
            assert_eq!((point.offset, &bytes[..]), (99, &b"abc"[..]));
            assert!(
                heard[0].contains("dual-channel") && !heard[2].contains("channel"),
                "{heard:?}"
            );
        }
        let (answered, heard) =
            over(&[&one], 1000, &Ask { one_connection: true, ..Ask::default() });
        assert!(answered.is_ok() && !heard[0].contains("channel"), "{heard:?}");
    }
}

#[test]
fn a_snapshot_is_given_up_when_its_commands_break_off() {
    let second = format!("+OK\r\n+OK\r\n+FULLRESYNC {ID} 77\r\n$9\r\nabc");
    for snapshot_only in [false, true] {
        let only = if snapshot_only { "+OK\r\n" } else { "" };
        let main = format!("{HELLO}{only}+RDBCHANNELSYNC 5\r\n{SELECT_AND_DEL}");
        let mut second = Some(told(second.as_bytes(), 1000, true).0);
        let ask = Ask { snapshot_only, ..Ask::default() };
        let mut again = || second.take().map_or_else(alone, Ok);
        let answered = super::ask(wire(main.as_bytes(), 7).0, &mut again, &ask);
        let Ok(Answered::Snapshot { mut payload, .. }) = answered else { panic!("no snapshot") };
        let mut room = [0; 3];
        payload.read_exact(&mut room).unwrap();
        let error = loop {
            // The patience of these connections would end it as well, and in other words.
            match payload.read(&mut room) {
                Ok(n) => assert_eq!(n, 0),
                Err(error) => break error.to_string(),
            }
        };
        // Whoever wants no commands waits for the rest of the snapshot.
        assert_eq!(error.contains("connection for the commands"), !snapshot_only, "{error}");
    }
}
