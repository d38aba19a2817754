//! Encryption: which certificates are trusted, and what is checked of the server's.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::parameters::Parameters;
use super::settings::{SYSTEM_ROOTS, SslMode};
use super::surroundings::Surroundings;
use super::verify::{Extent, Verifier};
use crate::error::Error;

/// What PostgreSQL is called among the protocols that a server may speak behind TLS.
const PROTOCOL: &[u8] = b"postgresql";

/// The directory of the user's certificates, in the home directory.
const DIRECTORY: &str = ".postgresql";

/// Makes what encrypts the connections of these parameters.
///
/// # Errors
/// A certificate or a key cannot be read, or there is none where one is needed.
pub fn maker(
    parameters: &Parameters,
    mode: SslMode,
    surroundings: &Surroundings,
) -> Result<MakeRustlsConnect, Error> {
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier(parameters, mode, surroundings)?);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(format!("TLS cannot be used: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own_certificate(parameters, surroundings)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            Error::new(format!("the client's certificate is of no use: {error}"))
        })?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// As in libpq, a root certificate that is there is used in every mode, as `verify-ca` does.
fn verifier(
    parameters: &Parameters,
    mode: SslMode,
    surroundings: &Surroundings,
) -> Result<Verifier, Error> {
    let given = parameters.get("sslrootcert");
    if given == Some(SYSTEM_ROOTS) {
        return Ok(Verifier::new(Extent::Name, system_roots()?, Vec::new()));
    }
    let extent = if mode == SslMode::VerifyFull {
        Extent::Name
    } else {
        Extent::Chain
    };
    match file(given, "root.crt", surroundings) {
        Some(path) => {
            let certificates = certificates(&path)?;
            let mut roots = RootCertStore::empty();
            for certificate in &certificates {
                roots.add(certificate.clone()).map_err(|error| {
                    let path = path.display();
                    Error::new(format!("root certificate file \"{path}\": {error}"))
                })?;
            }
            Ok(Verifier::new(extent, roots, certificates))
        }
        None if mode >= SslMode::VerifyCa => Err(no_roots(given)),
        None => Ok(Verifier::new(
            Extent::Nothing,
            RootCertStore::empty(),
            Vec::new(),
        )),
    }
}

fn no_roots(given: Option<&str>) -> Error {
    let path = given.map_or_else(|| format!("~/{DIRECTORY}/root.crt"), str::to_owned);
    Error::new(format!("root certificate file \"{path}\" does not exist")).hint(
        "Put the certificate of the server's authority there or name it by sslrootcert=FILE; \
         sslrootcert=system trusts those of the system, sslmode=require checks none.",
    )
}

fn system_roots() -> Result<RootCertStore, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = loaded.errors.first().map(|error| format!(": {error}"));
    Err(Error::new(format!(
        "the system has no trusted certificates{}",
        why.unwrap_or_default()
    )))
}

/// The client's certificate and its key, where it has one.
fn own_certificate(
    parameters: &Parameters,
    surroundings: &Surroundings,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, Error> {
    let given = parameters.get("sslcert");
    let Some(path) = file(given, "postgresql.crt", surroundings) else {
        return match given {
            Some(path) => Err(Error::new(format!(
                "certificate file \"{path}\" does not exist"
            ))),
            None => Ok(None),
        };
    };
    let chain = certificates(&path)?;
    let given = parameters.get("sslkey");
    let Some(key) = file(given, "postgresql.key", surroundings) else {
        return Err(Error::new("certificate present, but not private key file")
            .hint("Name the key by sslkey=FILE."));
    };
    refuse_open_key(&key)?;
    let read = PrivateKeyDer::from_pem_file(&key).map_err(|error| {
        let key = key.display();
        Error::new(format!(
            "could not read private key file \"{key}\": {error}"
        ))
        .hint("It must be PEM, and not encrypted by a passphrase.")
    })?;
    Ok(Some((chain, read)))
}

/// libpq's rule: nobody else may read it, but for a group where root has put it there.
fn refuse_open_key(path: &Path) -> Result<(), Error> {
    let unreadable =
        |error| Error::new(format!("private key file \"{}\": {error}", path.display()));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let closed_to = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.permissions().mode() & closed_to == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Error::new(format!(
        "private key file \"{path}\" has group or world access"
    ))
    .hint("Its permissions must be u=rw (0600) or less, or u=rw,g=r (0640) where root owns it."))
}

/// The file that is named, or the one of this name in the user's directory; none where it does not exist.
fn file(given: Option<&str>, default: &str, surroundings: &Surroundings) -> Option<PathBuf> {
    let path = match given {
        Some(path) => PathBuf::from(path),
        None => surroundings.home()?.join(DIRECTORY).join(default),
    };
    path.exists().then_some(path)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |why: String| {
        Error::new(format!(
            "could not read certificate file \"{}\": {why}",
            path.display()
        ))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(error.to_string()))?
        .collect();
    let read = read.map_err(|error| unreadable(error.to_string()))?;
    if read.is_empty() {
        return Err(unreadable("it holds no certificate in PEM".to_owned()));
    }
    Ok(read)
}
