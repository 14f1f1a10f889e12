//! Names of files as bytes, which is what manifests hold, and back.

use std::ffi::{OsStr, OsString};

#[cfg(unix)]
pub(super) fn bytes_of(name: &OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    name.as_bytes().to_vec()
}

#[cfg(unix)]
pub(super) fn os(name: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(name).to_owned()
}

#[cfg(not(unix))]
pub(super) fn bytes_of(name: &OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
pub(super) fn os(name: &[u8]) -> OsString {
    OsString::from(String::from_utf8_lossy(name).into_owned())
}
