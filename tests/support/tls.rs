//! Servers that speak TLS, and the certificates that it takes, made by the openssl program.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::servers::{Data, Kind, Server, free_port};
use super::skipped;

/// An authority, and what it vouches for: a server that is called `localhost`, `127.0.0.1` and
/// `redis.test`.
pub struct Certificates {
    folder: TempDir,
    pub ca: String,
    pub cert: String,
    pub key: String,
}

impl Certificates {
    /// Makes them; nothing where there is no openssl, which is said.
    pub fn make() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut made =
            Certificates { folder, ca: String::new(), cert: String::new(), key: String::new() };
        [made.ca, made.cert, made.key] =
            ["ca.crt", "server.crt", "server.key"].map(|name| made.path(name));
        let [ca_key, request, names] =
            ["ca.key", "server.csr", "names"].map(|name| made.path(name));
        if !made.authority("ca") {
            skipped("TLS: there is no openssl to make certificates with");
            return None;
        }
        let Certificates { ca, cert, key, .. } = &made;
        fs::write(&names, "subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:redis.test\n")
            .expect("a file in our own");
        let ask = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server"];
        assert!(openssl(&[&ask[..], &["-keyout", key, "-out", &request]].concat()));
        let sign = ["x509", "-req", "-in", &request, "-days", "2", "-extfile", &names];
        let by = ["-CA", ca, "-CAkey", &ca_key, "-CAcreateserial", "-out", cert];
        assert!(openssl(&[&sign[..], &by].concat()));
        Some(made)
    }

    /// Another authority, which has vouched for nobody: where its certificate is.
    pub fn other_authority(&self) -> String {
        assert!(self.authority("other"));
        self.path("other.crt")
    }

    /// A server with these, and its port for TLS; nothing where it was built without, which is
    /// said. Whether clients need a certificate is up to `options`: without them they do.
    pub fn start(&self, kind: &Kind, options: &[&str]) -> Option<(Server, u16)> {
        let port = free_port();
        let text = port.to_string();
        let tls = [
            "--tls-port",
            &text,
            "--tls-cert-file",
            &self.cert,
            "--tls-key-file",
            &self.key,
            "--tls-ca-cert-file",
            &self.ca,
        ];
        match Server::try_start(kind, Data::Nothing, &[&tls[..], options].concat()) {
            Ok(server) => Some((server, port)),
            Err(log) => {
                let last = log.lines().last().unwrap_or_default();
                skipped(format_args!("{} has no TLS: {last}", kind.name));
                None
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a name of our own").to_owned()
    }

    fn authority(&self, name: &str) -> bool {
        let (key, cert) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.crt")));
        let subject = format!("/CN={name}");
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        openssl(&[&new[..], &["-subj", &subject, "-keyout", &key, "-out", &cert]].concat())
    }
}

fn openssl(args: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    let done = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    done.status().is_ok_and(|status| status.success())
}
