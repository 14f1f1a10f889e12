//! What the system says by a signal: a file that others cut short while it is mapped, of which what
//! has gone cannot be read; and an output that has grown to a limit, which the failing write tells.

/// What is said then.
#[cfg(target_os = "linux")]
const WORDS: &str = "rdbkit: a file has become shorter while it was read, and what is missing of it \
    was asked for; look again when nobody writes to it, or read it with --no-mmap\n";

/// Has the program end with a sentence where it would end with a signal.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "there is no safe way to hear of a signal that a touch of memory raises"
)]
pub(super) fn expect() {
    // SAFETY: the action is all zeros but for its handler: no flags, no signals blocked. The handler
    // is a function that lives as long as the program. The runtime handles this signal too, to tell
    // that a stack has overflowed: on this system that raises another one. What is ignored runs
    // nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_cut as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what may be called while a signal is handled")]
extern "C" fn on_cut(_: libc::c_int) {
    // SAFETY: both are safe to call while a signal is handled; the words are there for good. An
    // output that is not whole is not yet where it belongs.
    unsafe {
        libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
        libc::_exit(2)
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn expect() {}
