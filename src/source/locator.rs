//! Where a source is to be found, out of an argument of the command line.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use crate::bytes::PathName as _;

/// Where a source is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// A file or a directory.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// A live server.
    Live(LiveUrl),
}

/// The URL of a live server, as it was given. It is never shown with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveUrl {
    text: String,
}

impl LiveUrl {
    /// The URL of a text that begins with the scheme of one.
    pub fn new(text: &str) -> Option<Self> {
        let (scheme, _) = text.split_once("://")?;
        let base = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
        let is_one = matches!(base.as_str(), "redis" | "rediss" | "valkey" | "valkeys" | "unix");
        is_one.then(|| LiveUrl { text: text.to_owned() })
    }

    /// All of it, to connect with and not to be shown.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for LiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "live")]
        if let Ok(endpoint) = self.text.parse::<crate::live::Endpoint>() {
            return endpoint.fmt(f);
        }
        let (scheme, rest) = self.text.split_once("://").unwrap_or_default();
        let rest = rest.split('?').next().unwrap_or_default();
        let rest = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
        write!(f, "{scheme}://{rest}")
    }
}

impl fmt::Debug for LiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&OsStr> for Locator {
    /// `-` is standard input, what begins with the scheme of a live server is one, all else a path;
    /// a file of such a name is `./-`.
    fn from(argument: &OsStr) -> Self {
        match argument.to_str() {
            Some("-") => Locator::Stdin,
            Some(text) => {
                LiveUrl::new(text).map_or_else(|| Locator::Path(text.into()), Locator::Live)
            }
            None => Locator::Path(argument.into()),
        }
    }
}

impl From<&str> for Locator {
    /// As from an argument.
    fn from(argument: &str) -> Self {
        Locator::from(OsStr::new(argument))
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Locator::Path(path) => path.shown().fmt(f),
            Locator::Stdin => f.write_str("-"),
            Locator::Live(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Locator;

    #[test]
    fn an_argument_is_a_file_a_pipe_or_a_server() {
        let is = |text: &str| matches!(Locator::from(text), Locator::Live(_));
        assert!(is("redis://h") && is("UNIX:///run/s") && is("valkeys+cluster://a,b"));
        assert!(!is("./redis:/h") && !is("s3://b/k") && !is("redis:h") && !is("-"));
    }

    #[test]
    fn no_form_of_a_url_shows_its_password() {
        for url in ["redis://u:secret@h:1/2", "redis://u:secret@h:x", "unix:///s?password=secret"] {
            let locator = Locator::from(url);
            let shown = format!("{locator} {locator:?}");
            assert!(!shown.contains("secret") && shown.contains("://"), "{shown}");
        }
    }
}
