//! Histories: commands of every family that a seeded generator chooses, sent to a server.

use std::path::PathBuf;
use std::time::Duration;

use redis::Value;

use super::servers::Server;
use super::wait_until;

/// Every form of every write command that clients send. `$` names what is filled in:
/// `$k` any key, `$s $h $l $e $z $x` a key that mostly is a string, hash, list, set, sorted set,
/// stream; `$v` a value, `$m` a member or field, `$i` a small integer, `$n` an index that may be
/// negative, `$f` a float, `$t` a time far off (ms), `$T` the same in seconds, `$p` one long past,
/// `$d` a stream id, `$g` a group, `$c` a consumer, `$b` a bit offset.
const FORMS: &str = "
SET $s $v
SET $s $i
SET $s $v NX
SET $s $v XX GET
SET $s $v EX 100000
SET $s $v PX 100000000
SET $s $v PXAT $t
SET $s $v EXAT $T
SET $s $v KEEPTTL
SET $s $v IFEQ $v
SET $s $v IFNE $v
SETNX $s $v
SETEX $s 100000 $v
PSETEX $s 100000000 $v
GETSET $s $v
GETDEL $s
GETEX $s PXAT $t
GETEX $s PERSIST
GETEX $s EX 100000
MSET $s $v $s $v $s $v
MSETNX $s $v $s $v
MSETEX 2 $s $v $s $v PXAT $t
MSETEX 2 $s $v $s $v NX EX 100000
INCR $s
DECR $s
INCRBY $s $n
DECRBY $s $n
INCRBYFLOAT $s $f
INCREX $s BYINT $i UBOUND 50 SATURATE
INCREX $s BYINT $i EX 100000
APPEND $s $v
SETRANGE $s $i $v
SETBIT $s $b 1
SETBIT $s $b 0
BITFIELD $s SET u8 $b $i
BITFIELD $s INCRBY i5 $b $n OVERFLOW SAT INCRBY u4 $b $i
BITFIELD $s OVERFLOW FAIL INCRBY u2 $b 1
BITOP AND $s $s $s
BITOP OR $s $s $s
BITOP XOR $s $s $s
BITOP NOT $s $s
BITOP DIFF $s $s $s
BITOP ONE $s $s $s
PFADD hll:$i $v $v $m
PFADD hll:$i
PFMERGE hll:$i hll:$i hll:$i
PFCOUNT hll:$i
DELIFEQ $s $v
DELEX $s IFEQ $v
DELEX $s
DEL $k $k
UNLINK $k
EXPIRE $k 100000
PEXPIRE $k 100000000 NX
EXPIREAT $k $T
PEXPIREAT $k $t GT
PEXPIREAT $k $t
PEXPIREAT $k $p
PERSIST $k
RENAME $k $k
RENAMENX $k $k
COPY $k $k
COPY $k $k REPLACE
COPY $k $k DB 2 REPLACE
MOVE $k 1
SORT $l STORE $l ALPHA
SORT $e BY nosort STORE $l
SORT $z ALPHA DESC LIMIT 0 3 STORE $l
HSET $h $m $v
HSET $h $m $v $m $v $m $i
HMSET $h $m $v
HSETNX $h $m $v
HDEL $h $m $m
HINCRBY $h $m $n
HINCRBYFLOAT $h $m $f
HEXPIRE $h 100000 FIELDS 1 $m
HPEXPIRE $h 100000000 FIELDS 2 $m $m
HPEXPIREAT $h $t FIELDS 2 $m $m
HPEXPIREAT $h $t NX FIELDS 1 $m
HPEXPIREAT $h $p FIELDS 1 $m
HPERSIST $h FIELDS 2 $m $m
HGETEX $h PXAT $t FIELDS 1 $m
HGETEX $h PERSIST FIELDS 1 $m
HSETEX $h PXAT $t FIELDS 2 $m $v $m $v
HSETEX $h FNX KEEPTTL FIELDS 1 $m $v
HSETEX $h EX 100000 FIELDS 1 $m $v
HGETDEL $h FIELDS 2 $m $m
HIMPORT PREPARE template a bb ccc
HIMPORT SET $h template $v $v $v
LPUSH $l $v
LPUSH $l $v $i $v
RPUSH $l $v $v $v $v
LPUSHX $l $v
RPUSHX $l $v
LPOP $l
RPOP $l 2
LSET $l $n $v
LTRIM $l $n $n
LTRIM $l 0 20
LREM $l $n $v
LINSERT $l BEFORE $v $v
LINSERT $l AFTER $v $m
RPOPLPUSH $l $l
LMOVE $l $l LEFT RIGHT
LMOVE $l $l RIGHT LEFT
BLPOP $l $l 0.01
BLMOVE $l $l LEFT LEFT 0.01
BRPOPLPUSH $l $l 0.01
LMPOP 2 $l $l LEFT COUNT 2
BLMPOP 0.01 1 $l RIGHT
LMOVEM $l $l LEFT RIGHT COUNT 2 OBO
SADD $e $m
SADD $e $i $i $i
SADD $e $m $v $m
SREM $e $m $i
SMOVE $e $e $m
SPOP $e
SPOP $e 3
SDIFFSTORE $e $e $e
SINTERSTORE $e $e $e
SUNIONSTORE $e $e $e
ZADD $z $f $m
ZADD $z $i $m $n $m $f $m
ZADD $z NX CH $i $m
ZADD $z XX GT $i $m
ZADD $z LT $i $m
ZADD $z INCR $i $m
ZINCRBY $z $f $m
ZREM $z $m $m
ZREMRANGEBYRANK $z $n $n
ZREMRANGEBYSCORE $z $n $i
ZREMRANGEBYLEX $z [a [b
ZPOPMIN $z
ZPOPMAX $z 2
BZPOPMIN $z 0.01
ZMPOP 1 $z MIN COUNT 2
BZMPOP 0.01 1 $z MAX
ZUNIONSTORE $z 2 $z $z WEIGHTS 2 $i AGGREGATE MAX
ZUNIONSTORE $z 2 $z $e
ZINTERSTORE $z 2 $z $z
ZDIFFSTORE $z 2 $z $z
ZRANGESTORE $z $z 0 5
ZRANGESTORE $z $z -inf +inf BYSCORE LIMIT 0 5
GEOADD geo:$i 13.361389 38.115556 $m 15.087269 37.502669 $m
GEOSEARCHSTORE geo:$i geo:$i FROMLONLAT 15 37 BYRADIUS 200 km
GEORADIUS geo:$i 15 37 200 km STORE geo:$i
XADD $x * $m $v
XADD $x * $m $v $m $i
XADD $x MAXLEN = 20 * $m $v
XADD $x MAXLEN ~ 30 * $m $v
XADD $x MINID ~ $d * $m $v
XADD $x NOMKSTREAM * $m $v
XADD $x IDMP p1 $m * f $v
XADD $x IDMPAUTO p2 * f $m
XCFGSET $x IDMP-MAXSIZE 50
XTRIM $x MAXLEN 10
XTRIM $x MAXLEN ~ 40
XTRIM $x MINID $d
XDEL $x $d
XDELEX $x DELREF IDS 1 $d
XSETID $x 9999999999999-0
XGROUP CREATE $x $g $ MKSTREAM
XGROUP CREATE $x $g 0
XGROUP SETID $x $g $d
XGROUP DESTROY $x $g
XGROUP CREATECONSUMER $x $g $c
XGROUP DELCONSUMER $x $g $c
XREADGROUP GROUP $g $c COUNT 3 STREAMS $x >
XREADGROUP GROUP $g $c COUNT 2 NOACK STREAMS $x >
XACK $x $g $d
XACKDEL $x $g DELREF IDS 1 $d
XCLAIM $x $g $c 0 $d
XCLAIM $x $g $c 0 $d FORCE JUSTID
XAUTOCLAIM $x $g $c 0 0 COUNT 3
XNACK $x $g FAIL IDS 1 $d
ARSET arr:$i $i $v
ARMSET arr:$i $i $v $i $i
ARDEL arr:$i $i
ARDELRANGE arr:$i $i 9
ARINSERT arr:$i $v $v
ARRING arr:$i 8 $v
ARSEEK arr:$i $i
FUNCTION LOAD REPLACE @lib$i
FUNCTION DELETE lib$i
PUBLISH channel $v
FLUSHDB
SWAPDB 0 1
SELECT 0
SELECT 1
SELECT 2
EVAL @script 2 $s $h $v
";

/// Forms that are rare, because they empty what the others fill.
const RARE: [&str; 6] = ["FLUSHDB", "SWAPDB", "DEL", "UNLINK", "XGROUP DESTROY", "MOVE"];

struct Generator {
    state: u64,
    forms: Vec<Vec<&'static str>>,
    ids: Vec<String>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let lines = FORMS.lines().filter(|line| !line.is_empty());
        let forms = lines.map(|line| line.split(' ').collect()).collect();
        Generator { state: seed, forms, ids: vec!["1-1".into()] }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % bound
    }

    fn command(&mut self) -> Vec<Vec<u8>> {
        loop {
            let at = self.below(self.forms.len() as u64) as usize;
            let form = self.forms[at].clone();
            let rare = RARE.iter().any(|start| form.join(" ").starts_with(start));
            if rare && self.below(8) > 0 {
                continue;
            }
            return form.iter().map(|word| self.word(word)).collect();
        }
    }

    fn word(&mut self, word: &str) -> Vec<u8> {
        let key = |name: &str, n: u64| format!("{name}:{n}");
        let text = match word {
            "$k" => {
                let names = ["s", "h", "l", "e", "z", "x", "hll", "geo", "arr"];
                let name = names[self.below(names.len() as u64) as usize];
                key(name, self.below(6))
            }
            "$s" | "$h" | "$l" | "$e" | "$z" | "$x" => {
                // Now and then a key of another kind.
                let name = if self.below(30) == 0 { "s" } else { &word[1..] };
                key(name, self.below(6))
            }
            "$v" => match self.below(9) {
                0 => String::new(),
                1 => self.below(1 << 20).to_string(),
                2 => "x".repeat(self.below(300) as usize),
                3 => format!("-{}", self.below(1 << 30)),
                4 => "word".repeat(self.below(20) as usize),
                _ => format!("value {}", self.below(12)),
            },
            "$m" => match self.below(12) {
                0 => "long".repeat(20),
                1 => self.below(1000).to_string(),
                _ => format!("m{}", self.below(200)),
            },
            "$i" => self.below(7).to_string(),
            "$n" => (self.below(12) as i64 - 5).to_string(),
            "$f" => {
                let whole = self.below(2000) as i64 - 1000;
                format!("{whole}.{}", self.below(1000))
            }
            "$t" => (4_102_444_800_000 + self.below(1 << 30)).to_string(),
            "$T" => (4_102_444_800 + self.below(1 << 20)).to_string(),
            "$p" => (1_000_000 + self.below(1 << 30)).to_string(),
            "$b" => self.below(100).to_string(),
            "$g" => format!("g{}", self.below(3)),
            "$c" => format!("c{}", self.below(3)),
            "$d" => {
                let at = self.below(self.ids.len() as u64) as usize;
                self.ids[at].clone()
            }
            "@script" => {
                "redis.call('SET', KEYS[1], ARGV[1]); redis.call('HSET', KEYS[2], 'from', 'script')"
                    .to_owned()
            }
            other => match other.split_once('$') {
                Some(("@lib", "i")) => {
                    let n = self.below(3);
                    format!(
                        "#!lua name=lib{n}\nredis.register_function('f{n}', function() return {} end)",
                        self.below(9)
                    )
                }
                Some((start, "i")) => format!("{start}{}", self.below(7)),
                _ => other.to_owned(),
            },
        };
        text.into_bytes()
    }

    /// Remembers the ids of entries, so that later commands may name them.
    fn learn(&mut self, reply: &Value) {
        if let Value::BulkString(bytes) = reply
            && bytes.len() > 12
            && let Ok(text) = std::str::from_utf8(bytes)
            && text.split_once('-').is_some_and(|(ms, _)| ms.len() == 13)
        {
            if self.ids.len() > 60 {
                self.ids.remove(0);
            }
            self.ids.push(text.to_owned());
        }
    }
}

/// Sends commands, every tenth run of them as a transaction.
pub fn drive(server: &Server, seed: u64, commands: usize) {
    let mut generator = Generator::new(seed);
    let mut left = commands;
    while left > 0 {
        let many = 1 + generator.below(6) as usize;
        let mut batch: Vec<Vec<Vec<u8>>> = (0..many).map(|_| generator.command()).collect();
        if generator.below(10) == 0 {
            batch.insert(0, vec![b"MULTI".to_vec()]);
            batch.push(vec![b"EXEC".to_vec()]);
        }
        for reply in server.pipeline(&batch) {
            generator.learn(&reply);
        }
        left = left.saturating_sub(many);
    }
    server.cmd(&["SELECT", "0"]);
}

/// The log of a server that has one.
pub fn log_of(server: &Server) -> PathBuf {
    let folder = server.dir().join("appendonlydir");
    if folder.is_dir() { folder } else { server.dir().join("appendonly.aof") }
}

/// What was done so far becomes the base of the server's log, which goes on behind it.
#[track_caller]
pub fn rewrite(server: &Server) {
    server.cmd(&["BGREWRITEAOF"]);
    wait_until("the log is rewritten", Duration::from_secs(60), || {
        text(&server.cmd(&["INFO", "persistence"]))
            .contains("aof_rewrite_in_progress:0\\r\\naof_rewrite_scheduled:0")
    });
}

/// A reply, to be compared and shown.
pub fn text(value: &Value) -> String {
    match value {
        Value::ServerError(error) => format!("-{} {}", error.code(), error.details().unwrap_or("")),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        Value::BulkString(bytes) => bytes.escape_ascii().to_string(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".into(),
        Value::Int(n) => n.to_string(),
        Value::Nil => "nil".into(),
        other => format!("{other:?}"),
    }
}
