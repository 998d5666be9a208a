//! Handshakes: with those who are trusted, and with those who only look like it.

use common::certificate::{Certificate, CertificateFiles, Pem};
use common::file::IfExists;
use common::fingerprint::Fingerprint;
use common::limits::ALPN;
use common::succession::PREDECESSORS_MAX;
use common::tls::{
    PeerError, Trust, TrustError, client_config, peer_fingerprint, server_config, server_name,
};
use rustls::client::{ClientConfig, ResolvesClientCert};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ProtocolVersion, SignatureScheme};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

type Client = client::TlsStream<tokio::io::DuplexStream>;
type Server = server::TlsStream<tokio::io::DuplexStream>;

fn certificate() -> Certificate {
    Certificate::generate(&Certificate::local_names()).unwrap()
}

/// Shakes hands and says one byte each way, so that both sides know that the other was content.
async fn shake(client: ClientConfig, server: ServerConfig) -> (io::Result<Client>, io::Result<Server>) {
    let (near, far) = duplex(64 * 1024);
    let call = async {
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(server_name("127.0.0.1"), near)
            .await?;
        stream.write_all(b"?").await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok(stream)
    };
    let answer = async {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        stream.read_u8().await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(stream)
    };
    tokio::join!(call, answer)
}

/// Certificates, whoever they belong to, with the key of one.
fn with_key_of(key: &Certificate, shown: &[&Certificate]) -> Arc<SingleCertAndKey> {
    let chain = shown
        .iter()
        .map(|certificate| CertificateDer::from_pem_slice(certificate.pem().certificate.as_bytes()).unwrap());
    let secret = PrivateKeyDer::from_pem_slice(key.pem().key.as_bytes()).unwrap();
    let key = CertifiedKey::new(chain.collect(), any_supported_type(&secret).unwrap());
    Arc::new(SingleCertAndKey::from(Arc::new(key)))
}

/// Somebody's certificate with another's key.
fn stolen(certificate: &Certificate) -> Arc<SingleCertAndKey> {
    with_key_of(&Certificate::generate(&[]).unwrap(), &[certificate])
}

#[tokio::test]
async fn both_sides_learn_the_others_key() {
    let (server, device) = (certificate(), certificate());
    for trust in [Trust::Pinned(server.fingerprint()), Trust::FirstUse] {
        let (near, far) = shake(
            client_config(&device, trust).unwrap(),
            server_config(&server).unwrap(),
        )
        .await;
        let (near, far) = (near.unwrap(), far.unwrap());
        assert_eq!(peer_fingerprint(near.get_ref().1), Ok(server.fingerprint()));
        assert_eq!(peer_fingerprint(far.get_ref().1), Ok(device.fingerprint()));
        assert_eq!(
            near.get_ref().1.protocol_version(),
            Some(ProtocolVersion::TLSv1_3)
        );
    }
}

#[tokio::test]
async fn a_server_with_another_key_than_the_pinned_one_is_refused() {
    let (expected, found, device) = (certificate(), certificate(), certificate());
    let client = client_config(&device, Trust::Pinned(expected.fingerprint())).unwrap();
    let (near, far) = shake(client, server_config(&found).unwrap()).await;
    let error = near.unwrap_err();
    let expected = TrustError {
        expected: expected.fingerprint(),
        found: found.fingerprint(),
    };
    assert_eq!(TrustError::find(&error), Some(&expected));
    far.unwrap_err();
}

#[tokio::test]
async fn a_server_that_shows_the_pinned_certificate_without_its_key_is_refused() {
    let (server, device) = (certificate(), certificate());
    for trust in [Trust::Pinned(server.fingerprint()), Trust::FirstUse] {
        let mut config = server_config(&server).unwrap();
        config.cert_resolver = stolen(&server);
        let (near, far) = shake(client_config(&device, trust).unwrap(), config).await;
        let error = near.unwrap_err();
        assert!(error.to_string().contains("BadSignature"), "{error}");
        assert_eq!(TrustError::find(&error), None);
        far.unwrap_err();
    }
}

#[tokio::test]
async fn a_device_that_shows_anothers_certificate_without_its_key_is_refused() {
    let (server, device) = (certificate(), certificate());
    let mut config = client_config(&device, Trust::Pinned(server.fingerprint())).unwrap();
    config.client_auth_cert_resolver = stolen(&device);
    let (near, far) = shake(config, server_config(&server).unwrap()).await;
    near.unwrap_err();
    let error = far.unwrap_err();
    assert!(error.to_string().contains("BadSignature"), "{error}");
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let server = certificate();
    let mut config = client_config(&certificate(), Trust::FirstUse).unwrap();
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    let (near, far) = shake(config, server_config(&server).unwrap()).await;
    near.unwrap_err();
    let error = far.unwrap_err();
    assert!(error.to_string().contains("no certificates"), "{error}");
}

#[tokio::test]
async fn a_peer_that_speaks_another_protocol_is_refused() {
    let (server, device) = (certificate(), certificate());
    let client = |protocols: &[&[u8]]| {
        let mut config = client_config(&device, Trust::FirstUse).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    };
    let (near, far) = shake(client(&[b"h2", b"holdfast/0"]), server_config(&server).unwrap()).await;
    near.unwrap_err();
    far.unwrap_err();
    // TLS itself lets a peer pass that names no protocol at all.
    let (near, far) = shake(client(&[]), server_config(&server).unwrap()).await;
    assert_eq!(
        peer_fingerprint(near.unwrap().get_ref().1),
        Err(PeerError::OtherProtocol)
    );
    assert_eq!(
        peer_fingerprint(far.unwrap().get_ref().1),
        Err(PeerError::OtherProtocol)
    );
    let (_, far) = shake(client(&[b"h2", ALPN]), server_config(&server).unwrap()).await;
    assert_eq!(
        peer_fingerprint(far.unwrap().get_ref().1),
        Ok(device.fingerprint())
    );
}

#[tokio::test]
async fn a_client_that_can_only_do_tls_1_2_is_refused() {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&certificate()).unwrap()));
    let (mut near, far) = duplex(64 * 1024);
    // A ClientHello with one suite of TLS 1.2, no session, no compression, and the signature algorithms and groups that
    // a server needs; what is missing is the extension that names TLS 1.3.
    let extensions: &[u8] = &[0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23];
    let body = [
        &[3, 3],
        [7; 32].as_slice(),
        &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, extensions.len() as u8],
        extensions,
    ]
    .concat();
    let hello = [
        &[22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8],
        body.as_slice(),
    ]
    .concat();
    near.write_all(&hello).await.unwrap();
    let error = acceptor.accept(far).await.unwrap_err();
    assert!(error.to_string().contains("SupportedVersions"), "{error}");
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(
        answer[..7],
        [21, 3, 3, 0, 2, 2, 70],
        "an alert: fatal, protocol version"
    );
}

#[tokio::test]
async fn no_session_is_resumed() {
    let (server, device) = (certificate(), certificate());
    let client = Arc::new(client_config(&device, Trust::FirstUse).unwrap());
    let server = Arc::new(server_config(&server).unwrap());
    for _ in 0..2 {
        let (near, far) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::clone(&client));
        let call = async {
            let mut stream = connector.connect(server_name("nas"), near).await.unwrap();
            stream.read_u8().await.unwrap();
            stream
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&server));
        let answer = async {
            let mut stream = acceptor.accept(far).await.unwrap();
            stream.write_all(b"!").await.unwrap();
            stream.flush().await.unwrap();
            stream
        };
        let (near, _far) = tokio::join!(call, answer);
        assert_eq!(
            near.get_ref().1.handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_known_by_its_key_all_the_same() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["elsewhere".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let expired = Certificate::from_pem(Pem {
        certificate: params.self_signed(&pair).unwrap().pem(),
        key: pair.serialize_pem().into(),
    });
    let expired = expired.unwrap();
    let client = client_config(&certificate(), Trust::Pinned(expired.fingerprint())).unwrap();
    let (near, far) = shake(client, server_config(&expired).unwrap()).await;
    assert_eq!(
        peer_fingerprint(near.unwrap().get_ref().1).unwrap(),
        expired.fingerprint()
    );
    far.unwrap();
}

/// A server whose key was rotated so many times, and the certificates that it had, the first one first.
fn rotated(times: usize) -> Vec<Certificate> {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let mut all = vec![Certificate::create(&files, &[], IfExists::Fail).unwrap()];
    for _ in 0..times {
        all.push(Certificate::rotate(&files, &Certificate::local_names()).unwrap());
    }
    all
}

/// Returns the fingerprint of the key that a client believes who has pinned `pinned`; nothing if it refuses the server.
async fn believed(pinned: &Certificate, server: ServerConfig) -> Option<Fingerprint> {
    let client = client_config(&certificate(), Trust::Pinned(pinned.fingerprint())).unwrap();
    let (near, far) = shake(client, server).await;
    match near {
        Ok(near) => {
            far.unwrap();
            Some(peer_fingerprint(near.get_ref().1).unwrap())
        }
        Err(error) => {
            assert!(TrustError::find(&error).is_some(), "{error}");
            far.unwrap_err();
            None
        }
    }
}

/// A server that shows certificates of its choice with the key of one.
fn showing(shown: &[&Certificate], key: &Certificate) -> ServerConfig {
    let mut config = server_config(&certificate()).unwrap();
    config.cert_resolver = with_key_of(key, shown);
    config
}

#[tokio::test]
async fn a_new_key_is_believed_for_the_word_of_the_old_one_and_not_the_other_way_round() {
    let all = rotated(PREDECESSORS_MAX + 1);
    let (last, older) = all.split_last().unwrap();
    let first_known = older.len() - PREDECESSORS_MAX;
    for (number, pinned) in older.iter().enumerate() {
        let expected = (first_known <= number).then_some(last.fingerprint());
        assert_eq!(
            believed(pinned, server_config(last).unwrap()).await,
            expected,
            "{number}"
        );
        assert_eq!(last.succeeds(pinned.fingerprint()), expected.is_some());
    }
    let [first, second, third] = &all[..3] else {
        panic!("there are more than three")
    };
    assert_eq!(believed(second, server_config(first).unwrap()).await, None);
    assert_eq!(believed(third, server_config(second).unwrap()).await, None);
}

#[tokio::test]
async fn a_key_for_which_no_signature_of_the_old_one_speaks_is_refused() {
    let all = rotated(2);
    let [first, second, third] = all.as_slice() else {
        panic!("there are three")
    };
    let foreign = rotated(1);
    let [stranger, strangers_heir] = foreign.as_slice() else {
        panic!("there are two")
    };
    assert_eq!(
        believed(first, showing(&[third, second, first], third)).await,
        Some(third.fingerprint())
    );
    for (shown, key) in [
        // It only shows the old certificate.
        (vec![stranger, first], stranger),
        // Another key has signed it, of the same name.
        (vec![strangers_heir, first], strangers_heir),
        (vec![strangers_heir, stranger, first], strangers_heir),
        // A link is missing, or they stand in another order.
        (vec![third, first], third),
        (vec![third, first, second], third),
    ] {
        assert_eq!(believed(first, showing(&shown, key)).await, None, "{shown:?}");
    }
    // The certificates are true, but the key is not theirs.
    let client = client_config(&certificate(), Trust::Pinned(first.fingerprint())).unwrap();
    let (near, _) = shake(client, showing(&[third, second, first], stranger)).await;
    let error = near.unwrap_err();
    assert!(error.to_string().contains("BadSignature"), "{error}");
}

#[test]
fn whatever_is_shown_beside_a_certificate_is_looked_at_without_harm() {
    let all = rotated(1);
    let heir = CertificateDer::from_pem_slice(all[1].pem().certificate.as_bytes()).unwrap();
    for at in 0..heir.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = heir.to_vec();
            bytes[at] ^= flip;
            let pem = pem::encode(&pem::Pem::new("CERTIFICATE", bytes));
            let old = &all[0].pem().certificate;
            let shown = Certificate::from_pem(Pem {
                certificate: format!("{pem}{old}"),
                key: all[1].pem().key.clone(),
            });
            // Whatever was changed, the old key has not signed that.
            if let Ok(shown) = shown {
                assert!(!shown.succeeds(all[0].fingerprint()), "byte {at}");
            }
        }
    }
}
