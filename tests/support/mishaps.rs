//! A replay at work while something happens to it, or to its target.

use std::fmt::Debug;
use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;

use super::client::text;
use super::random::Random;
use super::replayer::Replayer;
use super::servers::Server;
use super::{say, wait_until};

/// While a replay has most of its work before it, in milliseconds since it began.
pub const EARLY: Range<u64> = 100..800;
/// How long a replica may take to be cut off.
const PATIENCE: Duration = Duration::from_secs(20);

/// A replay that is killed again and again, and goes on each time, ends well.
#[track_caller]
pub fn survives_kills(random: &mut Random, replay: &dyn Fn() -> Replayer) {
    let mut replayer = replay();
    moment(random, EARLY);
    let mut kills = 0;
    // A log that has been replayed to its end is replayed again when it is asked for.
    while kills < 3 && replayer.is_at_work() {
        replayer.kill();
        kills += 1;
        replayer = replay();
        moment(random, EARLY);
    }
    say(format_args!("killed {kills} times"));
    replayer.succeeds();
}

/// A replay to whose target something happens ends well; `when` it does, in milliseconds since the
/// replay began, chance says.
#[track_caller]
pub fn survives(
    (mishap, when): (&dyn Debug, Range<u64>),
    random: &mut Random,
    replay: &dyn Fn() -> Replayer,
    happens: impl FnOnce(&mut Random),
) {
    let mut replayer = replay();
    moment(random, when);
    let at_work = replayer.is_at_work();
    happens(random);
    say(format_args!("{mishap:?}, while at work: {at_work}"));
    replayer.succeeds();
}

/// Lets a replica hear no more of its master, as if it were far behind: it is alive all the same.
#[track_caller]
pub fn cut_off(replica: &Server) {
    // One that was a master until now cut its clients off.
    let replica = replica.connect();
    // A master without a password refuses everybody who brings one.
    replica.cmd(&["CONFIG", "SET", "masterauth", "wrong"]);
    wait_until("a replica is cut off", PATIENCE, || {
        replica.cmd(&["CLIENT", "KILL", "TYPE", "master"]);
        text(replica.cmd(&["INFO", "replication"])).contains("master_link_status:down")
    });
}

/// Lets it hear of its master again.
#[track_caller]
pub fn join_again(replica: &Server) {
    replica.connect().cmd(&["CONFIG", "SET", "masterauth", ""]);
}

fn moment(random: &mut Random, when: Range<u64>) {
    let over = random.below((when.end - when.start) as usize) as u64;
    sleep(Duration::from_millis(when.start + over));
}
