//! Short texts that came lately, and what stands for them: names of fields and parts of keys come
//! again and again.

/// Texts that are no longer are remembered.
const LONGEST: usize = 24;
/// How many are remembered, each in the one place where it can be.
const PLACES_LOG2: u32 = 10;

/// What was made of short texts.
#[derive(Debug, Default)]
pub(super) struct Memo {
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    len: u8,
    text: [u8; LONGEST],
    made: [u8; LONGEST],
}

impl Memo {
    /// Appends what stands for a text, which is as long as that; `make` does so where it is not
    /// remembered.
    #[inline]
    pub(super) fn or_make(
        &mut self,
        out: &mut Vec<u8>,
        text: &[u8],
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut padded = [0; LONGEST];
        let Some(room) = padded.get_mut(..text.len()) else { return make(out) };
        room.copy_from_slice(text);
        if self.places.is_empty() {
            self.places.resize(1 << PLACES_LOG2, Place::default());
        }
        let len = text.len() as u8;
        let Some(place) = self.places.get_mut(slot(&padded)) else { return make(out) };
        if (place.len, &place.text) == (len, &padded) {
            return out.extend_from_slice(place.made.get(..text.len()).unwrap_or_default());
        }
        let begun = out.len();
        make(out);
        if let (Some(to), Some(from)) = (place.made.get_mut(..text.len()), out.get(begun..))
            && to.len() == from.len()
        {
            to.copy_from_slice(from);
            (place.len, place.text) = (len, padded);
        }
    }
}

/// Where a text is remembered.
#[inline]
fn slot(text: &[u8; LONGEST]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = text.as_chunks();
    let mixed = words.iter().fold(0, |hash: u64, word| {
        (hash.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD)
    });
    (mixed >> (64 - PLACES_LOG2)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_not_made_again() {
        let mut memo = Memo::default();
        let mut made = 0;
        let mut ask = |text: &[u8]| {
            let mut out = b"before ".to_vec();
            memo.or_make(&mut out, text, |out| {
                made += 1;
                out.extend(text.iter().map(|byte| byte.wrapping_add(1)));
            });
            let want: Vec<u8> = text.iter().map(|byte| byte.wrapping_add(1)).collect();
            assert_eq!(out.strip_prefix(b"before "), Some(&want[..]));
            made
        };
        assert_eq!(ask(b"name"), 1);
        assert_eq!(ask(b"name"), 1);
        // Zeros behind it are not what fills the room.
        assert_eq!(ask(b"name\0"), 2);
        assert_eq!(ask(b"name"), 3);
        assert_eq!(ask(&[7; LONGEST]), 4);
        assert_eq!(ask(&[7; LONGEST]), 4);
        assert_eq!(ask(&[7; LONGEST + 1]), 5);
        assert_eq!(ask(&[7; LONGEST + 1]), 6);
        for n in 0..5000_u32 {
            ask(n.to_string().as_bytes());
        }
        ask(b"");
    }
}
