//! What becomes of the scores of a sorted set: their order and equality stay.
//!
//! ```text
//! rank       -7.5  3  3  1e300  ►  0  1  1  2
//! perturb    each distance to the score before it grows by chance, up to twice of what it was, and
//!            all move away from where they were:    10 11 11 20  ►  13 15 15 27
//! ```
//!
//! So after a perturbation every score is another one, and integers are integers. Infinities stay.

use super::Scores;
use super::veil::Veil;
use crate::report::export::read::{Double, Scored};

/// Beyond this a double does not tell integers apart.
const LAST_INTEGER: f64 = 9_007_199_254_740_992.0;
/// Scores beyond this are made smaller, so that none of them becomes infinite.
const HUGE: f64 = 1e307;

/// Gives the members of a sorted set other scores.
pub(super) fn replace(all: &mut [Scored<'static>], how: Scores, veil: &Veil) {
    let mut old: Vec<f64> =
        all.iter().map(|scored| scored.score.0).filter(|score| score.is_finite()).collect();
    old.sort_by(f64::total_cmp);
    old.dedup();
    let new = match how {
        Scores::Keep => return,
        #[expect(clippy::cast_precision_loss, reason = "no set has so many members")]
        Scores::Rank => (0..old.len()).map(|place| place as f64).collect(),
        Scores::Perturb => perturbed(&old, veil),
    };
    for scored in all.iter_mut().filter(|scored| scored.score.0.is_finite()) {
        let place = old.partition_point(|score| *score < scored.score.0);
        if let Some(score) = new.get(place) {
            scored.score = Double(*score);
        }
    }
}

/// Other scores in the same order, ascending and all different as these are. The same scores become
/// the same ones.
fn perturbed(old: &[f64], veil: &Veil) -> Vec<f64> {
    let about: Vec<u8> = old.iter().flat_map(|score| score.to_le_bytes()).collect();
    let mut chance = vec![0; about.len()];
    veil.stream(&about, &mut chance);
    let chance = chance.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let largest = old.iter().fold(0.0_f64, |most, score| most.max(score.abs()));
    let whole = old.iter().all(|score| score.fract() == 0.0) && largest <= LAST_INTEGER;
    let shrink = if largest > HUGE { 0.125 } else { 1.0 };
    // How far the first one goes: about as far as the others are apart, or a part of what it is.
    let apart = match old {
        [first, .., last] => {
            #[expect(clippy::cast_precision_loss, reason = "no set has so many members")]
            let count = (old.len() - 1) as f64;
            (last * shrink - first * shrink) / count
        }
        _ => 0.0,
    };
    let first_step = apart.max(largest * shrink / 16.0).max(if whole { 8.0 } else { 0.0 });

    let mut new: Vec<f64> = Vec::with_capacity(old.len());
    let mut before: Option<f64> = None;
    for (score, chance) in old.iter().map(|score| score * shrink).zip(chance) {
        let next = match (before, new.last()) {
            (Some(before), Some(last)) => {
                let grown = last + (score - before) * (1.0 + share(chance));
                let next = if whole { grown.round() } else { grown };
                // What is close together may be one number farther away from zero.
                if next > *last { next } else { last.next_up() }
            }
            _ => {
                let next = score + first_step * (share(chance) + f64::EPSILON);
                let next = if whole { next.ceil() } else { next };
                if next > score { next } else { score.next_up() }
            }
        };
        new.push(next);
        before = Some(score);
    }
    new
}

/// A number from 0 up to 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
fn share(chance: u64) -> f64 {
    (chance >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &[f64]) -> Vec<f64> {
        let new = perturbed(old, &Veil::new(b"seed"));
        assert_eq!(new.len(), old.len());
        assert!(new.iter().all(|score| score.is_finite()), "{new:?}");
        assert!(new.is_sorted_by(|a, b| a < b), "{old:?} {new:?}");
        assert!(old.iter().zip(&new).all(|(old, new)| old != new), "{old:?} {new:?}");
        new
    }

    #[test]
    fn order_stays_and_every_score_is_another() {
        check(&[0.25, 0.5, 0.75, 1000.5]);
        check(&[-f64::MAX, -1.0, f64::MIN_POSITIVE, 5e-324 + 1.0, f64::MAX]);
        check(&[5e-324]);
        check(&[1.5, 1.5_f64.next_up(), 1.5_f64.next_up().next_up()]);
        check(&[]);
        check(&[-3.5]);
    }

    #[test]
    fn integers_stay_integers() {
        let lists: [&[f64]; 6] = [
            &[0.0],
            &[-5.0, 7.0],
            &[1.0, 2.0, 3.0, 4.0, 5.0],
            &[1_700_000_000.0, 1_700_000_001.0, 1_700_086_400.0],
            &[3_471_579_339_700_058.0, 3_479_099_956_230_698.0],
            &[-LAST_INTEGER, 0.0, LAST_INTEGER - 1.0, LAST_INTEGER],
        ];
        for old in lists {
            assert!(check(old).iter().all(|score| score.fract() == 0.0), "{old:?}");
        }
        let long: Vec<f64> = (0..5000).map(f64::from).collect();
        let new = check(&long);
        // One apart or two.
        let steps = new.array_windows().filter(|[a, b]| b - a == 2.0).count();
        assert!((2000..3000).contains(&steps), "{steps}");
    }

    #[test]
    fn the_seed_decides() {
        let old = [1.0, 2.5, 9.0];
        assert_eq!(perturbed(&old, &Veil::new(b"seed")), check(&old));
        assert_ne!(perturbed(&old, &Veil::new(b"another")), check(&old));
    }
}
