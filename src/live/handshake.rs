//! What went wrong as a connection was encrypted, as a sentence that says what may help.

use std::io;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::{Address, Failure};

/// Of a certificate that does not hold at this time: since when, or until when.
fn out_of_date(why: &CertificateError) -> Option<String> {
    let at = |time: UnixTime| {
        let secs = i64::try_from(time.as_secs()).ok();
        let at = secs.and_then(|secs| Timestamp::from_second(secs).ok());
        at.map_or_else(String::new, |at| format!(" {at}"))
    };
    Some(match why {
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has expired{}", at(*not_after))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not valid before{}", at(*not_before))
        }
        _ => return None,
    })
}

pub(super) fn tls_failure(address: &Address, name: &str, error: io::Error) -> Failure {
    let address = address.clone();
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let words = match cause {
        Some(rustls::Error::InvalidCertificate(why)) => match out_of_date(why) {
            Some(when) => format!(
                "the certificate of the server {when}, by the clock of this host: if that is right, \
                 the server needs a new one; --tls-insecure takes any certificate"
            ),
            // An authority may sign such a one without being asked for another.
            None if format!("{why:?}").contains("UnsupportedCertVersion") => {
                "the certificate of the server is one of X.509 version 1, which does not say whose \
                 name it has: the server needs one of version 3 (openssl x509 -req … -extfile FILE \
                 with subjectAltName in it); --tls-insecure takes any certificate"
                    .to_owned()
            }
            None => format!(
                "the certificate of the server does not hold ({why}) for {name}: name its \
                 authority with --tls-ca or its name with --tls-server-name; --tls-insecure takes \
                 any certificate"
            ),
        },
        Some(rustls::Error::AlertReceived(alert)) => format!(
            "the server refuses the encrypted connection ({alert:?}): does it want a client \
             certificate (--tls-cert, --tls-key)?"
        ),
        Some(rustls::Error::InvalidMessage(_)) => {
            "does not speak TLS on this port: is it redis:// rather than rediss://?".to_owned()
        }
        Some(other) => format!("no encrypted connection: {other}"),
        None if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            "no answer to the TLS handshake: is it redis:// rather than rediss://?".to_owned()
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof
            || error.kind() == io::ErrorKind::ConnectionReset =>
        {
            "the server ended the connection while it was being encrypted: does this port speak \
             TLS, or does it want a client certificate?"
                .to_owned()
        }
        None => return Failure::Unreachable { address, cause: error },
    };
    Failure::Tls { address, words, is_passing: cause.is_none() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(why: CertificateError, words: &str, advises_an_authority: bool) {
        let cause = rustls::Error::InvalidCertificate(why);
        let error = io::Error::new(io::ErrorKind::InvalidData, cause);
        let said = tls_failure(&Address::Tcp("h".into(), 1), "h", error).to_string();
        assert!(said.contains(words), "{said}");
        assert_eq!(said.contains("--tls-ca"), advises_an_authority, "{said}");
    }

    #[test]
    fn a_certificate_that_has_expired_is_no_unknown_one() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let (time, not_after, not_before) = (at(86_400), at(3600), at(90_000));
        check(CertificateError::Expired, "has expired, by the clock", false);
        let expired = CertificateError::ExpiredContext { time, not_after };
        check(expired, "has expired 1970-01-01T01:00:00Z", false);
        let early = CertificateError::NotValidYetContext { time, not_before };
        check(early, "is not valid before 1970-01-02T01:00:00Z", false);
        check(CertificateError::UnknownIssuer, "does not hold (UnknownIssuer) for h", true);
    }

    #[test]
    fn a_certificate_of_the_first_version_is_named() {
        #[derive(Debug, thiserror::Error)]
        #[error("old")]
        struct UnsupportedCertVersion;
        let why = rustls::OtherError(std::sync::Arc::new(UnsupportedCertVersion));
        check(CertificateError::Other(why), "X.509 version 1", false);
    }
}
