//! Defaults from a file and from the environment, and the calls that they go with.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-7.0.15-alltypes.rdb");

struct Done {
    code: i32,
    out: String,
    err: String,
}

/// A call in a folder with this configuration and environment; `DUMP` stands for a snapshot.
#[track_caller]
fn call(folder: &Path, config: &str, env: &[(&str, &str)], args: &[&str]) -> Done {
    fs::write(folder.join("rdbkit.toml"), config).unwrap();
    let args = args.iter().map(|arg| if *arg == "DUMP" { DUMP } else { arg });
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(folder).args(args).stdin(Stdio::null()).envs(env.iter().copied());
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere");
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
}

/// A call says the same with these defaults as another one without any.
#[track_caller]
fn same(config: &str, env: &[(&str, &str)], args: &[&str], plain: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let with = call(folder.path(), config, env, args);
    let without = call(folder.path(), "", &[], plain);
    assert_eq!((with.code, &with.err), (without.code, &without.err), "{config}{env:?}{args:?}");
    assert_eq!(with.out, without.out, "{config}{env:?}{args:?}");
    assert!(without.code < 2, "{}", without.err);
}

#[test]
fn a_table_by_the_name_of_a_verb_is_no_value_of_an_option() {
    for config in ["[split]\nparts = 3\n", "[digest]\nfull = true\n"] {
        same(config, &[], &["keys", "DUMP"], &["keys", "DUMP"]);
    }
    same("[digest]\nfull = true\n", &[], &["digest", "DUMP"], &["digest", "DUMP", "--full"]);
    let folder = tempfile::tempdir().unwrap();
    let done = call(folder.path(), "[split]\nparts = 3\n", &[], &["split", "DUMP", "-o", "out"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(folder.path().join("out/split.json").exists());
    // At the top it is a value of the option, which is no verb.
    same("digest = true\n", &[], &["keys", "DUMP"], &["keys", "DUMP"]);
}

#[test]
fn what_is_typed_counts_more_than_any_default() {
    let rdbtools = ["export", "DUMP", "--to", "csv", "--columns", "rdbtools"];
    let explodes = "[export]\nto = \"csv\"\nexplode = true\n";
    same(explodes, &[], &["export", "DUMP", "--columns", "rdbtools"], &rdbtools);
    let explodes = &[("RDBKIT_EXPLODE", "true"), ("RDBKIT_TO", "csv")];
    same("", explodes, &["export", "DUMP", "--columns", "rdbtools"], &rdbtools);
    same("", explodes, &["export", "DUMP"], &["export", "DUMP", "--to", "csv", "--explode"]);
    let full = ["digest", "DUMP", "--full"];
    same("server = \"redis:6.2\"\n", &[], &full, &full);
    let raw = ["get", "DUMP", "str:empty", "--raw"];
    same("format = \"json\"\n", &[], &raw, &raw);
    for by in ["type", "db"] {
        let folder = tempfile::tempdir().unwrap();
        let args = ["split", "DUMP", "-o", "out", "--parts", "3"];
        let done = call(folder.path(), "", &[("RDBKIT_BY", by)], &args);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("slots"), "{}", done.out);
    }
    let folder = tempfile::tempdir().unwrap();
    let args = ["split", "DUMP", "-o", "out", "--by", "type"];
    let done = call(folder.path(), "", &[("RDBKIT_PARTS", "3")], &args);
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn a_default_of_another_way_is_set_aside() {
    let export = |to| ["export", "DUMP", "--to", to];
    for top in ["server = \"redis:7.0\"\n", "target = \"redis:6.2\"\n", "lossy = true\n"] {
        for to in ["ndjson", "json", "csv"] {
            same(top, &[], &export(to), &export(to));
        }
    }
    same("", &[("RDBKIT_SERVER", "redis:7.0")], &export("csv"), &export("csv"));
    let resp = ["export", "DUMP", "--to", "resp", "--target", "redis:6.2", "--lossy"];
    same("target = \"redis:6.2\"\nlossy = true\n", &[], &export("resp"), &resp);
    for to in ["ndjson", "json", "resp"] {
        same("[export]\nexplode = true\n", &[], &export(to), &export(to));
    }
    let keys = ["keys", "DUMP", "--format", "json"];
    same("[keys]\ncolumns = [\"key\", \"bytes\"]\n", &[], &keys, &keys);
    let columns = ["keys", "DUMP", "--columns", "key,bytes"];
    same("[keys]\ncolumns = [\"key\", \"bytes\"]\n", &[], &["keys", "DUMP"], &columns);
    // Whose memory it is, says nothing of whether it is asked for.
    same("server = \"redis:6.2\"\n", &[], &["keys", "DUMP"], &["keys", "DUMP"]);
    let memory = ["keys", "DUMP", "--memory", "--server", "redis:6.2"];
    same("server = \"redis:6.2\"\n", &[], &["keys", "DUMP", "--memory"], &memory);
    same("[keys]\nserver = \"redis:6.2\"\nmemory = true\n", &[], &["keys", "DUMP"], &memory);
    let by_type = ["inspect", "DUMP", "--by", "type", "--now=1700000000"];
    same("depth = 2\n", &[], &by_type, &by_type);
    let inspect = ["inspect", "DUMP", "--now=1700000000"];
    same("depth = 2\nserver = \"redis:6.2\"\n", &[], &inspect, &inspect);
    let by_prefix = ["inspect", "DUMP", "--by", "prefix", "--now=1700000000"];
    let depth = [&by_prefix[..], &["--depth", "2"]].concat();
    same("depth = 2\n", &[], &by_prefix, &depth);
    let check = ["check", "DUMP", "--now=1700000000"];
    same("[check]\nwarn = [\"max-keys\"]\n", &[], &check, &check);
    let warns = [&check[..], &["--max-keys", "1"]].concat();
    let warned = [&warns[..], &["--warn", "max-keys"]].concat();
    same("[check]\nwarn = [\"max-keys\", \"max-age\"]\n", &[], &warns, &warned);
    let replay = ["replay", "DUMP", "--format", "json"];
    for default in ["verify = \"full\"", "drop-expired = true", "state = \"x\""] {
        let folder = tempfile::tempdir().unwrap();
        let done = call(folder.path(), &format!("[replay]\n{default}\n"), &[], &replay);
        assert_eq!(done.code, 0, "{default}: {}", done.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let convert = ["convert", "DUMP", "out.rdb"];
    for config in ["to = \"csv\"\n", "preamble = true\n", "base = \"aof\"\n"] {
        let done = call(folder.path(), config, &[], &convert);
        assert_eq!(done.code, 0, "{config}: {}", done.err);
        fs::remove_file(folder.path().join("out.rdb")).unwrap();
    }
    // What one verb can't use, another one may, and the next place is asked.
    let config = "to = \"csv\"\n[convert]\nto = \"aof\"\n";
    let done = call(folder.path(), config, &[("RDBKIT_TO", "parquet")], &convert);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(fs::read(folder.path().join("out.rdb")).unwrap().starts_with(b"*"));
}

#[test]
fn a_default_may_be_what_is_lacking() {
    let folder = tempfile::tempdir().unwrap();
    let (path, args) = (folder.path(), ["anonymize", "DUMP"]);
    let done = call(path, "", &[("RDBKIT_OUTPUT", "out.rdb"), ("RDBKIT_PARTS", "3")], &args);
    assert!(done.code == 0 && path.join("out.rdb").exists(), "{}", done.err);
    let done = call(path, "threads = 1\n", &[], &args);
    assert!(done.code == 2 && done.err.contains("--output"), "{}", done.err);
    // Two that want each other, beside one that fits nowhere.
    let config = "tls-key = \"k\"\ntls-cert = \"c\"\nserver = \"redis:7.0\"\n";
    let done = call(path, config, &[], &["export", "rediss://127.0.0.1:1"]);
    assert!(done.code == 2 && done.err.contains("certificates in c"), "{}", done.err);
}

#[test]
fn a_flag_that_is_on_by_default_can_be_off() {
    let folder = tempfile::tempdir().unwrap();
    let (path, memory) = (folder.path(), "[keys]\nmemory = true\n");
    let plain = ["keys", "DUMP"];
    same(memory, &[], &["keys", "DUMP", "--memory=false"], &plain);
    same("", &[("RDBKIT_MEMORY", "1")], &["keys", "DUMP", "--memory=no"], &plain);
    same(memory, &[("RDBKIT_MEMORY", "off")], &plain, &plain);
    same("", &[], &["keys", "DUMP", "--memory=true"], &["keys", "DUMP", "--memory"]);
    for (args, said) in [
        (["keys", "DUMP", "--memory=perhaps", "-q"], "unexpected value 'perhaps'"),
        (["keys", "DUMP", "--quiet=false", "-q"], "'--quiet' is both given and taken back"),
        (["keys", "DUMP", "--", "--memory=false"], "--memory=false"),
    ] {
        let done = call(path, "", &[], &args);
        assert!(done.code == 2 && done.err.contains(said), "{args:?}: {}", done.err);
    }
}

#[test]
fn a_wrong_default_is_told_by_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    for (config, env, said) in [
        ("threads = \"many\"\n", None, "rdbkit.toml: threads: invalid value 'many'"),
        ("[keys]\nthreads = 0\n", None, "rdbkit.toml: [keys] threads: invalid value '0'"),
        ("", Some(("RDBKIT_THREADS", "many")), "rdbkit: RDBKIT_THREADS: invalid value 'many'"),
        ("", Some(("RDBKIT_QUIET", "perhaps")), "RDBKIT_QUIET: it is true or false"),
        ("limit = [1, 2]\n", None, "limit: it takes one value, and no list"),
        ("[keys]\ntype = [\"hash\", \"sting\"]\n", None, "[keys] type: invalid value 'sting'"),
        ("[keys]\nlimit = true\n", None, "[keys] limit: give a text, a number"),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        let done = call(folder.path(), config, &env, &["keys", "DUMP"]);
        assert!(done.code == 2 && done.err.contains(said), "{config}{env:?}: {}", done.err);
        // What is typed is not asked of a default.
        if said.contains("hreads") {
            let done = call(folder.path(), config, &env, &["keys", "DUMP", "--threads", "1"]);
            assert_eq!(done.code, 0, "{}", done.err);
        }
        let done = call(folder.path(), config, &env, &["keys", "--help"]);
        assert_eq!(done.code, 0, "{}", done.err);
    }
}
