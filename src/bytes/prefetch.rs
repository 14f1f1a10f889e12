//! Asking for bytes before they are looked at: what lies far apart in memory is at hand sooner when
//! something else is done meanwhile.

/// Asks for the memory that these bytes begin in, and does not wait for it.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a hint, which looks at nothing and cannot fail")
)]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: all processors of this kind have the instruction. It changes no memory and no
        // register, and is defined for any address, mapped or not; this one is that of a slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn any_bytes_may_be_asked_for() {
        let bytes = vec![7; 100];
        for at in [0, 1, 99, 100] {
            prefetch(&bytes[at..]);
        }
        prefetch(&[]);
        assert_eq!(bytes, [7; 100]);
    }
}
