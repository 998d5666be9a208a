//! Fingerprints: how one side knows the other's key. A fingerprint is the SHA-256 of the certificate's
//! SubjectPublicKeyInfo, so it stays the same when a certificate is renewed for the same key. It is no secret.

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use webpki::EndEntityCert;

/// The SHA-256 of a public key, as it stands in its certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// Says that a text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits")]
pub struct ParseFingerprintError;

/// Says that bytes are not an X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read")]
pub struct UnreadableCertificate;

impl Fingerprint {
    /// Returns the fingerprint of a certificate's key.
    ///
    /// # Errors
    /// When the bytes are not an X.509 certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, UnreadableCertificate> {
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| UnreadableCertificate)?;
        Ok(Self::of_public_key(&certificate.subject_public_key_info()))
    }

    /// Hashes a SubjectPublicKeyInfo.
    pub(crate) fn of_public_key(public_key: &[u8]) -> Self {
        let suite = TLS13_AES_128_GCM_SHA256
            .tls13()
            .expect("this is a suite of TLS 1.3");
        let hash = suite.common.hash_provider.hash(public_key);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    /// Writes 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    /// Reads what `Display` writes, in either case and with colons between the bytes, as other programs write it.
    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let digits: Vec<u8> = text
            .trim()
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or(ParseFingerprintError)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) if digits.len() == 64 => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(ParseFingerprintError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(
            Fingerprint::of_public_key(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_fingerprint_is_read_in_the_spellings_of_other_programs() {
        let fingerprint = Fingerprint(std::array::from_fn(|i| i as u8 * 7));
        let text = fingerprint.to_string();
        assert_eq!(text.parse(), Ok(fingerprint));
        let pairs: Vec<&str> = (0..32).map(|i| &text[2 * i..2 * i + 2]).collect();
        assert_eq!(
            format!(" {}\n", pairs.join(":").to_uppercase()).parse(),
            Ok(fingerprint)
        );
    }

    #[test]
    fn what_is_too_short_too_long_or_not_hexadecimal_is_no_fingerprint() {
        let text = Fingerprint([7; 32]).to_string();
        for wrong in [
            "",
            &text[1..],
            &text[2..],
            &format!("{text}0"),
            &format!("{text}00"),
            &text.replace('7', "g"),
        ] {
            assert_eq!(
                wrong.parse::<Fingerprint>(),
                Err(ParseFingerprintError),
                "{wrong}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_have_no_fingerprint() {
        let certificate = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert_eq!(
            Fingerprint::of_certificate(&certificate),
            Err(UnreadableCertificate)
        );
    }
}
