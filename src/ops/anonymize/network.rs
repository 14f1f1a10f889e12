//! A Feistel network over symbols: each round adds to one half what the other half, the subject
//! and the seed decide. Whatever that is, what differs stays different.
//!
//! A symbol alone has no halves, and what is added to it would be the same for all: one known text
//! would give away the others. It is swapped, or not, with another one in each of many rounds.

use std::fmt::Debug;

use crate::digest::Subject;

/// Rounds of the network; four make it look random.
const ROUNDS: u8 = 6;
/// So many symbols have halves with so many texts that four rounds cannot be told from chance.
const LONG: usize = 64;
const ROUNDS_OF_LONG: u8 = 4;
/// Rounds for a symbol alone: six times the bits of the largest number of symbols that there is.
const SWAPS: u8 = 126;
/// The same for symbols that fit a byte.
const SWAPS_OF_BYTES: u8 = 48;

/// Symbols on their way.
#[derive(Debug, Default)]
pub(super) struct Network<N> {
    symbols: Vec<N>,
    /// How many each could be.
    sizes: Vec<N>,
    /// What a round depends on, and what it adds.
    room: (Vec<u8>, Vec<u8>),
}

/// A number that holds a symbol and the number of symbols.
pub(super) trait Number: Copy + Default + Debug {
    /// Bytes of chance that move a symbol: enough for every place to be as likely as the others,
    /// but for one in a thousand.
    const CHANCE: usize;

    /// The number.
    fn get(self) -> u64;

    /// The number that this is; it fits.
    fn of(number: u64) -> Self;

    /// Appends the symbol.
    fn put(symbols: &[Self], out: &mut Vec<u8>);

    /// Moves symbols, around the end, by what chance says.
    fn step(symbols: &mut [Self], sizes: &[Self], chance: &[u8]);

    /// Does all rounds, where there is a shorter way; says whether there is.
    fn shortly(symbols: &mut [Self], sizes: &[Self], subject: &Subject<'_>) -> bool {
        let _ = (symbols, sizes, subject);
        false
    }
}

/// Symbols of a half that is short.
const HALF: usize = 8;

impl Number for u16 {
    const CHANCE: usize = 2;

    fn get(self) -> u64 {
        u64::from(self)
    }

    fn of(number: u64) -> Self {
        number as u16
    }

    #[inline]
    fn put(symbols: &[u16], out: &mut Vec<u8>) {
        out.extend(symbols.iter().map(|symbol| *symbol as u8));
    }

    #[inline]
    fn step(symbols: &mut [u16], sizes: &[u16], chance: &[u8]) {
        let (chance, _) = chance.as_chunks();
        for ((symbol, &size), chance) in symbols.iter_mut().zip(sizes).zip(chance) {
            let chance = u32::from(u16::from_le_bytes(*chance));
            let next = *symbol + ((chance * u32::from(size)) >> 16) as u16;
            *symbol = next - if next >= size { size } else { 0 };
        }
    }

    /// Where half of them stand in a word, nothing need be gathered.
    #[inline]
    fn shortly(symbols: &mut [u16], sizes: &[u16], subject: &Subject<'_>) -> bool {
        if symbols.len() > 2 * HALF {
            return false;
        }
        let middle = symbols.len() / 2;
        let halves = |all: &[u16]| {
            let (mut left, mut right) = ([0; HALF], [0; HALF]);
            let (first, second) = all.split_at(middle);
            left.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
            right.iter_mut().zip(second).for_each(|(to, from)| *to = *from);
            (left, right)
        };
        let (mut left, mut right) = halves(symbols);
        let (left_sizes, right_sizes) = halves(sizes);
        // A half's places that are empty have no size, and stay so.
        let add = |round, from: &[u16; HALF], len, to: &mut [u16; HALF], sizes: &[u16; HALF]| {
            let chance = subject.short(round, len, from.map(|symbol| symbol as u8));
            u16::step(to, sizes, &chance);
        };
        for round in (0..ROUNDS).step_by(2) {
            add(round, &left, middle, &mut right, &right_sizes);
            add(round + 1, &right, symbols.len() - middle, &mut left, &left_sizes);
        }
        let (first, second) = symbols.split_at_mut(middle);
        first.iter_mut().zip(left).for_each(|(to, from)| *to = from);
        second.iter_mut().zip(right).for_each(|(to, from)| *to = from);
        true
    }
}

impl Number for u32 {
    const CHANCE: usize = 4;

    fn get(self) -> u64 {
        u64::from(self)
    }

    fn of(number: u64) -> Self {
        number as u32
    }

    #[inline]
    fn put(symbols: &[u32], out: &mut Vec<u8>) {
        for symbol in symbols {
            let [low, middle, high, _] = symbol.to_le_bytes();
            out.extend_from_slice(&[low, middle, high]);
        }
    }

    #[inline]
    fn step(symbols: &mut [u32], sizes: &[u32], chance: &[u8]) {
        let (chance, _) = chance.as_chunks();
        for ((symbol, &size), chance) in symbols.iter_mut().zip(sizes).zip(chance) {
            let chance = u64::from(u32::from_le_bytes(*chance));
            let next = *symbol + ((chance * u64::from(size)) >> 32) as u32;
            *symbol = next - if next >= size { size } else { 0 };
        }
    }
}

impl<N: Number> Network<N> {
    /// Forgets all symbols; there will be no more than so many.
    pub(super) fn clear(&mut self, most: usize) {
        self.symbols.clear();
        self.sizes.clear();
        self.symbols.reserve(most);
        self.sizes.reserve(most);
    }

    #[inline]
    pub(super) fn push(&mut self, symbol: N, size: N) {
        self.symbols.push(symbol);
        self.sizes.push(size);
    }

    /// Appends those of a size above zero.
    #[inline]
    pub(super) fn fill(&mut self, symbols: impl ExactSizeIterator<Item = (N, N)>)
    where
        N: PartialEq,
    {
        let begun = self.symbols.len();
        let most = begun + symbols.len();
        self.symbols.resize(most, N::default());
        self.sizes.resize(most, N::default());
        let mut count = begun;
        for (symbol, size) in symbols {
            // Without a branch: which comes next is anybody's guess.
            if let (Some(room), Some(size_room)) =
                (self.symbols.get_mut(count), self.sizes.get_mut(count))
            {
                (*room, *size_room) = (symbol, size);
            }
            count += usize::from(size != N::default());
        }
        self.symbols.truncate(count);
        self.sizes.truncate(count);
    }

    pub(super) fn symbols(&self) -> &[N] {
        &self.symbols
    }

    /// Makes other symbols of the symbols.
    pub(super) fn shuffle(&mut self, subject: &Subject<'_>) {
        let Network { symbols, sizes, room: (about, chance) } = self;
        if let ([symbol], [size]) = (symbols.as_mut_slice(), sizes.as_slice()) {
            *symbol = N::of(swapped(symbol.get(), size.get(), subject));
            return;
        }
        if symbols.is_empty() || N::shortly(symbols, sizes, subject) {
            return;
        }
        let middle = symbols.len() / 2;
        let (left_sizes, right_sizes) = sizes.split_at(middle);
        let rounds = if symbols.len() < LONG { ROUNDS } else { ROUNDS_OF_LONG };
        chance.resize((symbols.len() - middle) * N::CHANCE, 0);
        for round in 0..rounds {
            let (left, right) = symbols.split_at_mut(middle);
            let (from, to, sizes) = match round % 2 {
                0 => (left, right, right_sizes),
                _ => (right, left, left_sizes),
            };
            about.clear();
            N::put(from, about);
            let chance = chance.get_mut(..to.len() * N::CHANCE).unwrap_or_default();
            subject.fill(round, about, chance);
            N::step(to, sizes, chance);
        }
    }
}

/// Another symbol of so many for a symbol: in each round it is swapped with its partner, or both
/// stay, which the larger one of both decides.
fn swapped(mut symbol: u64, size: u64, subject: &Subject<'_>) -> u64 {
    let rounds = if size <= 256 { SWAPS_OF_BYTES } else { SWAPS };
    for round in 0..rounds {
        let mut chance = [0; 8];
        subject.fill(round, b"partner", &mut chance);
        let partner = (u64::from_le_bytes(chance) % size + size - symbol) % size;
        let mut swaps = [0];
        subject.fill(round, &symbol.max(partner).to_le_bytes(), &mut swaps);
        if swaps[0] & 1 == 1 {
            symbol = partner;
        }
    }
    symbol
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Keyed;

    fn network<N: Number + PartialEq + From<u8>>(len: usize) -> Network<N> {
        let mut network = Network::default();
        network.clear(len);
        (0..len).for_each(|n| network.push(N::from(n as u8 % 9), N::from(10)));
        network
    }

    /// The shorter way is held against the one for all lengths.
    #[test]
    fn short_ones_go_the_same_way() {
        let keyed = Keyed::new(b"seed");
        let subject = keyed.subject(b"shape");
        for len in 2..=2 * HALF {
            let mut short = network::<u16>(len);
            short.shuffle(&subject);
            let Network { mut symbols, sizes, .. } = network::<u16>(len);
            let middle = len / 2;
            for round in 0..ROUNDS {
                let (left, right) = symbols.split_at_mut(middle);
                let (left_sizes, right_sizes) = sizes.split_at(middle);
                let (from, to, sizes) = match round % 2 {
                    0 => (left, right, right_sizes),
                    _ => (right, left, left_sizes),
                };
                let (mut about, mut chance) = (Vec::new(), vec![0; to.len() * 2]);
                u16::put(from, &mut about);
                subject.fill(round, &about, &mut chance);
                u16::step(to, sizes, &chance);
            }
            assert_eq!(short.symbols(), symbols, "{len}");
        }
    }

    #[test]
    fn a_symbol_alone_is_not_just_moved_on() {
        for size in [1, 2, 10, 26, 300, 60_000] {
            let keyed = Keyed::new(b"seed");
            let subject = keyed.subject(b"shape");
            let all: Vec<u64> = (0..size).map(|n| swapped(n, size, &subject)).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..size).collect::<Vec<_>>());
            let steps: std::collections::BTreeSet<u64> =
                all.iter().zip(0..).map(|(to, from)| (to + size - from) % size).collect();
            assert!(size < 10 || steps.len() > 4, "{size}: {steps:?}");
        }
    }

    #[test]
    fn all_symbols_stay_below_their_size_and_most_move() {
        let keyed = Keyed::new(b"seed");
        let subject = keyed.subject(b"shape");
        for len in [8, 17, 63, 64, 65, 300] {
            let mut narrow = network::<u16>(len);
            narrow.shuffle(&subject);
            assert!(narrow.symbols().iter().all(|symbol| *symbol < 10));
            let mut wide = network::<u32>(len);
            wide.shuffle(&subject);
            assert!(wide.symbols().iter().all(|symbol| *symbol < 10));
            let before = network::<u32>(len);
            let stayed = wide.symbols().iter().zip(before.symbols()).filter(|(a, b)| a == b);
            assert!(stayed.count() < len / 2);
        }
    }
}
