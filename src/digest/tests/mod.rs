//! Snapshots built by hand, for the tests of what is computed from them.

mod full;
mod server;

const FAR: i64 = 4_102_444_800_000;

fn text(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 64);
    [&[bytes.len() as u8], bytes].concat()
}

/// A counted run of strings.
fn texts(n: u8, all: &[&str]) -> Vec<u8> {
    let mut out = vec![n];
    all.iter().for_each(|one| out.extend(text(one.as_bytes())));
    out
}

fn key(type_code: u8, name: &str, body: &[u8]) -> Vec<u8> {
    [&[type_code], text(name.as_bytes()).as_slice(), body].concat()
}

fn expiring(at_ms: i64, key: Vec<u8>) -> Vec<u8> {
    [&[0xfc], at_ms.to_le_bytes().as_slice(), &key].concat()
}

fn string(name: &str, value: &str) -> Vec<u8> {
    key(0, name, &text(value.as_bytes()))
}

fn list(name: &str, elements: &[&str]) -> Vec<u8> {
    key(1, name, &texts(elements.len() as u8, elements))
}

fn set(name: &str, members: &[&str]) -> Vec<u8> {
    key(2, name, &texts(members.len() as u8, members))
}

fn hash(name: &str, pairs: &[&str]) -> Vec<u8> {
    key(4, name, &texts(pairs.len() as u8 / 2, pairs))
}

fn skiplist(name: &str, members: &[(&str, f64)]) -> Vec<u8> {
    let mut body = vec![members.len() as u8];
    for (member, score) in members {
        body.extend(text(member.as_bytes()));
        body.extend(score.to_le_bytes());
    }
    key(5, name, &body)
}

/// A listpack of short strings; those of one or two digits become integers.
fn listpack(elements: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for one in elements {
        match one.parse::<u8>() {
            Ok(n) if n < 100 => body.extend([n, 1]),
            _ => {
                body.push(0x80 | one.len() as u8);
                body.extend(one.as_bytes());
                body.push(one.len() as u8 + 1);
            }
        }
    }
    body.push(0xff);
    let mut out = (body.len() as u32 + 6).to_le_bytes().to_vec();
    out.extend((elements.len() as u16).to_le_bytes());
    out.extend(body);
    out
}

fn long_text(bytes: &[u8]) -> Vec<u8> {
    [&(0x4000 | bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// What stands behind the nodes of a stream.
struct Tail<'a> {
    length: u8,
    last: [u8; 2],
    /// First and deleted id, and entries added: from type 19 on.
    more: &'a [u8],
    groups: &'a [u8],
}

/// A stream of one node that begins at 1-1 with field `f`.
fn stream(type_code: u8, name: &str, node: &[&str], tail: &Tail<'_>) -> Vec<u8> {
    let mut body = vec![1, 16];
    body.extend(1_u64.to_be_bytes());
    body.extend(1_u64.to_be_bytes());
    body.extend(long_text(&listpack(node)));
    body.push(tail.length);
    body.extend(tail.last);
    body.extend(tail.more);
    body.extend(tail.groups);
    key(type_code, name, &body)
}

/// XADD x 1-1 f v
fn one_entry(name: &str) -> Vec<u8> {
    let node = ["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"];
    stream(15, name, &node, &Tail { length: 1, last: [1, 1], more: b"", groups: b"\0" })
}

fn file(magic: &str, databases: &[(u8, &[Vec<u8>])]) -> Vec<u8> {
    let mut out = magic.as_bytes().to_vec();
    for (db, keys) in databases {
        out.extend([0xfe, *db]);
        keys.iter().for_each(|key| out.extend(key));
    }
    out.push(0xff);
    out.extend([0; 8]);
    out
}

fn redis(keys: &[Vec<u8>]) -> Vec<u8> {
    file("REDIS0015", &[(0, keys)])
}

/// ARSET a 0 x; ARSET a 3 12; ARSET a 4 1.5
const ARRAY: &[u8] = b"\x03\0\0\x03\x01x\x03\x01\x0c\0\0\0\0\0\0\0\x04\x02\0\0\0\0\0\0\xf8\x3f";
