//! A certificate and its key, read and found to belong together before anyone is answered.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::error::{Error, Result};
use crate::settings::TlsFiles;

/// What turns a connection into a secret one.
///
/// # Errors
/// [`Error::Tls`] for files that cannot be read, hold no certificate or key, or do not belong together.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor> {
    let TlsFiles { certificate, key } = files;
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(certificate, "CERTIFICATE", error))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "CERTIFICATE", pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, "PRIVATE KEY", error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|error| unusable(files, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unreadable(path: &Path, label: &str, error: pem::Error) -> Error {
    let reason = match error {
        pem::Error::Io(error) => format!("{error}. Give a file that this user may read"),
        pem::Error::NoItemsFound => format!("expected PEM with -----BEGIN {label}-----, found none"),
        other => format!("expected PEM with -----BEGIN {label}-----: {other}"),
    };
    Error::Tls { path: path.to_owned(), reason }
}

fn unusable(files: &TlsFiles, error: rustls::Error) -> Error {
    let TlsFiles { certificate, key } = files;
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let reason = format!("is not the key of {}", certificate.display());
            Error::Tls { path: key.clone(), reason }
        }
        other => Error::Tls { path: certificate.clone(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(files: &TlsFiles) -> String {
        acceptor(files).err().unwrap().to_string()
    }

    #[test]
    fn files_that_cannot_be_used_say_which_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = file("certificate.pem", &own.cert.pem());
        let key = file("key.pem", &own.signing_key.serialize_pem());
        let with = |certificate: &Path, key: &Path| {
            message(&TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() })
        };
        assert!(acceptor(&TlsFiles { certificate: certificate.clone(), key: key.clone() }).is_ok());
        let said = with(&folder.path().join("none.pem"), &key);
        assert!(said.contains("none.pem") && said.contains("this user may read"), "{said}");
        let said = with(&key, &key);
        assert!(said.contains("key.pem") && said.contains("BEGIN CERTIFICATE"), "{said}");
        let said = with(&certificate, &certificate);
        assert!(said.contains("certificate.pem") && said.contains("BEGIN PRIVATE KEY"), "{said}");
        let said = with(&certificate, &file("other.pem", &other.signing_key.serialize_pem()));
        assert!(said.contains("other.pem: is not the key of") && said.contains("certificate.pem"), "{said}");
        let torn = file("torn.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
        assert!(with(&torn, &key).contains("torn.pem"), "{}", with(&torn, &key));
    }
}
