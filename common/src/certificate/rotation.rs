//! Rotation: a new key in the place of the old one, which signs the new one's certificate (see [`crate::succession`]).
//! Law: at every moment the two files are a pair that peers who know the old key believe. The certificates come first:
//! until the new key is there, the old one finds its own certificate behind the new one's.

use super::{Certificate, CertificateError, CertificateFiles, Pem, params, write_error, write_file};
use crate::file::{self, IfExists, Readers};
use crate::fingerprint::Fingerprint;
use crate::succession::{PREDECESSORS_MAX, vouches};
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

impl Certificate {
    /// Makes a new key in the place of the one that is there, and has the old one vouch for it. The names are host names
    /// or addresses. The old key is gone afterwards.
    ///
    /// # Errors
    /// When there is no key that can be used, a file cannot be written, or another program does the same at this moment;
    /// then what was there goes on to be used.
    pub fn rotate(files: &CertificateFiles, names: &[String]) -> Result<Self, CertificateError> {
        // Where there is nothing to rotate, nothing is left behind either.
        Self::open(files)?;
        let _lock = lock(files)?;
        let old = Self::open(files)?;
        let old_pair = KeyPair::from_pem(&old.pem.key).map_err(|_| CertificateError::NoKey)?;
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Make)?;
        let params = params(names)?;
        let issuer = Issuer::from_params(&params, &old_pair);
        let signed = params.signed_by(&pair, &issuer).map_err(CertificateError::Make)?;
        let mut chain = vec![signed.der().clone()];
        chain.extend(old.chain().iter().take(PREDECESSORS_MAX).cloned());
        if !leads(old.fingerprint, &chain) {
            // The old certificate is not from here and bears another name; this one is for the same key.
            let renewed = params.self_signed(&old_pair).map_err(CertificateError::Make)?;
            chain.truncate(1);
            chain.push(renewed.der().clone());
        }
        let made = Self::from_pem(Pem {
            certificate: chain.iter().map(to_pem).collect(),
            key: Zeroizing::new(pair.serialize_pem()),
        })?;
        let Pem { certificate, key } = made.pem();
        write_file(
            &files.certificate,
            certificate,
            Readers::Everyone,
            IfExists::Replace,
        )?;
        write_file(&files.key, key, Readers::Owner, IfExists::Replace)?;
        Ok(made)
    }

    /// Tells whether a key has vouched for this certificate's key, itself or by its successors.
    #[must_use]
    pub fn succeeds(&self, key: Fingerprint) -> bool {
        leads(key, self.chain())
    }

    /// Returns the certificate and those of older keys.
    fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }
}

/// Tells whether signatures lead from a key to the first certificate of a chain.
fn leads(key: Fingerprint, chain: &[CertificateDer<'_>]) -> bool {
    let algorithms = aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all;
    chain
        .split_first()
        .is_some_and(|(shown, predecessors)| vouches(key, shown, predecessors, algorithms))
}

fn to_pem(certificate: &CertificateDer<'_>) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", certificate.as_ref()))
}

/// Keeps other programs from rotating the same key. What is locked is an empty file beside the key, as the key itself is
/// replaced.
fn lock(files: &CertificateFiles) -> Result<file::Lock, CertificateError> {
    let path = files.key.with_extension("lock");
    match file::lock(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(CertificateError::BeingRotated {
            path: files.key.clone(),
        }),
        Err(source) => Err(write_error(&path, source)),
    }
}
