use crate::engine::Engine;
use crate::resp::Reply;

fn run(engine: &mut Engine, line: &str) -> Reply {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    engine.execute(&words)
}

#[test]
fn elements_come_and_go() {
    let mut engine = Engine::default();
    assert_eq!(run(&mut engine, "VADD k VALUES 2 1 2 a"), Reply::Int(1));
    assert_eq!(run(&mut engine, "VADD k VALUES 2 3 1 a CAS EF 10"), Reply::Int(0));
    assert_eq!(run(&mut engine, "VADD k VALUES 2 3 1 b SETATTR {\"x\":1}"), Reply::Int(1));
    assert_eq!(run(&mut engine, "VADD k VALUES 2 1 1 b"), Reply::Int(0));
    assert_eq!(run(&mut engine, "VGETATTR k b"), Reply::bulk("{\"x\":1}"));
    assert_eq!(run(&mut engine, "VCARD k"), Reply::Int(2));
    assert_eq!(run(&mut engine, "VREM k a"), Reply::Int(1));
    assert_eq!(run(&mut engine, "VREM k a"), Reply::Int(0));
    assert_eq!(run(&mut engine, "VREM k b"), Reply::Int(1));
    assert_eq!(run(&mut engine, "EXISTS k"), Reply::Int(0));
    assert_eq!(run(&mut engine, "VRANDMEMBER k"), Reply::Nil);
}

#[test]
fn a_refused_vector_leaves_no_key() {
    let mut engine = Engine::default();
    for line in [
        "VADD k VALUES 2 1 x a",
        "VADD k VALUES 2 1 nan a",
        "VADD k VALUES 3 1 2 a",
        "VADD k VALUES 99999 1 2 a",
        "VADD k FP32 abcde a",
        "VADD k REDUCE 3 VALUES 2 1 2 a",
        "VADD k REDUCE 0 VALUES 2 1 2 a",
        "VADD k VALUES 2 1 2 a M 3",
        "VADD k VALUES 2 1 2 a EF 0",
        "VADD k VALUES 2 1 2 a SETATTR",
        "VADD k VALUES 2 1 2",
        "VADD k",
        "VADD",
    ] {
        assert!(run(&mut engine, line).is_error(), "{line}");
    }
    assert_eq!(run(&mut engine, "DBSIZE"), Reply::Int(0));
}
