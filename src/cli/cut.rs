//! A file that others cut short while it is mapped: the system says so by a signal, and what has
//! gone cannot be read.

/// What is said then.
#[cfg(unix)]
const WORDS: &str = "rdbkit: a file has become shorter while it was read, and what is missing of it \
    was asked for; look again when nobody writes to it, or read it with --no-mmap\n";

/// Has the program end with a sentence where it would end with a signal.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "there is no safe way to hear of a signal that a touch of memory raises"
)]
pub(super) fn expect() {
    // SAFETY: the action is all zeros but for its handler: no flags, no signals blocked. The handler
    // is a function that lives as long as the program. Nothing else here handles this signal: the
    // runtime does, to tell that a stack has overflowed, which on this system raises another one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_cut as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "what may be called while a signal is handled")]
extern "C" fn on_cut(_: libc::c_int) {
    // SAFETY: both are safe to call while a signal is handled; the words are there for good. An
    // output that is not whole has no name yet.
    unsafe {
        libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
        libc::_exit(2)
    }
}

#[cfg(not(unix))]
pub(super) fn expect() {}
