//! A command that grows: its arguments are gathered until there are enough of them, because their
//! number stands in front.

use crate::resp::encode;

/// The command under way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    name: &'static [u8],
    /// The arguments behind the key, in their final form.
    args: Vec<u8>,
    count: u64,
    items: usize,
}

impl Batch {
    /// Begins another item of a command; one that has `most` items, or another name, is written.
    pub(super) fn begin(
        &mut self,
        out: &mut Vec<u8>,
        name: &'static [u8],
        key: &[u8],
        most: usize,
    ) {
        if self.items >= most || (self.items > 0 && self.name != name) {
            self.flush(out, key);
        }
        self.name = name;
        self.items += 1;
    }

    /// An argument.
    pub(super) fn arg(&mut self, arg: &[u8]) {
        put(&mut self.args, arg);
        self.count += 1;
    }

    /// Writes the command.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>, key: &[u8]) {
        const ORDINARY: usize = 1 << 20;
        if self.items == 0 {
            return;
        }
        encode::header(out, b'*', self.count + 2);
        put(out, self.name);
        put(out, key);
        out.extend_from_slice(&self.args);
        self.args.clear();
        self.args.shrink_to(ORDINARY);
        (self.count, self.items) = (0, 0);
    }
}

fn put(out: &mut Vec<u8>, arg: &[u8]) {
    encode::header(out, b'$', arg.len() as u64);
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}
