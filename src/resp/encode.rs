//! The writer of commands: `*<count>\r\n`, then `$<bytes>\r\n<argument>\r\n` for each.

use crate::bytes::room;

/// Appends a command with these arguments, the name first.
pub fn command<I>(out: &mut Vec<u8>, args: I)
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    header(out, b'*', args.len() as u64);
    args.for_each(|arg| bulk(out, arg.as_ref()));
}

/// Appends an argument.
#[inline]
pub fn bulk(out: &mut Vec<u8>, arg: &[u8]) {
    if arg.len() > LONGEST || short_bulk(out, arg).is_none() {
        header(out, b'$', arg.len() as u64);
        out.reserve(arg.len() + 2);
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// Most arguments are no longer.
const LONGEST: usize = 64;

/// The same of one that is no longer than that: no call, and one look at the room there is.
#[inline(always)]
fn short_bulk(out: &mut Vec<u8>, arg: &[u8]) -> Option<()> {
    const HEADER: usize = "$64\r\n".len();
    room::append(out, HEADER + 8 + LONGEST + 8, |slots| {
        let mut room = slots.open();
        let (ten, one) = (b'0' + (arg.len() / 10) as u8, b'0' + (arg.len() % 10) as u8);
        match arg.len() {
            0..10 => room.put(&[b'$', one, b'\r', b'\n'], 4)?,
            _ => room.put(&[b'$', ten, one, b'\r', b'\n'], 5)?,
        }
        room.put_text(arg)?;
        room.put(b"\r\n", 2)?;
        Some(room.close())
    })
}

/// Appends one header line.
#[inline]
pub fn header(out: &mut Vec<u8>, mark: u8, value: u64) {
    if value < 10 {
        return out.extend_from_slice(&[mark, b'0' + value as u8, b'\r', b'\n']);
    }
    if value < 100 {
        let (ten, one) = (b'0' + (value / 10) as u8, b'0' + (value % 10) as u8);
        return out.extend_from_slice(&[mark, ten, one, b'\r', b'\n']);
    }
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{bulk, command};
    use crate::resp::Command;

    #[test]
    fn what_is_written_is_read() {
        let args: Vec<Vec<u8>> = vec![b"SET".to_vec(), b"a\r\nb".to_vec(), vec![b'x'; 1234]];
        let mut out = Vec::new();
        command(&mut out, &args);
        let (read, rest) = Command::strict(&out).expect("a command");
        assert!(rest.is_empty());
        assert_eq!(read.name(), b"SET");
        assert_eq!(read.args().collect::<Vec<_>>(), args[1..]);
    }

    #[test]
    fn arguments_of_every_length() {
        for len in 0..300 {
            let arg: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let mut out = b"before".to_vec();
            bulk(&mut out, &arg);
            let want = [format!("before${len}\r\n").as_bytes(), &arg, b"\r\n"].concat();
            assert_eq!(out, want);
        }
    }
}
