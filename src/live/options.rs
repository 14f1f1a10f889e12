//! What is to be known besides a URL.

use super::{Access, Silence, Timeouts, TlsOptions};

/// How live servers are reached that a URL names.
#[derive(Debug, Clone, Default)]
pub struct LiveOptions {
    /// User and password, for URLs that do not name them.
    pub access: Access,
    /// Whom to trust.
    pub tls: TlsOptions,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// Of what Sentinels or a Cluster watch over: read from a replica where there is one in step.
    pub prefer_replica: bool,
    /// Who hears of servers that say nothing, and ends the waits for them.
    pub silence: Option<Silence>,
}
