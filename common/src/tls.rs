//! Trust between two peers who know each other by their keys. TLS 1.3 only, with a certificate on both sides. Nobody
//! vouches for a certificate but the key before it: a client compares the fingerprint of the server's key with the one
//! it was told, and a server looks the fingerprint of the device's key up among those that are enrolled. That the peer
//! has the private key is proven by its signature of the handshake, which is always verified. Names and dates in
//! certificates do not count. No session is ever resumed, so each connection proves anew who is there.

use crate::certificate::Certificate;
use crate::fingerprint::{Fingerprint, UnreadableCertificate};
use crate::limits::ALPN;
use crate::succession::vouches;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, CommonState, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, SignatureScheme,
};
use std::error::Error as StdError;
use std::sync::Arc;

/// Whom a client believes to be its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Whoever has the key with this fingerprint, or one that it has vouched for (see [`crate::succession`]). The caller
    /// reads with [`peer_fingerprint`] which it is, and pins that from then on.
    Pinned(Fingerprint),
    /// Whoever answers. The caller reads the fingerprint with [`peer_fingerprint`] and pins it before it says anything
    /// that is secret.
    FirstUse,
}

/// Says that a server has another key than the one that is pinned. Nothing was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's key is {found}, and not {expected} as pinned")]
pub struct TrustError {
    /// The fingerprint that is pinned.
    pub expected: Fingerprint,
    /// The fingerprint of the key that answered.
    pub found: Fingerprint,
}

impl TrustError {
    /// Finds this error among the causes of another, such as the one that a handshake ends with.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut at = Some(error);
        while let Some(error) = at {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // These two hold a cause that they do not always name as their source.
            at = if let Some(error) = error.downcast_ref::<std::io::Error>() {
                error.get_ref().map(|inner| inner as &(dyn StdError + 'static))
            } else if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) =
                error.downcast_ref::<Error>()
            {
                Some(&**inner)
            } else {
                error.source()
            };
        }
        None
    }
}

/// Says why a connection has no peer that could be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The handshake has not ended yet, or the peer has shown no certificate.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// The peer did not agree to speak this protocol.
    #[error("the peer does not speak holdfast/1")]
    OtherProtocol,
    /// The peer's certificate cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableCertificate),
}

/// Returns the fingerprint of the key that the peer has proven to have. To be called when the handshake has ended, on
/// both sides; it also makes sure that both mean the same protocol.
///
/// # Errors
/// When there is no certificate, or another protocol or none was agreed on.
pub fn peer_fingerprint(connection: &CommonState) -> Result<Fingerprint, PeerError> {
    let certificates = connection.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().ok_or(PeerError::NoCertificate)?;
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(PeerError::OtherProtocol);
    }
    Ok(Fingerprint::of_certificate(certificate)?)
}

/// Returns the name that a client asks for in the handshake. The answer is believed for its key and not for its name,
/// so a host that cannot stand there is no reason to fail.
#[must_use]
pub fn server_name(host: &str) -> ServerName<'static> {
    ServerName::try_from(host.to_owned())
        .or_else(|_| ServerName::try_from("holdfast.invalid"))
        .expect("the second name is valid")
}

/// Returns how a server does TLS: it takes any client that proves to have the key of the certificate that it shows, and
/// nobody without one.
///
/// # Errors
/// When the cryptography cannot do TLS 1.3.
pub fn server_config(certificate: &Certificate) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = AnyDevice {
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Returns how a device does TLS.
///
/// # Errors
/// When the cryptography cannot do TLS 1.3.
pub fn client_config(certificate: &Certificate, trust: Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = KnownServer {
        algorithms: provider.signature_verification_algorithms,
        trust,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Believes a server for its key.
#[derive(Debug)]
struct KnownServer {
    algorithms: WebPkiSupportedAlgorithms,
    trust: Trust,
}

impl ServerCertVerifier for KnownServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        predecessors: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = fingerprint_in_handshake(end_entity)?;
        match self.trust {
            Trust::Pinned(expected)
                if expected != found && !vouches(expected, end_entity, predecessors, self.algorithms.all) =>
            {
                let error = TrustError { expected, found };
                Err(CertificateError::Other(OtherError(Arc::new(error))).into())
            }
            Trust::Pinned(_) | Trust::FirstUse => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes any device that proves its key; whether it is enrolled is for the server to say, later and in its own words.
#[derive(Debug)]
struct AnyDevice {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyDevice {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        fingerprint_in_handshake(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn fingerprint_in_handshake(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
    Fingerprint::of_certificate(certificate).map_err(|_| CertificateError::BadEncoding.into())
}
