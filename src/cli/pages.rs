//! The size of the pages that memory comes in.

/// Has all memory come in small pages, as servers do for themselves: keys and values that grow and
/// go leave holes, and what is in a large page stays as long as any of it is used.
pub(crate) fn use_small_pages() {
    // Where that cannot be had, more memory is used, and nothing else is different.
    #[cfg(target_os = "linux")]
    {
        _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}
