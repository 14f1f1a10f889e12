//! A small blocking client: commands as bytes, replies as values, and an error
//! reply is a value like any other. Losing the connection fails the test.

use std::sync::Mutex;
use std::time::Duration;

use redis::{Cmd, Connection, ConnectionLike, RedisResult, Value};

/// No command of a test takes longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many commands are sent before the replies are read.
const BATCH: usize = 1000;

/// One connection to a server on this machine.
pub struct Client {
    connection: Mutex<Connection>,
}

impl Client {
    pub fn connect(port: u16) -> RedisResult<Self> {
        let connection = redis::Client::open(("127.0.0.1", port))?
            .get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Sends one command, for its reply.
    #[track_caller]
    pub fn cmd<W: AsRef<[u8]>>(&self, words: &[W]) -> Value {
        self.send(&pack(words), 1).expect("the server answers").remove(0)
    }

    /// Sends many commands, for their replies in order.
    #[track_caller]
    pub fn pipeline<W: AsRef<[u8]>>(&self, commands: &[Vec<W>]) -> Vec<Value> {
        let batches = commands.chunks(BATCH).flat_map(|batch| {
            let bytes: Vec<u8> = batch.iter().flat_map(|words| pack(words)).collect();
            self.send(&bytes, batch.len()).expect("the server answers")
        });
        batches.collect()
    }

    /// Sends bytes that are `count` commands already, such as those of an AOF.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8], count: usize) -> Vec<Value> {
        self.send(bytes, count).expect("the server answers")
    }

    pub(super) fn try_cmd<W: AsRef<[u8]>>(&self, words: &[W]) -> RedisResult<Value> {
        Ok(self.send(&pack(words), 1)?.remove(0))
    }

    fn send(&self, bytes: &[u8], count: usize) -> RedisResult<Vec<Value>> {
        // A test that failed while it held the connection has no say any more.
        let mut connection = self.connection.lock().unwrap_or_else(|broken| broken.into_inner());
        connection.req_packed_commands(bytes, 0, count)
    }
}

fn pack<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word.as_ref());
    }
    command.get_packed_command()
}

/// The bytes of a reply that is one string.
#[track_caller]
pub fn bytes(reply: Value) -> Vec<u8> {
    match reply {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.into_bytes(),
        other => panic!("not a string: {other:?}"),
    }
}

/// The text of a reply that is one string.
#[track_caller]
pub fn text(reply: Value) -> String {
    String::from_utf8(bytes(reply)).expect("a reply in UTF-8")
}
