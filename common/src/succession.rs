//! Succession: how a server's new key is believed by those who know an older one. With its certificate a server shows
//! those of the keys that it had before, the youngest first, and each of these keys has signed the certificate in front
//! of its own. So there is a way of signatures from the key that somebody pinned to the one that is shown, however
//! many rotations were missed. It is a chain of X.509 certificates with the pinned key as its trust anchor (RFC 5280,
//! 6.1); names and dates do not count, as nowhere here.

use crate::fingerprint::Fingerprint;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// So many older keys a server shows, and a client looks at.
pub const PREDECESSORS_MAX: usize = 16;
/// All certificates that a rotation makes are valid at this time, in seconds since 1970.
const WITHIN_VALIDITY_S: u64 = 1_800_000_000;

/// Tells whether the key `known` has vouched for the certificate `shown`, itself or by its successors.
pub(crate) fn vouches(
    known: Fingerprint,
    shown: &CertificateDer<'_>,
    predecessors: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    let mut successor = shown;
    for predecessor in predecessors.iter().take(PREDECESSORS_MAX) {
        if !has_signed(predecessor, successor, algorithms) {
            return false;
        }
        if Fingerprint::of_certificate(predecessor) == Ok(known) {
            return true;
        }
        successor = predecessor;
    }
    false
}

/// Tells whether a certificate's key has signed another certificate.
fn has_signed(
    signer: &CertificateDer<'_>,
    signed: &CertificateDer<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    let (Ok(anchor), Ok(signed)) = (anchor_from_trusted_cert(signer), EndEntityCert::try_from(signed)) else {
        return false;
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(WITHIN_VALIDITY_S));
    signed
        .verify_for_usage(
            algorithms,
            &[anchor],
            &[],
            time,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .is_ok()
}
