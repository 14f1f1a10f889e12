//! What an allocator makes of a size: it hands out classes of sizes, and the servers count those.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The allocator that a server was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Allocator {
    /// The jemalloc that servers bring along: small sizes in steps of 8. Images and packages of the
    /// projects themselves have this.
    #[default]
    JemallocQ8,
    /// A system's jemalloc up to 5.3.0: small sizes in steps of 16. Debian and Ubuntu link to it.
    JemallocQ16,
    /// A system's jemalloc from 5.3.1 on: as before, and large sizes are whole pages.
    JemallocPages,
    /// The C library's (glibc).
    Libc,
}

const PAGE: u64 = 4096;
/// From here on jemalloc 5.3.1 counts in pages.
const LARGE: u64 = 16 << 10;
/// From here on glibc asks the system for each block.
const MAPPED: u64 = 128 << 10;

impl Allocator {
    /// Every allocator that is known.
    pub const ALL: [Allocator; 4] =
        [Allocator::JemallocQ8, Allocator::JemallocQ16, Allocator::JemallocPages, Allocator::Libc];

    /// The name, as `--allocator` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Allocator::JemallocQ8 => "jemalloc-q8",
            Allocator::JemallocQ16 => "jemalloc-q16",
            Allocator::JemallocPages => "jemalloc-5.3.1",
            Allocator::Libc => "libc",
        }
    }

    /// The bytes that a block of `bytes` takes.
    #[inline]
    pub fn usable(self, bytes: u64) -> u64 {
        match self {
            Allocator::Libc if bytes >= MAPPED => round_up(bytes.saturating_add(16), PAGE) - 16,
            // Eight bytes of head, in steps of 16, 32 at least.
            Allocator::Libc => (round_up(bytes + 8, 16) - 8).max(24),
            Allocator::JemallocPages if bytes > LARGE => round_up(bytes, PAGE),
            Allocator::JemallocQ8 if bytes <= 64 => round_up(bytes.max(1), 8),
            _ if bytes <= 8 => 8,
            _ if bytes <= 128 => round_up(bytes, 16),
            _ => {
                // Four classes for each doubling.
                let below = 1_u64 << (63 - (bytes - 1).leading_zeros());
                round_up(bytes, below / 4)
            }
        }
    }
}

fn round_up(bytes: u64, step: u64) -> u64 {
    bytes.checked_next_multiple_of(step).unwrap_or(bytes)
}

impl fmt::Display for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Allocator {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |allocator: &Allocator| allocator.name().eq_ignore_ascii_case(text);
        Allocator::ALL.into_iter().find(named).ok_or_else(|| {
            let known = Allocator::ALL.map(Allocator::name).join(", ");
            Error::Usage(format!("allocator {text:?} is not known; known are {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Allocator;

    #[track_caller]
    fn check(allocator: Allocator, classes: &[u64], beyond: u64) {
        let mut got: Vec<u64> = (0..=beyond).map(|bytes| allocator.usable(bytes)).collect();
        for (bytes, class) in got.iter().enumerate() {
            assert!(*class >= bytes as u64 && allocator.usable(*class) == *class, "{bytes}");
        }
        got.dedup();
        assert_eq!(got, classes);
    }

    #[test]
    fn the_classes() {
        let above = [160, 192, 224, 256, 320, 384, 448, 512, 640];
        let q8 = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128];
        check(Allocator::JemallocQ8, &[&q8[..], &above].concat(), 600);
        let q16 = [8, 16, 32, 48, 64, 80, 96, 112, 128];
        check(Allocator::JemallocQ16, &[&q16[..], &above].concat(), 600);
        check(Allocator::JemallocPages, &[&q16[..], &above].concat(), 600);
        check(Allocator::Libc, &[24, 40, 56, 72, 88, 104, 120, 136, 152], 150);
    }

    #[test]
    fn large_blocks() {
        assert_eq!(Allocator::JemallocQ8.usable(100_006), 114_688);
        assert_eq!(Allocator::JemallocQ16.usable(14_337), 16_384);
        assert_eq!(Allocator::JemallocPages.usable(100_006), 102_400);
        assert_eq!(Allocator::Libc.usable(1_000_009), 1_003_504);
        for allocator in Allocator::ALL {
            assert!(allocator.usable(u64::MAX / 2) >= u64::MAX / 2);
            assert_eq!(allocator.name().parse::<Allocator>().unwrap(), allocator);
        }
    }
}
