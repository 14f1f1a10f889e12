//! JSON strings and base64 with registers of 32 bytes, where the processor has them (AVX2).
//!
//! ```text
//! text      a"b\cdef        marks  01010000        eight bytes, of which two need a backslash
//! places    0 . 1 2 . 3 4 5 6 7                    of a table of all marks that eight bytes can have
//! string    a \ " b \ \ c d e f                    all of it moved at once
//! ```
//!
//! No step jumps by what a byte is: which come next is anybody's guess. A text shorter than a register
//! is read into one with zeros behind it, and never beyond its end. The danger: what these
//! functions are compiled to stops a processor that lacks it. So they are behind [`Wide`], which is
//! there only where it has been asked, and each is held against the plain way by tests.

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Wide;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use none::Wide;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "only through it a processor is asked for more than all have")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::sync::atomic::AtomicU8;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::bytes::room::{Room, Slots, Written};
    use crate::report::short::{LONGEST, escaped_one_by_one};

    /// Whether the processor has what this needs; asked once, for the answer is wanted of each element.
    static FOUND: AtomicU8 = AtomicU8::new(0);
    const YES: u8 = 1;
    const NO: u8 = 2;

    /// The processor has what this needs.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::report) struct Wide(());

    impl Wide {
        #[inline(always)]
        pub(in crate::report) fn get() -> Option<Wide> {
            match FOUND.load(Relaxed) {
                YES => Some(Wide(())),
                NO => None,
                _ => Wide::ask(),
            }
        }

        #[cold]
        fn ask() -> Option<Wide> {
            let is_here = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
            FOUND.store(if is_here { YES } else { NO }, Relaxed);
            is_here.then_some(Wide(()))
        }

        /// Writes bytes as JSON, if they are no more than [`LONGEST`].
        #[inline(always)]
        pub(in crate::report) fn string<'o>(
            self,
            bytes: &[u8],
            to: Slots<'o>,
        ) -> Option<Written<'o>> {
            // SAFETY: there is a `Wide` only where the processor has AVX2 and POPCNT.
            unsafe { string(bytes, to) }
        }

        /// Writes UTF-8 with all that must be escaped.
        #[inline]
        pub(in crate::report) fn escaped<'o>(
            self,
            text: &[u8],
            to: Slots<'o>,
        ) -> Option<Written<'o>> {
            // SAFETY: as above.
            unsafe { escaped(text, to) }
        }

        /// Writes base64, padded.
        #[inline]
        pub(in crate::report) fn base64<'o>(
            self,
            bytes: &[u8],
            to: Slots<'o>,
        ) -> Option<Written<'o>> {
            // SAFETY: as above.
            unsafe { base64(bytes, to) }
        }
    }

    #[target_feature(enable = "avx2,popcnt")]
    fn string<'o>(bytes: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
        let mut room = to.open();
        room.put(b"\"", 1)?;
        if let Some((first, rest)) = bytes.split_at_checked(32) {
            let blocks = [Block::short(first), Block::short(rest)];
            if bytes.len() > LONGEST {
                return None;
            }
            if blocks.iter().any(|block| block.marks() | block.high() != 0) {
                return with_care(bytes, &blocks, room);
            }
            blocks.iter().try_for_each(|block| room.put(&block.bytes(), block.len))?;
        } else {
            let block = Block::short(bytes);
            if block.marks() | block.high() != 0 {
                return with_care(bytes, &[block], room);
            }
            room.put(&block.bytes(), bytes.len())?;
        }
        room.put(b"\"", 1)?;
        Some(room.close())
    }

    /// The same of what is not plain, once its quote has been written.
    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    fn with_care<'o>(bytes: &[u8], blocks: &[Block], mut room: Room<'o>) -> Option<Written<'o>> {
        let is_ascii = blocks.iter().all(|block| block.high() == 0);
        let is_noise = blocks.first().is_some_and(|block| block.begins_no_utf8());
        if !is_ascii && (is_noise || std::str::from_utf8(bytes).is_err()) {
            room.restart();
            room.put(b"{\"base64\":\"", 11)?;
            push_base64(bytes, &mut room)?;
            room.put(b"\"}", 2)?;
        } else {
            for block in blocks {
                block.escaped(&mut room)?;
            }
            room.put(b"\"", 1)?;
        }
        Some(room.close())
    }

    #[target_feature(enable = "avx2,popcnt")]
    fn escaped<'o>(text: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
        let mut room = to.open();
        let (blocks, rest) = text.as_chunks::<32>();
        for block in blocks {
            let block = Block { word: word(block), len: 32 };
            if block.marks() == 0 {
                room.put(&block.bytes(), 32)?;
            } else {
                block.escaped(&mut room)?;
            }
        }
        Block::short(rest).escaped(&mut room)?;
        Some(room.close())
    }

    #[target_feature(enable = "avx2,popcnt")]
    fn base64<'o>(bytes: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
        let mut room = to.open();
        push_base64(bytes, &mut room)?;
        Some(room.close())
    }

    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    fn push_base64(bytes: &[u8], room: &mut Room<'_>) -> Option<()> {
        let mut rest = bytes;
        while let (Some(block), Some(behind)) = (rest.first_chunk(), rest.get(24..)) {
            room.put(&base64_24(word(block)), 32)?;
            rest = behind;
        }
        // Less than 32 bytes, and so no more than two steps.
        let Block { word, len } = Block::short(rest);
        room.put(&base64_24(word), (len.min(24) * 4).div_ceil(3))?;
        if len > 24 {
            let behind = _mm256_permute4x64_epi64::<3>(word);
            room.put(&base64_24(behind), ((len - 24) * 4).div_ceil(3))?;
        }
        room.put(b"==", (3 - len % 3) % 3)
    }

    /// What 24 bytes are in base64; eight more are not looked at.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn base64_24(bytes: __m256i) -> [u8; 32] {
        // Twelve bytes to each half, and of these three to each group of four: b a c b.
        let halves = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0));
        let groups = _mm256_shuffle_epi8(
            halves,
            _mm256_broadcastsi128_si256(_mm_setr_epi8(
                1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,
            )),
        );
        // Six bits to each byte: two are moved down, the two others up, by multiplications.
        let (down, up) = (_mm256_set1_epi32(0x0fc0_fc00), _mm256_set1_epi32(0x003f_03f0));
        let down =
            _mm256_mulhi_epu16(_mm256_and_si256(groups, down), _mm256_set1_epi32(0x0400_0040));
        let up = _mm256_mullo_epi16(_mm256_and_si256(groups, up), _mm256_set1_epi32(0x0100_0010));
        let sixes = _mm256_or_si256(down, up);
        // How far each is from its letter: one number for each of the alphabet's five stretches.
        let behind = _mm256_subs_epu8(sixes, _mm256_set1_epi8(51));
        let upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
        let stretch = _mm256_or_si256(behind, _mm256_and_si256(upper, _mm256_set1_epi8(13)));
        let distances = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0,
        ));
        bytes_of(_mm256_add_epi8(sixes, _mm256_shuffle_epi8(distances, stretch)))
    }

    /// A text of no more than 32 bytes, and zeros behind it.
    #[derive(Clone, Copy)]
    struct Block {
        word: __m256i,
        len: usize,
    }

    impl Block {
        /// The first 32 bytes of a text.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn short(text: &[u8]) -> Block {
            let len = text.len().min(32);
            let Some(last) = text.last_chunk::<4>() else {
                let byte = |at: usize| u32::from(text.get(at).copied().unwrap_or(0));
                let all = byte(0) | byte(1) << 8 | byte(2) << 16;
                let word = _mm256_zextsi128_si256(_mm_cvtsi32_si128(all as i32));
                return Block { word, len };
            };
            let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let whole = _mm256_set1_epi32((len / 4) as i32);
            let mask = _mm256_cmpgt_epi32(whole, places);
            // SAFETY: only groups of four bytes are read that the mask names, and it names those
            // that the text holds as a whole.
            let head = unsafe { _mm256_maskload_epi32(text.as_ptr().cast(), mask) };
            // Up to three bytes more, which are the last ones of the last four.
            let tail = u64::from(u32::from_le_bytes(*last)) >> (32 - 8 * (len % 4));
            let tail = _mm256_set1_epi32(tail as u32 as i32);
            let tail = _mm256_and_si256(tail, _mm256_cmpeq_epi32(whole, places));
            Block { word: _mm256_or_si256(head, tail), len }
        }

        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn bytes(&self) -> [u8; 32] {
            bytes_of(self.word)
        }

        /// A bit for each byte of the text that no string of JSON may have as it is.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn marks(&self) -> u32 {
            let quotes = _mm256_cmpeq_epi8(self.word, _mm256_set1_epi8(b'"' as i8));
            let slashes = _mm256_cmpeq_epi8(self.word, _mm256_set1_epi8(b'\\' as i8));
            let marks = _mm256_or_si256(_mm256_or_si256(quotes, slashes), self.controls());
            self.bits(marks)
        }

        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn controls(&self) -> __m256i {
            let most = _mm256_min_epu8(self.word, _mm256_set1_epi8(0x1f));
            _mm256_cmpeq_epi8(most, self.word)
        }

        /// A bit for each byte of the text that is not ASCII.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn high(&self) -> u32 {
            self.bits(self.word)
        }

        /// Whether it is seen at a glance that no UTF-8 begins so, as of nearly all that is none: a
        /// character's first byte has another one behind it, and that one has something before it.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn begins_no_utf8(&self) -> bool {
            let high = self.high();
            let firsts = high & self.bits(_mm256_cmpgt_epi8(self.word, _mm256_set1_epi8(-65)));
            let others = high & !firsts;
            (firsts << 1) & !others != 0 || others & !(high << 1) != 0
        }

        /// The highest bit of each byte of the text.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn bits(&self, word: __m256i) -> u32 {
            _mm256_movemask_epi8(word) as u32 & ((1_u64 << self.len) - 1) as u32
        }

        /// Writes it with all that must be escaped.
        #[inline]
        #[target_feature(enable = "avx2,popcnt")]
        fn escaped(&self, room: &mut Room<'_>) -> Option<()> {
            if self.bits(self.controls()) != 0 {
                // Rare, and not for the registers of all others.
                let bytes = self.bytes();
                return room.lend(|to| escaped_one_by_one(bytes.get(..self.len)?, to));
            }
            let marks = self.marks();
            let (low, high) =
                (_mm256_castsi256_si128(self.word), _mm256_extracti128_si256::<1>(self.word));
            eight(low, marks, self.len, room)?;
            eight(_mm_srli_si128::<8>(low), marks >> 8, self.len.saturating_sub(8), room)?;
            if self.len <= 16 {
                return Some(());
            }
            eight(high, marks >> 16, self.len - 16, room)?;
            eight(_mm_srli_si128::<8>(high), marks >> 24, self.len.saturating_sub(24), room)
        }
    }

    /// Writes eight bytes, or `len` if that is less, with a backslash in front of those that have a
    /// mark.
    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    fn eight(text: __m128i, marks: u32, len: usize, room: &mut Room<'_>) -> Option<()> {
        let marks = (marks & 0xff) as usize;
        let places = half(EXPAND.get(marks)?);
        let moved = _mm_shuffle_epi8(text, places);
        // Where there is no byte, there is a backslash.
        let string = _mm_blendv_epi8(moved, _mm_set1_epi8(b'\\' as i8), places);
        room.put(&half_bytes(string), len.min(8) + marks.count_ones() as usize)
    }

    /// For each set of marks where the bytes of the string come from.
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
    static EXPAND: [[u8; 16]; 256] = {
        let mut table = [[0; 16]; 256];
        let mut marks = 0;
        while marks < 256 {
            let (mut from, mut to) = (0, 0);
            while from < 8 {
                if marks >> from & 1 == 1 {
                    table[marks][to] = 0x80;
                    to += 1;
                }
                table[marks][to] = from;
                to += 1;
                from += 1;
            }
            marks += 1;
        }
        table
    };

    #[inline]
    #[target_feature(enable = "avx2")]
    fn word(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: both are 32 bytes, and any bytes are either.
        unsafe { std::mem::transmute::<[u8; 32], __m256i>(*bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bytes_of(word: __m256i) -> [u8; 32] {
        // SAFETY: as above.
        unsafe { std::mem::transmute::<__m256i, [u8; 32]>(word) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn half(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: as above, of 16 bytes.
        unsafe { std::mem::transmute::<[u8; 16], __m128i>(*bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn half_bytes(half: __m128i) -> [u8; 16] {
        // SAFETY: as above.
        unsafe { std::mem::transmute::<__m128i, [u8; 16]>(half) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod none {
    use crate::bytes::room::{Slots, Written};

    /// There is no such processor.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::report) enum Wide {}

    impl Wide {
        pub(in crate::report) fn get() -> Option<Wide> {
            None
        }

        pub(in crate::report) fn string<'o>(self, _: &[u8], _: Slots<'o>) -> Option<Written<'o>> {
            match self {}
        }

        pub(in crate::report) fn escaped<'o>(self, _: &[u8], _: Slots<'o>) -> Option<Written<'o>> {
            match self {}
        }

        pub(in crate::report) fn base64<'o>(self, _: &[u8], _: Slots<'o>) -> Option<Written<'o>> {
            match self {}
        }
    }
}
