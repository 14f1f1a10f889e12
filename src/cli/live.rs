//! The options with which live servers are reached, for all verbs that read from one or write to
//! one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
use rdbkit::live::{Access, Endpoint, LiveOptions, Secret, Timeouts, TlsOptions};

/// Where a password may stand, the first that does counts. The others are those of the servers' own
/// programs.
const PASSWORDS: [&str; 3] = ["RDBKIT_PASSWORD", "VALKEYCLI_AUTH", "REDISCLI_AUTH"];

#[derive(Debug, Args)]
#[command(next_help_heading = "Live server options")]
pub(crate) struct LiveArgs {
    /// The user to log in as, where the URL names none
    #[arg(
        long,
        value_name = "NAME",
        env = "RDBKIT_USER",
        hide_env_values = true,
        hide_short_help = true
    )]
    user: Option<String>,

    /// A file whose first line is the password; without it, it may stand in the URL or in
    /// RDBKIT_PASSWORD, VALKEYCLI_AUTH or REDISCLI_AUTH
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    password_file: Option<PathBuf>,

    /// The authority that signed the servers' certificates, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_ca: Option<PathBuf>,

    /// The client's certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", hide_short_help = true)]
    tls_cert: Option<PathBuf>,

    /// The key of the client's certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true)]
    tls_key: Option<PathBuf>,

    /// The name that a server's certificate has to have [default: the host of the URL]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    tls_server_name: Option<String>,

    /// Take any certificate: whoever stands between can read and change what is sent
    #[arg(long, hide_short_help = true)]
    tls_insecure: bool,

    /// How long a server may say nothing before it is given up
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, hide_short_help = true)]
    timeout: Duration,

    /// With Sentinels or a Cluster: read from a replica that is in step, where there is one
    #[arg(long, hide_short_help = true)]
    prefer_replica: bool,
}

impl LiveArgs {
    /// The endpoint of a URL, with user and password from wherever they are.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let Access { user, password } = self.options()?.access;
        Ok(url.parse::<Endpoint>()?.with_access(user, password))
    }

    /// An option for TLS where none of these is reached over it, and what there is to say of that.
    pub(crate) fn idle<'u>(&self, urls: impl IntoIterator<Item = &'u str>) -> Option<String> {
        let is_encrypted = |url: &str| url.parse::<Endpoint>().is_ok_and(|endpoint| endpoint.tls);
        let option = match self {
            LiveArgs { tls_ca: Some(_), .. } => "--tls-ca",
            LiveArgs { tls_cert: Some(_), .. } => "--tls-cert",
            LiveArgs { tls_server_name: Some(_), .. } => "--tls-server-name",
            LiveArgs { tls_insecure: true, .. } => "--tls-insecure",
            _ => return None,
        };
        if urls.into_iter().any(is_encrypted) {
            return None;
        }
        Some(format!(
            "{option} is for TLS, and no server here is reached over it: that is rediss:// rather than \
             redis:// (rediss+sentinel://, rediss+cluster://)"
        ))
    }

    /// How live servers are reached.
    pub(crate) fn options(&self) -> Result<LiveOptions, Error> {
        let password = match &self.password_file {
            Some(path) => Some(password_in(path)?),
            None => PASSWORDS.iter().find_map(|name| password_of(std::env::var_os(name)?.as_ref())),
        };
        let defaults = Timeouts::default();
        Ok(LiveOptions {
            access: Access { user: self.user.clone(), password },
            tls: TlsOptions {
                ca: self.tls_ca.clone(),
                cert: self.tls_cert.clone(),
                key: self.tls_key.clone(),
                server_name: self.tls_server_name.clone(),
                insecure: self.tls_insecure,
            },
            timeouts: Timeouts { connect: defaults.connect.min(self.timeout), reply: self.timeout },
            prefer_replica: self.prefer_replica,
            silence: None,
        })
    }
}

fn password_of(text: &OsStr) -> Option<Secret> {
    text.to_str().filter(|text| !text.is_empty()).map(Secret::new)
}

/// The first line of a file.
fn password_in(path: &Path) -> Result<Secret, Error> {
    let name = path.shown();
    let text = std::fs::read_to_string(path)
        .map_err(|cause| Error::io(format!("cannot read the password in {name}"), cause))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => {
            Err(Error::Usage(format!("the first line of {name} is empty: it is to be a password")))
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let secs = text.parse::<f64>().ok().filter(|secs| *secs >= 0.1 && *secs <= 1e6);
    secs.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds, 0.1 or more".to_owned())
}
