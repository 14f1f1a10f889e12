//! Asking for bytes before they are looked at: what lies far apart in memory is at hand sooner when
//! something else is done meanwhile.

/// What comes from memory at a time.
const LINE: usize = 64;

/// Asks for bytes, no more than the first `most` of them, and does not wait.
#[inline]
pub fn prefetch_first(most: usize, bytes: &[u8]) {
    bytes.get(..most).unwrap_or(bytes).chunks(LINE).for_each(prefetch);
}

/// Asks for the memory that something begins in, and does not wait for it.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a hint, which looks at nothing and cannot fail")
)]
pub fn prefetch<T: ?Sized>(it: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: all processors of this kind have the instruction. It changes no memory and no
        // register, and is defined for any address, mapped or not; this one is that of a reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(it).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = it;
}

#[cfg(test)]
mod tests {
    use super::{prefetch, prefetch_first};

    #[test]
    fn any_bytes_may_be_asked_for() {
        let bytes = vec![7; 100];
        for at in [0, 1, 99, 100] {
            prefetch(&bytes[at..]);
            prefetch_first(70, &bytes[at..]);
        }
        prefetch::<[u8]>(&[]);
        prefetch(&bytes);
        prefetch_first(1000, &bytes);
        assert_eq!(bytes, [7; 100]);
    }
}
