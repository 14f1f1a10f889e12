//! Which shard a key is in: it depends on the bytes of the key alone, never on the number of threads.

/// How many shards there are: of a million keys with what they hold, one fits in a cache near the
/// processor.
pub const SHARDS: usize = 512;

/// How many shards each of so many threads has; the last ones may have fewer.
#[inline]
pub fn shards_per_thread(threads: usize) -> usize {
    SHARDS.div_ceil(threads.max(1))
}

/// Which shard a key is in.
#[inline]
pub fn shard_of(key: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    // Eight bytes from either end, and of a long key eight from its middle: in one of them nearly
    // all keys have what tells them from others.
    let word = |at: usize| {
        let bytes = key.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes).wrapping_mul(ODD))
    };
    let mixed = match key.len().checked_sub(8) {
        Some(last) if last > 8 => {
            word(0).rotate_left(23) ^ word(last / 2).rotate_left(41) ^ word(last)
        }
        Some(last) => word(0).rotate_left(23) ^ word(last),
        None => key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)).wrapping_mul(ODD),
    };
    let mixed = mixed ^ (key.len() as u64) << 56;
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(ODD);
    // The shards are a power of two, and the high bits are the well mixed ones.
    (mixed >> (64 - SHARDS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_even_whatever_keys_are_called() {
        let count = |name: &dyn Fn(usize) -> String| {
            let mut shards = vec![0_usize; SHARDS];
            (0..SHARDS * 400).for_each(|n| shards[shard_of(name(n).as_bytes())] += 1);
            shards
        };
        let names: [&dyn Fn(usize) -> String; 5] = [
            &|n| n.to_string(),
            &|n| format!("key:{n:08}"),
            &|n| format!("user:{n}:data"),
            &|n| format!("{n}:and-a-long-text-behind-it"),
            &|n| format!("{:08x}-{n}", n.wrapping_mul(0x9e37_79b9)),
        ];
        for name in names {
            let shards = count(name);
            let most = shards.iter().max().unwrap();
            assert!((300..500).contains(most), "{} of 400 for {}", most, name(1));
        }
    }
}
