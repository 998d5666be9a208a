//! Certificates with their private keys: made, written to disk, read again. The server and each device have one. They
//! are signed by themselves, because a peer is known by the fingerprint of its key and not by who vouches for it. This
//! is the only file that reads PEM.

mod rotation;
#[cfg(test)]
mod tests;

use crate::file::{self, IfExists, Readers};
use crate::fingerprint::{Fingerprint, UnreadableCertificate};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name of a server's certificate file in its folder.
pub const SERVER_CERTIFICATE_FILE: &str = "server.crt";
/// The name of a server's key file in its folder.
pub const SERVER_KEY_FILE: &str = "server.key";
/// No certificate or key file is longer than this, in bytes.
const PEM_LEN_MAX: u64 = 256 * 1024;
/// Peers that pin the key do not look at the time; a certificate that ends would only lock out those that do.
const VALID_YEARS: (i32, i32) = (1975, 4096);

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, which anyone may read.
    pub certificate: PathBuf,
    /// The private key, which only its owner may read.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Returns where a server keeps them in a folder.
    #[must_use]
    pub fn of_server(folder: &Path) -> Self {
        Self {
            certificate: folder.join(SERVER_CERTIFICATE_FILE),
            key: folder.join(SERVER_KEY_FILE),
        }
    }
}

/// A certificate (with those of the keys before it that vouch for it, if there are any) and its private key.
pub struct Certificate {
    certified_key: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
    pem: Pem,
}

/// A certificate and its key as text.
#[derive(Clone)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: Zeroizing<String>,
}

/// Says why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("make the certificate")]
    Make(#[source] rcgen::Error),
    /// A file could not be read.
    #[error("read {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written, or is there already.
    #[error("write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the key.
    #[error("the private key {} can be read by others (mode {mode:04o}): chmod 600 it", path.display())]
    KeyReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is a certificate, but its key is gone. It is not replaced, since all devices know the old key.
    #[error("there is a certificate but no private key {}", path.display())]
    KeyMissing {
        /// The file of the key.
        path: PathBuf,
    },
    /// The text holds no certificate in PEM.
    #[error("no certificate in PEM was found")]
    NoCertificate,
    /// The text holds no private key in PEM that can be used.
    #[error("no usable private key in PEM was found")]
    NoKey,
    /// No certificate is for this key.
    #[error("the certificate belongs to another key")]
    KeyMismatch,
    /// Another program is making a new key at this moment.
    #[error("another program is rotating the key {}", path.display())]
    BeingRotated {
        /// The file of the key.
        path: PathBuf,
    },
    /// The certificate cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableCertificate),
}

impl Certificate {
    /// Makes a new key and a certificate for it. The names are host names or addresses; a device needs none.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn generate(names: &[String]) -> Result<Self, CertificateError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Make)?;
        Self::for_key(&pair, names)
    }

    fn for_key(pair: &KeyPair, names: &[String]) -> Result<Self, CertificateError> {
        let certificate = params(names)?.self_signed(pair).map_err(CertificateError::Make)?;
        let key = Zeroizing::new(pair.serialize_pem());
        Self::from_pem(Pem {
            certificate: certificate.pem(),
            key,
        })
    }

    /// Returns the names that a server's certificate has at any rate.
    #[must_use]
    pub fn local_names() -> Vec<String> {
        ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
    }

    /// Makes a certificate and writes both files; folders are made as needed. The key comes first, so that after a
    /// power cut between the two [`Certificate::open_or_create`] finds it and completes the pair.
    ///
    /// # Errors
    /// When a file is there already and `if_exists` says so, or cannot be written.
    pub fn create(
        files: &CertificateFiles,
        names: &[String],
        if_exists: IfExists,
    ) -> Result<Self, CertificateError> {
        if if_exists == IfExists::Fail && exists(&files.certificate)? {
            return Err(write_error(
                &files.certificate,
                io::ErrorKind::AlreadyExists.into(),
            ));
        }
        let made = Self::generate(names)?;
        make_folder_of(&files.key)?;
        make_folder_of(&files.certificate)?;
        if if_exists == IfExists::Replace {
            // Otherwise a power cut could leave the new key with the old key's certificate.
            remove_file(&files.certificate)?;
        }
        write_file(&files.key, &made.pem.key, Readers::Owner, if_exists)?;
        write_file(
            &files.certificate,
            &made.pem.certificate,
            Readers::Everyone,
            if_exists,
        )?;
        Ok(made)
    }

    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read, others may read the key, or they do not belong together.
    pub fn open(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let key = read_key(&files.key)?;
        let certificate = read_file(&files.certificate)?.to_string();
        Self::from_pem(Pem { certificate, key })
    }

    /// Reads both files, or makes them when there is neither. A key without a certificate gets a new one, which has
    /// the same fingerprint.
    ///
    /// # Errors
    /// When the key is missing, or as [`Certificate::open`] and [`Certificate::create`] say.
    pub fn open_or_create(files: &CertificateFiles, names: &[String]) -> Result<Self, CertificateError> {
        match (exists(&files.key)?, exists(&files.certificate)?) {
            (true, true) => Self::open(files),
            (false, false) => Self::create(files, names, IfExists::Fail),
            (false, true) => Err(CertificateError::KeyMissing {
                path: files.key.clone(),
            }),
            (true, false) => {
                let key = read_key(&files.key)?;
                let pair = KeyPair::from_pem(&key).map_err(|_| CertificateError::NoKey)?;
                let made = Self::for_key(&pair, names)?;
                write_file(
                    &files.certificate,
                    &made.pem.certificate,
                    Readers::Everyone,
                    IfExists::Fail,
                )?;
                Ok(made)
            }
        }
    }

    /// Reads PEM. What stands before the key's own certificate is of a rotation that came to no end, and is left out.
    ///
    /// # Errors
    /// When one is missing or damaged, or they do not belong together.
    pub fn from_pem(pem: Pem) -> Result<Self, CertificateError> {
        let mut chain: Vec<CertificateDer<'static>> = rustls_pemfile::certs(&mut pem.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        Fingerprint::of_certificate(first)?;
        let key = rustls_pemfile::private_key(&mut pem.key.as_bytes());
        let key = key.ok().flatten().ok_or(CertificateError::NoKey)?;
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| CertificateError::NoKey)?;
        let public_key = key.public_key().ok_or(CertificateError::NoKey)?;
        let fingerprint = Fingerprint::of_public_key(&public_key);
        let is_its = |certificate| Fingerprint::of_certificate(certificate) == Ok(fingerprint);
        let own = chain.iter().position(is_its);
        chain.drain(..own.ok_or(CertificateError::KeyMismatch)?);
        let certified_key = CertifiedKey::new(chain, key);
        Ok(Self {
            certified_key: Arc::new(certified_key),
            fingerprint,
            pem,
        })
    }

    /// Returns both as PEM.
    #[must_use]
    pub fn pem(&self) -> &Pem {
        &self.pem
    }

    /// Returns the key's fingerprint, by which peers know it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns both as TLS wants them.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified_key)
    }
}

/// Returns what all certificates that are made here say.
fn params(names: &[String]) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(names).map_err(CertificateError::Make)?;
    params.distinguished_name.push(DnType::CommonName, "holdfast");
    params.not_before = date_time_ymd(VALID_YEARS.0, 1, 1);
    params.not_after = date_time_ymd(VALID_YEARS.1, 1, 1);
    Ok(params)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint)
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(…)")
    }
}

/// Tells whether there is something at a path. What cannot be looked at is not taken for absent.
fn exists(path: &Path) -> Result<bool, CertificateError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CertificateError::ReadFile {
            path: path.to_owned(),
            source,
        }),
    }
}

fn make_folder_of(path: &Path) -> Result<(), CertificateError> {
    match path.parent() {
        Some(folder) => file::create_folders(folder).map_err(|source| write_error(folder, source)),
        None => Ok(()),
    }
}

fn write_file(
    path: &Path,
    text: &str,
    readers: Readers,
    if_exists: IfExists,
) -> Result<(), CertificateError> {
    file::write(path, text.as_bytes(), readers, if_exists).map_err(|source| write_error(path, source))
}

fn remove_file(path: &Path) -> Result<(), CertificateError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_error(path: &Path, source: io::Error) -> CertificateError {
    CertificateError::WriteFile {
        path: path.to_owned(),
        source,
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<String>, CertificateError> {
    let read_error = |source| CertificateError::ReadFile {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    // The open file is asked, not its name, which could by then be another's.
    match file::mode_if_readable_by_others(&file).map_err(read_error)? {
        Some(mode) => Err(CertificateError::KeyReadableByOthers {
            path: path.to_owned(),
            mode,
        }),
        None => read_text(file).map_err(read_error),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, CertificateError> {
    File::open(path)
        .and_then(read_text)
        .map_err(|source| CertificateError::ReadFile {
            path: path.to_owned(),
            source,
        })
}

fn read_text(file: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    file.take(PEM_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}
