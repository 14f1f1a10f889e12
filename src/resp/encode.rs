//! The writer of commands: `*<count>\r\n`, then `$<bytes>\r\n<argument>\r\n` for each.

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
    header(out, b'$', arg.len() as u64);
    out.reserve(arg.len() + 2);
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
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
    use super::command;
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
}
