//! The servers' answers to commands. The numbers are those of a list of 24 examples taken from live
//! servers: Redis 7.0.15 and 8.10.2, Valkey 9.1.2.

use super::*;
use crate::digest::{Accumulator, Options, Profile, value_digest, value_digest_at};
use crate::error::Error;
use crate::rdb::{Scratch, Snapshot};

const ZERO: &str = "0000000000000000000000000000000000000000";

fn accumulate(options: &Options, file: &[u8]) -> Accumulator {
    let mut total = Accumulator::new(options);
    // Every key through its own share, as threads would do it.
    for entry in Snapshot::new(file).unwrap().entries() {
        let mut share = total.share();
        share.add(&entry.unwrap(), &mut Scratch::default()).unwrap();
        total.merge(share);
    }
    total
}

/// `redis:8.10 as written` is the server that wrote the file.
fn profile(server: &str) -> Profile {
    match server.strip_suffix(" as written") {
        Some(server) => server.parse::<Profile>().unwrap().as_written(),
        None => server.parse().unwrap(),
    }
}

#[track_caller]
fn digest(server: &str, file: &[u8]) -> String {
    let profile = profile(server);
    accumulate(&Options { profile, ..Options::default() }, file).finish().to_string()
}

#[track_caller]
fn values(server: &str, file: &[u8]) -> Vec<String> {
    let profile = profile(server);
    let entries = Snapshot::new(file).unwrap().entries();
    entries
        .map(|entry| {
            let digest = value_digest(&entry.unwrap(), &profile, &mut Scratch::default()).unwrap();
            assert!(digest.exists && digest.covered);
            digest.sum.to_string()
        })
        .collect()
}

/// One key: DEBUG DIGEST and DEBUG DIGEST-VALUE, the same for all of `servers`.
#[track_caller]
fn check(servers: &[&str], key: Vec<u8>, whole: &str, value: &str) {
    let file = redis(&[key]);
    for server in servers {
        assert_eq!(digest(server, &file), whole, "{server}");
        assert_eq!(values(server, &file), [value], "{server}");
    }
}

const ALL: &[&str] = &["redis:6.2", "redis:7.0", "redis:8.10", "valkey:9.1", "redict"];
const OLD: &[&str] = &["redis:5.0", "redis:7.0"];
const NEW: &[&str] = &["redis:7.2", "redis:8.10", "valkey:8.1", "redict"];

#[test]
fn nothing() {
    assert_eq!(digest("redis", &file("REDIS0015", &[])), ZERO);
    assert_eq!(digest("redis", &redis(&[])), ZERO);
}

#[test]
fn strings() {
    let a = "b4fc66738120fba0b5aa500ab5c2bf89cea1c5da";
    check(ALL, string("a", "1"), "943d800368fb9c0e951138f1bc0e313ac769d91f", a);
    check(ALL, key(0, "a", b"\xc0\x01"), "943d800368fb9c0e951138f1bc0e313ac769d91f", a);
    let foo = "68467c70ae30376e7ce005bcc8827f5ba7fd67dc";
    check(ALL, string("foo", "bar"), "d2ab4820c1be0580ea28efbfe8bfa1dc05bb802a", foo);
    let e = "8b3447c33a834b810e3e181b6fd6a2ee1020921c";
    check(ALL, string("e", ""), "a2cd1ee0b0ae140526a0994a6a0b7e78ace250fe", e);
    let foo = "8ec3828f7209dd3abdf6ee448de8b0c0bd53265f";
    let whole = "8b0c6d22108f15467022bc27c005787072eb4c4b";
    check(ALL, expiring(FAR, string("foo", "bar")), whole, foo);
    check(ALL, expiring(0, string("foo", "bar")), whole, foo);
}

#[test]
fn lists_sets_and_hashes() {
    let l = "09eb1fc9381ee92790d59930ab462945f8cd948b";
    check(ALL, list("l", &["a", "b", "3"]), "a678928a6ea683b36646d6fa7c4527ea3be15e50", l);
    let s = "593c2414786d75446e97f4ea5d4b731f3313da72";
    check(ALL, set("s", &["a", "b", "c"]), "962701ae75fa060ef4093971aa5f47591b4473d7", s);
    check(ALL, set("s", &["c", "a", "b"]), "962701ae75fa060ef4093971aa5f47591b4473d7", s);
    let s = "2a462a3f51a1db89738ebbeef0c47ce1bbc85246";
    check(ALL, set("s", &["1", "2", "3"]), "5db52aea846889b51b38382f9a31b671754d2571", s);
    let intset = b"\x0e\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0";
    check(ALL, key(11, "s", intset), "5db52aea846889b51b38382f9a31b671754d2571", s);
    let h = "4f27ca621cb2752866d01527a40541bd50df9e80";
    let whole = "31356c97621fc1140ad5eb23582fbe02915db883";
    check(ALL, hash("h", &["f", "v", "n", "7"]), whole, h);
    // HIMPORT PREPARE t f n; HIMPORT SET h t v 7
    let template = [b"\xf2\0\x02\x01f\x01n".as_slice(), &key(32, "h", b"\0\x01v\x017")].concat();
    check(ALL, template, whole, h);
}

#[test]
fn fields_that_expire() {
    let mut body = 4_000_000_000_000_i64.to_le_bytes().to_vec();
    body.extend(b"\x02\x01\x01f\x01v\0\x01n\x017");
    let key = key(24, "h", &body);
    let marked = "ab58352ff3ee3541432411b848740df255dc1735";
    let whole = "de2eff691104b627bac32b41f9202b93191b77b8";
    check(&["redis:7.4", "redis:8.10"], key.clone(), whole, marked);
    // Valkey does not show them.
    let plain = "4f27ca621cb2752866d01527a40541bd50df9e80";
    check(&["valkey:9.1"], key, "31356c97621fc1140ad5eb23582fbe02915db883", plain);
}

#[test]
fn sorted_sets() {
    let key = skiplist("z", &[("b", 2.5), ("a", 1.0), ("c", f64::NEG_INFINITY)]);
    let z = "f2ad7cda97b68291b8199d655f83d19f6e41e93c";
    check(ALL, key, "bab1ecb74c25a815ee6bfcd861de0a8d9d7e6b97", z);

    let key = skiplist("z", &[("a", 0.1), ("b", 1e30), ("c", 3.000_000_000_000_000_4)]);
    let z = "2d3c97eee01cb67b7d12c3531e09166bc8feffa2";
    check(OLD, key.clone(), "a131f995c7e23f3754d23b508cfdab9e35907b13", z);
    let z = "fb4f361ea886cadad43511b05ae4dc5e24077c8f";
    check(NEW, key, "5482370cc1e2a11060eaaefbf102dcaa0237df42", z);
}

#[test]
fn sorted_sets_whose_encoding_shows() {
    let packed = |elements: &[&str]| key(17, "z", &long_text(&listpack(elements)));
    let z = "8d8d88c2cfb8d9411b8d9973c96538bd6378d446";
    check(NEW, packed(&["a", "0"]), "0367780cb5fb00d3b92714cf0415f857100b25f2", z);
    // A skiplist that shows its −0 can be had in a live server only: one that loads it packs it.
    let live = &["redis:8.10 as written", "valkey:9.1 as written"];
    let signed = skiplist("z", &[("a", -0.0)]);
    check(NEW, signed.clone(), "0367780cb5fb00d3b92714cf0415f857100b25f2", z);
    let z = "c9ab76967bcda336b21df9199d49f17d5c44ca5f";
    let whole = "c8ec539c1260a7bb045eda50c70ff67a676267bf";
    check(live, signed.clone(), whole, z);
    check(&["redis:6.2", "redis:5.0"], signed, whole, z);

    let elements = ["a", "0", "d", "5e-324", "c", "0.30000000000000004"];
    let more = ["e", "123456789012345680", "f", "1e+21", "b", "99999999999999990000000"];
    let z = "425e64ffe9d5ec58d6fc1205df7d3e71b072defd";
    let whole = "6ca7b12fd503ff587e40ac43b04263015609800d";
    check(NEW, packed(&[elements.as_slice(), &more].concat()), whole, z);
    let mut members = vec![("a", -0.0), ("b", 1e23), ("c", 0.1 + 0.2), ("d", 5e-324)];
    members.extend([("e", 123_456_789_012_345_680.0), ("f", 1e21)]);
    check(NEW, skiplist("z", &members), whole, z);
    let z = "06789aab5da0962f7f6c726f8b51f7b18f4ec0e4";
    check(live, skiplist("z", &members), "244eeea8cf03743f72f6573dbaf74c5e93b721ad", z);

    // Too many members for a listpack, or too long a one.
    let long = "a".repeat(63) + "bc";
    for (members, packed) in [(127, true), (128, false)] {
        for (name, short) in [(&long[..64], true), (&long[..], false)] {
            let digest = |server, zero| {
                let mut body = vec![0x40, members + 1];
                body.extend([0x40, name.len() as u8]);
                body.extend(name.as_bytes());
                body.extend(f64::to_le_bytes(zero));
                for member in 0..members {
                    body.extend([0xc0, member]);
                    body.extend(1_f64.to_le_bytes());
                }
                digest(server, &redis(&[key(5, "z", &body)]))
            };
            assert_eq!(digest("redis", -0.0) == digest("redis", 0.0), packed && short);
        }
    }
}

#[test]
fn streams() {
    // XADD x 1-1 f v; XADD x 2-5 g w h 9
    let node = [
        "2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "0", "1", "4", "2", "g", "w", "h", "9",
        "8",
    ];
    let key = stream(15, "x", &node, &Tail { length: 2, last: [2, 5], more: b"", groups: b"\0" });
    let x = "d48a1817746e031ecfd072e7bd9e2eb506f3a705";
    check(ALL, key, "f821ac655159e23f4dde7b6672e6444d85a8c901", x);

    // XADD x 1-1 f v; XADD x 2-5 g w; XDEL x 2-5; XGROUP CREATE x grp 0
    let node =
        ["1", "1", "1", "f", "0", "2", "0", "0", "v", "4", "1", "1", "4", "1", "g", "w", "6"];
    let more = [1, 1, 2, 5, 2];
    let groups = b"\x01\x03grp\0\0\0\0\0";
    let key = stream(19, "x", &node, &Tail { length: 1, last: [2, 5], more: &more, groups });
    let x = "2ed9a7a81688084b1f7eae33456ef7727d357031";
    check(ALL, key, "055a1337dbc6573a6a56008351cb9c4d44ce2163", x);
}

#[test]
fn databases_are_mixed_in_ascending_order() {
    let a = [string("a", "1")];
    let both = file("REDIS0010", &[(0, &a), (3, &a)]);
    assert_eq!(digest("redis", &both), "f383bca646c02922c5e41d083fc287554a3d7555");
    let swapped = file("REDIS0010", &[(3, &a), (0, &a)]);
    assert_eq!(digest("redis", &swapped), digest("redis", &both));
    let third = file("REDIS0010", &[(0, &[]), (3, &a)]);
    assert_eq!(digest("redis", &third), "bc8f01911f375369cc100f32d768813c62974af0");
}

#[test]
fn one_of_each_kind() {
    let keys = [
        expiring(FAR, string("a", "1")),
        list("l", &["a", "b", "3"]),
        set("s", &["a", "b", "c"]),
        skiplist("z", &[("a", 1.0), ("b", 2.5)]),
        hash("h", &["f", "v", "n", "7"]),
        one_entry("x"),
    ];
    let file = file("REDIS0010", &[(0, &keys), (9, &[string("k", "v")])]);
    for server in ALL {
        assert_eq!(digest(server, &file), "607ef284edc4ce3fb78482786335da17b55ff3c3");
        let values = values(server, &file);
        assert_eq!(
            values[..6],
            [
                "5279988c5d1911f474bcbbf2f0a87012d40f8459",
                "09eb1fc9381ee92790d59930ab462945f8cd948b",
                "593c2414786d75446e97f4ea5d4b731f3313da72",
                "c45c5b051acd64070e5ed1a949939d5145f806c5",
                "4f27ca621cb2752866d01527a40541bd50df9e80",
                "2ed9a7a81688084b1f7eae33456ef7727d357031",
            ]
        );
    }
}

#[test]
fn arrays() {
    let a = "fc09a69feb0903633635149afdc5963e936c7841";
    check(ALL, key(28, "a", ARRAY), "178d8bf973daff4edbd7b4cc63bc546c72eaa9c8", a);
    let expiring = redis(&[expiring(FAR, key(28, "a", ARRAY))]);
    assert_eq!(values("redis", &expiring), ["1a8c58603730e937f723ff62b8af59a589c239c2"]);

    // Out of order, and index 3 first as something else.
    let shuffled = b"\x04\0\x04\x02\0\0\0\0\0\0\xf8\x3f\x03\x03\x01y\0\x03\x01x\x03\0\xc0\x0c";
    check(ALL, key(28, "a", shuffled), "178d8bf973daff4edbd7b4cc63bc546c72eaa9c8", a);
}

#[test]
fn an_array_with_too_many_holes_is_refused() {
    let body = b"\x01\0\x81\x00\x00\x01\0\0\0\0\0\x03\x01x";
    let file = redis(&[key(28, "sparse", body)]);
    let entry = Snapshot::new(&file).unwrap().entries().next().unwrap().unwrap();
    let mut total = Accumulator::new(&Options::default());
    let error = total.add(&entry, &mut Scratch::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server's digest walks every hole of an array (and hangs on many); the one in key \
         \"sparse\" of database 0 asks for 1099511627776, the limit is 67108864"
    );
    assert!(matches!(error, Error::Limit { .. }));
    assert_eq!(total.finish().keys, 0);

    // The limit is one for all arrays of a data set: three holes here, two there.
    let two = |holes| {
        let options = Options { max_array_holes: holes, ..Options::default() };
        let mut total = Accumulator::new(&options);
        let file = redis(&[key(28, "a", ARRAY), key(28, "b", ARRAY)]);
        let entries = Snapshot::new(&file).unwrap().entries();
        let mut added = 0;
        for entry in entries {
            let mut share = total.share();
            added += u64::from(share.add(&entry.unwrap(), &mut Scratch::default()).is_ok());
            total.merge(share);
        }
        added
    };
    assert_eq!([two(4), two(3), two(1)], [2, 1, 0]);
}

#[test]
fn what_a_loader_would_drop() {
    let keys = [
        set("empty", &[]),
        expiring(1000, string("gone", "v")),
        expiring(-1, string("never", "v")),
        string("a", "1"),
    ];
    let file = redis(&keys);
    let options = Options { drop_expired_at_ms: Some(1000), ..Options::default() };
    let kept = accumulate(&options, &file).finish();
    assert_eq!((kept.keys, kept.expired, kept.empty), (3, 0, 1));
    let options = Options { drop_expired_at_ms: Some(1001), ..Options::default() };
    let dropped = accumulate(&options, &file).finish();
    assert_eq!((dropped.keys, dropped.expired, dropped.empty), (2, 1, 1));
    // A time of −1 is no time at all.
    let plain = redis(&[string("never", "v"), string("a", "1")]);
    assert_eq!(dropped.to_string(), digest("redis", &plain));

    // Fields go as well, and hashes that have no others.
    let fields = [b"\x02\x01f\x01v".as_slice(), &999_i64.to_le_bytes(), b"\x01g\x01w", &[0xff; 8]];
    let file = self::file("VALKEY080", &[(0, &[key(22, "h", &fields.concat())])]);
    let profile = Profile::NEWEST_VALKEY;
    let options = Options { profile, drop_expired_at_ms: Some(1000), ..Options::default() };
    let want = digest("valkey", &redis(&[hash("h", &["g", "w"])]));
    assert_eq!(accumulate(&options, &file).finish().to_string(), want);
    assert_ne!(digest("valkey", &file), want);

    let some = key(22, "h", b"\x02\x05\x01f\x01v\0\x01g\x01w");
    let none = key(22, "gone", b"\x01\x05\x01f\x01v");
    let file = redis(&[some.clone(), none]);
    for now_ms in [5, 6] {
        let options = Options { drop_expired_at_ms: Some(now_ms), ..Options::default() };
        let sum = accumulate(&options, &file).finish();
        let kept = redis(&[hash("h", &["g", "w"])]);
        let gone = sum.to_string() == digest("redis", &kept);
        assert_eq!(
            (gone, sum.keys, sum.empty),
            if now_ms > 5 { (true, 1, 1) } else { (false, 2, 0) }
        );
    }
    let file = redis(&[some]);
    let entry = Snapshot::new(&file).unwrap().entries().next().unwrap().unwrap();
    let value = |now_ms| {
        let profile = Profile::default();
        value_digest_at(&entry, &profile, now_ms, &mut Scratch::default()).unwrap().sum.to_string()
    };
    assert_ne!(value(None), value(Some(6)));
    assert_eq!([value(Some(6))], values("redis", &redis(&[hash("h", &["g", "w"])]))[..]);
}

#[test]
fn an_unknown_module_is_counted() {
    let module = b"\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x02\x05\0";
    let digest = accumulate(&Options::default(), &redis(&[key(7, "m", module)])).finish();
    assert_eq!((digest.keys, digest.uncovered), (1, 1));
}
