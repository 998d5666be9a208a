//! What strangers can learn, and what they cannot use: the time of an answer, old versions of TLS, bytes that somebody
//! else sent.

use crate::client::{Client, Device, TestServer, Wire, dir};
use common::identity::AccountId;
use common::message::{Auth, Refusal, Reply, Request, Role};
use std::time::Duration;
use sync_engine::{NodeId, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

fn enrol(id: AccountId) -> Auth {
    Auth::Enrol {
        id,
        device_name: "x".into(),
    }
}

async fn refused_after(server: &TestServer, device: &Device, auth: Auth) -> Duration {
    let mut wire = Wire::open(server.address(), &device.certificate).await;
    let begun = Instant::now();
    let answer = wire.hello(Role::Control, auth, device, [1; 16]).await;
    let took = begun.elapsed();
    assert_eq!(answer, Reply::Refused(Refusal::NotAdmitted));
    took
}

#[tokio::test]
async fn the_time_of_a_refusal_does_not_tell_its_reason() {
    let server = TestServer::start_with(|options| options.limits.failures_per_minute_max = u32::MAX).await;
    let mut first = server.register().await;
    let revoked = first.companion().await;
    let (request, device) = (first.request(), revoked.welcome.device);
    first.send(Request::RevokeDevice { request, device }).await;
    assert_eq!(first.next().await, Reply::Done { request });
    let nobody = Device::new();
    let mut times = [(); 4].map(|()| Vec::new());
    for _ in 0..50 {
        // One after the other, so that whatever else the computer does falls on all alike.
        let unknown = AccountId::generate().unwrap();
        times[0].push(refused_after(&server, &nobody, enrol(unknown.clone())).await);
        times[1].push(refused_after(&server, &nobody, Auth::Device).await);
        times[2].push(refused_after(&server, &revoked.device, enrol(first.id())).await);
        times[3].push(refused_after(&server, &revoked.device, enrol(unknown)).await);
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < *least * 2 + Duration::from_millis(1), "{medians:?}");
}

/// A greeting that offers TLS 1.2 and nothing newer.
fn old_greeting() -> Vec<u8> {
    let extensions = [
        // Groups: P-256 and X25519; points: uncompressed; signatures: ECDSA and RSA with SHA-256.
        &[0, 10, 0, 6, 0, 4, 0, 23, 0, 29][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1],
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 6, 0xc0, 0x2b, 0xc0, 0x2f, 0, 0x9c, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let len = u8::try_from(body.len()).unwrap();
    let handshake = [&[1, 0, 0, len][..], &body].concat();
    [&[0x16, 3, 1, 0, len + 4][..], &handshake].concat()
}

#[tokio::test]
async fn who_offers_no_tls_1_3_gets_an_alert_and_no_more() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(&old_greeting()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    // An alert, fatal: the version of the protocol.
    assert_eq!(
        (answer.len(), answer[0], &answer[5..]),
        (7, 0x15, &[2, 70][..]),
        "{answer:02x?}"
    );
}

/// Passes one connection on to the server and returns all that the client sent.
async fn recorded(listener: TcpListener, server: std::net::SocketAddr) -> Vec<u8> {
    let (client, _) = listener.accept().await.unwrap();
    let server = TcpStream::connect(server).await.unwrap();
    let ((mut from, mut back), (mut answers, mut to)) = (client.into_split(), server.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
    let (mut record, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        record.extend_from_slice(&bytes[..len]);
        to.write_all(&bytes[..len]).await.unwrap();
    }
    record
}

#[tokio::test]
async fn what_was_listened_to_and_sent_again_is_worth_nothing() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let between = listener.local_addr().unwrap();
    let recording = tokio::spawn(recorded(listener, server.address()));
    let mut client = Client::register(between).await;
    client.snapshot().await;
    client.commit_ok(vec![dir(1, NodeId::ROOT, "d")]).await;
    client.address = server.address();
    let mut other = client.companion().await;
    let Client {
        device,
        welcome,
        wire,
        ..
    } = client;
    drop(wire);
    let record = recording.await.unwrap();
    assert!(1000 < record.len());
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        // The server may hang up before it has all of it.
        let _ = stream.write_all(&record).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    }
    let (nodes, cursor) = other.snapshot().await;
    assert_eq!((nodes.len(), cursor.version), (1, Version(1)));
    let request = other.request();
    other.send(Request::Devices { request }).await;
    let Reply::Devices { devices, .. } = other.next().await else {
        panic!()
    };
    let online = devices
        .iter()
        .find(|row| row.id == welcome.device)
        .unwrap()
        .online;
    assert!(!online, "bytes of the past brought a device back");
    // The real one still gets in.
    Client::connect(server.address(), device, Role::Control, Auth::Device)
        .await
        .unwrap();
}
