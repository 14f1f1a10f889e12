//! What a real client writes into a server, for tests that look at what it saves.

use redis::Value;

use super::servers::{Flavour, Server};

/// When the key `expires` of [`with_every_size`] expires, unix time in milliseconds.
pub const EXPIRES_AT_MS: i64 = 4_102_444_800_123;

/// Commands, words apart by spaces, lines by line ends.
pub fn run(server: &Server, commands: &str) {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = server.cmd(&words);
        assert!(
            !matches!(reply, Value::ServerError(_)),
            "{}: {line}: {reply:?}",
            server.kind().name
        );
    }
}

/// Something of every type that the server has.
pub fn with_every_type(server: &Server) {
    let version = server.version();
    let (redis, valkey) = (version.flavour == Flavour::Redis, version.flavour == Flavour::Valkey);
    run(
        server,
        "SET int 12345
        SET negative -7
        SET far 9223372036854775807
        SET word hello
        SET almost 007
        SET expires v
        PEXPIREAT expires 4102444800000
        RPUSH list a b 3 -70000 8589934592
        SADD ints 1 2 3 70000
        SADD words a b 3
        ZADD small 1 a 2.5 b -inf c +inf d 0.1 e 1e30 f -0 g 5e-324 h 1e23 i 123456789012345680 j
        ZADD signed -0 a
        HSET hash f v
        HSET hash n 7
        SELECT 5
        SET word other
        SELECT 0",
    );
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut add =
        |words: &[&str]| commands.push(words.iter().map(|word| (*word).to_owned()).collect());
    add(&["SET", "long", &"abc".repeat(2000)]);
    add(&["SET", "empty", ""]);
    for n in 0..700_u64 {
        let name = format!("member:{n}");
        let score = format!("{:e}", f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1));
        add(&["RPUSH", "long:list", &name.repeat(1 + n as usize % 40)]);
        add(&["SADD", "large:set", &name]);
        add(&["SADD", "large:ints", &(n * n).to_string()]);
        add(&["ZADD", "large:zset", &score, &name]);
        add(&["HSET", "large:hash", &name, &score]);
    }
    add(&["ZADD", "large:zset", "-0", "minus zero"]);
    let replies = server.pipeline(&commands);
    assert!(!replies.iter().any(|reply| matches!(reply, Value::ServerError(_))));

    if version.at_least(5, 0) {
        run(
            server,
            "XADD stream 1-1 f v
            XADD stream 1-2 f w
            XADD stream 2-5 g w h 9
            XADD stream 7-0 f x
            XADD stream 9-0 f y
            XDEL stream 1-2
            XGROUP CREATE stream first 0
            XGROUP CREATE stream last $
            XGROUP CREATE stream middle 2-5
            XGROUP CREATE stream one 1-1
            XREADGROUP GROUP first c1 COUNT 2 STREAMS stream >
            XREADGROUP GROUP first c2 COUNT 1 STREAMS stream >
            XREADGROUP GROUP last c3 COUNT 1 STREAMS stream >
            XADD emptied 1-1 f v
            XDEL emptied 1-1
            XGROUP CREATE emptied g 0
            XGROUP CREATE created g $ MKSTREAM",
        );
        let add = |n: u64| {
            ["XADD", "long:stream", &format!("{n}-1"), "n", &n.to_string()]
                .map(str::to_owned)
                .to_vec()
        };
        server.pipeline(&(1..500).map(add).collect::<Vec<_>>());
    }
    if (redis && version.at_least(8, 0)) || (valkey && version.at_least(9, 0)) {
        run(
            server,
            "HSET fields a 1 b 2 c 3
            HPEXPIREAT fields 4000000000000 FIELDS 2 a b
            HPEXPIREAT large:hash 4000000000000 FIELDS 1 member:7",
        );
    }
    if version.at_least(7, 0) {
        let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        server.cmd(&["FUNCTION", "LOAD", code]);
    }
    if redis && version.at_least(8, 10) {
        run(
            server,
            "HIMPORT PREPARE t f n
            HIMPORT SET template t v 7
            ARSET array 0 x
            ARSET array 3 12
            ARSET array 4 1.5
            ARSET array 9 -0.5 3.0 3.141592653589793 0.1 1e10
            XADD idem IDMP p1 i1 * f v
            XNACK stream first FAIL IDS 1 1-1
            VADD vectors VALUES 3 1 2 3 e1
            VADD vectors VALUES 3 1 0 0 e2 SETATTR {\"a\":1}
            VADD plain VALUES 3 1 2 3 e1 NOQUANT
            VADD bits VALUES 3 1 2 3 e1 BIN",
        );
    }
}

/// Values of every type on both sides of every threshold, some of them binary.
pub fn with_every_size(server: &Server) {
    let version = server.version();
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut add = |words: &[&[u8]]| commands.push(words.iter().map(|w| w.to_vec()).collect());
    for (n, value) in [
        &b"0"[..],
        b"-128",
        b"32768",
        b"2147483648",
        b"-9223372036854775808",
        b"00",
        b"\xff\0\r\n",
        &[b'x'; 44],
        &[b'x'; 45],
        &b"ab\0".repeat(6000),
        b"",
    ]
    .into_iter()
    .enumerate()
    {
        add(&[b"SET", format!("string:{n}").as_bytes(), value]);
    }
    add(&[b"SET", b"\0binary key\xff", b"v"]);
    add(&[b"SET", b"expires", b"v"]);
    add(&[b"PEXPIREAT", b"expires", EXPIRES_AT_MS.to_string().as_bytes()]);
    for size in [1_u32, 3, 100, 127, 128, 129, 511, 512, 513, 1100] {
        for n in 0..size {
            let (member, number) =
                (format!("m{n:04}\x7f"), (i64::from(n) * 70_001 - 5).to_string());
            let score = format!("{}", f64::from(n) * 0.1 - 3.0);
            add(&[
                b"RPUSH",
                format!("list:{size}").as_bytes(),
                member.as_bytes(),
                number.as_bytes(),
            ]);
            add(&[b"SADD", format!("set:{size}").as_bytes(), member.as_bytes()]);
            add(&[b"SADD", format!("ints:{size}").as_bytes(), number.as_bytes()]);
            add(&[
                b"HSET",
                format!("hash:{size}").as_bytes(),
                member.as_bytes(),
                number.as_bytes(),
            ]);
            add(&[b"ZADD", format!("zset:{size}").as_bytes(), score.as_bytes(), member.as_bytes()]);
            if version.at_least(5, 0) && size <= 513 {
                let id = format!("{}-{}", 1000 + n / 3, n % 3 + 1);
                let fields: &[&[u8]] =
                    &[b"XADD", b"", id.as_bytes(), member.as_bytes(), number.as_bytes()];
                let name = format!("stream:{size}");
                let mut words = fields.to_vec();
                words[1] = name.as_bytes();
                add(&words);
                if n % 7 == 3 {
                    add(&[b"XDEL", name.as_bytes(), id.as_bytes()]);
                }
            }
        }
    }
    for n in [64_usize, 65, 9000] {
        let long = vec![b'L'; n];
        add(&[b"HSET", format!("long:hash:{n}").as_bytes(), b"f", &long]);
        add(&[b"RPUSH", format!("long:list:{n}").as_bytes(), &long, b"tail"]);
        add(&[b"ZADD", format!("long:zset:{n}").as_bytes(), b"inf", &long]);
        add(&[b"SADD", format!("long:set:{n}").as_bytes(), &long]);
    }
    add(&[b"SELECT", b"3"]);
    add(&[b"SET", b"elsewhere", b"1"]);
    add(&[b"SELECT", b"0"]);
    for (reply, command) in server.pipeline(&commands).into_iter().zip(&commands) {
        assert!(!matches!(reply, Value::ServerError(_)), "{command:?}: {reply:?}");
    }
}
