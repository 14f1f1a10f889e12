//! Encryption: whom to trust, who we are, and a session that one thread reads and another writes.
//!
//! The session is locked for the moments in which bytes are encrypted or decrypted, never while a
//! socket is waited for: the reader waits for ciphertext without the lock, and the writer sends
//! what it has encrypted after it let go of it. Only the writer sends.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::bytes::PathName as _;
use crate::error::{Error, Result};

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Authorities to trust instead of those of the system, in PEM.
    pub ca: Option<PathBuf>,
    /// Our certificate, in PEM.
    pub cert: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate has to have, if it is not the host.
    pub server_name: Option<String>,
    /// Takes any certificate. What is sent can then be read by whoever stands between.
    pub insecure: bool,
}

impl TlsOptions {
    /// Reads the files.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let usage = |what: String| Error::Usage(what);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| usage(format!("TLS cannot be used: {error}")))?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            let roots = Arc::new(self.roots()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| usage(format!("no authority to trust: {error}")))?;
            builder.with_webpki_verifier(verifier)
        };
        let config = match (&self.cert, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
                    pem::Error::Io(cause) => {
                        Error::io(format!("cannot read the key in {}", key.shown()), cause)
                    }
                    error => usage(format!("no key in {}: {error}", key.shown())),
                })?;
                builder.with_client_auth_cert(chain, key_der).map_err(|error| {
                    usage(format!(
                        "{} and {} do not go together: {error}",
                        cert.shown(),
                        key.shown()
                    ))
                })?
            }
            _ => return Err(usage("a client certificate needs --tls-cert and --tls-key".into())),
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &self.ca {
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| {
                    Error::Usage(format!("{} is no authority: {error}", ca.shown()))
                })?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        // One that cannot be read does not spoil the others.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(Error::Usage(
                "this system has no authorities that TLS could trust: name one with --tls-ca"
                    .into(),
            ));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::Usage(format!("no certificate in {}", path.shown()))),
        Err(pem::Error::Io(cause)) => {
            Err(Error::io(format!("cannot read the certificates in {}", path.shown()), cause))
        }
        Err(error) => Err(Error::Usage(format!("no certificate in {}: {error}", path.shown()))),
    }
}

/// Trusts whoever answers; signatures still have to be right.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How much is encrypted between two looks of the reader at the session.
const CHUNK: usize = 64 << 10;

/// A session.
pub(super) struct Tls {
    session: Mutex<ClientConnection>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Vec<u8>>,
}

/// Ciphertext that was read and not decrypted yet.
struct Incoming {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// What was wrong behind all that could be decrypted.
    fault: Option<rustls::Error>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Shakes hands.
    pub(super) fn handshake(
        config: Arc<ClientConfig>,
        name: &str,
        mut socket: impl Read + Write,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no name for a server"))?;
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        session.set_buffer_limit(None);
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let incoming = Incoming { bytes: vec![0; CHUNK].into(), start: 0, end: 0, fault: None };
        Ok(Tls {
            session: Mutex::new(session),
            incoming: Mutex::new(incoming),
            outgoing: Mutex::default(),
        })
    }

    pub(super) fn read(&self, mut socket: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        let mut incoming = locked(&self.incoming);
        loop {
            let mut session = locked(&self.session);
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let Incoming { bytes, start, end, fault } = &mut *incoming;
            if let Some(fault) = fault {
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault.clone()));
            }
            let mut have = bytes.get(*start..*end).unwrap_or_default();
            if !have.is_empty() {
                *start += session.read_tls(&mut have)?;
                // What came before it is read first. A server whose child has sent a snapshot says
                // farewell with keys that are the parent's, and nobody can read that.
                *fault = session.process_new_packets().err();
                continue;
            }
            drop(session);
            (*start, *end) = (0, socket.read(bytes)?);
            if *end == 0 {
                return Ok(0);
            }
        }
    }

    pub(super) fn write(&self, mut socket: impl Write, bytes: &[u8]) -> io::Result<usize> {
        let mut outgoing = locked(&self.outgoing);
        let bytes = bytes.get(..bytes.len().min(CHUNK)).unwrap_or_default();
        outgoing.clear();
        {
            let mut session = locked(&self.session);
            session.writer().write_all(bytes)?;
            while session.wants_write() {
                session.write_tls(&mut *outgoing)?;
            }
        }
        // A part of it cannot be taken back, so all of it goes out or the connection is lost.
        socket.write_all(&outgoing)?;
        Ok(bytes.len())
    }
}

/// A thread that failed while it held the lock has lost the connection already.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
