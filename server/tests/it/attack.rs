//! Peers that mean harm, or are broken.

use crate::client::{Client, Device, TestServer, Wire, dir};
use common::codec::encode;
use common::limits::{FRAME_LEN_MAX, FRAME_LEN_MAX_STRANGER};
use common::message::{Refusal, Reply, Request, Role};
use std::time::Duration;
use sync_engine::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROOT: NodeId = NodeId::ROOT;
const SHORT: Duration = Duration::from_millis(300);

async fn works(server: &TestServer) {
    let mut client = server.register().await;
    client.snapshot().await;
    client.commit_ok(vec![dir(1, ROOT, "d")]).await;
}

#[tokio::test]
async fn frames_that_are_none_end_a_strangers_connection() {
    let server = TestServer::start().await;
    let too_long = u32::try_from(FRAME_LEN_MAX_STRANGER + 1).unwrap();
    for bytes in [
        vec![0; 4],
        vec![0xff; 4],
        0x8000_0000_u32.to_be_bytes().to_vec(),
        too_long.to_be_bytes().to_vec(),
        [&20_u32.to_be_bytes()[..], &[0xff; 20]].concat(),
        [&20_u32.to_be_bytes()[..], &16_u32.to_be_bytes(), &[0xff; 16]].concat(),
    ] {
        let device = Device::new();
        let mut wire = Wire::open(server.address(), &device.certificate).await;
        wire.send_raw(&bytes).await;
        assert_eq!(
            wire.next().await.unwrap().message,
            Reply::Refused(Refusal::Malformed)
        );
        assert!(wire.next().await.is_none());
    }
    works(&server).await;
}

#[tokio::test]
async fn frames_that_are_none_end_a_devices_connection_and_no_other() {
    let server = TestServer::start().await;
    let first = server.register().await;
    let mut other = first.companion().await;
    other.snapshot().await;
    let too_long = u32::try_from(FRAME_LEN_MAX + 1).unwrap();
    for bytes in [
        vec![0; 4],
        vec![0xff; 4],
        too_long.to_be_bytes().to_vec(),
        [&24_u32.to_be_bytes()[..], &20_u32.to_be_bytes(), &[0xfb; 20]].concat(),
    ] {
        let mut bulk = first.again(Role::Bulk).await;
        bulk.wire.send_raw(&bytes).await;
        assert!(bulk.wire.next().await.is_none());
    }
    other.commit_ok(vec![dir(1, ROOT, "d")]).await;
}

#[tokio::test]
async fn names_that_are_none_are_not_even_decoded() {
    let server = TestServer::start().await;
    let mut device = server.register().await;
    device.snapshot().await;
    let mut frame = bytes::BytesMut::new();
    let changes = vec![dir(1, ROOT, "ABCDEFGHI")];
    encode(&Request::Commit { request: 1, changes }, &[], &mut frame).unwrap();
    let at = frame
        .windows(9)
        .position(|window| window == b"ABCDEFGHI")
        .unwrap();
    for name in [
        &b"../../etc"[..],
        b"a\0bcdefgh",
        b".holdfast",
        b"/absolute",
        b".HoldFast",
    ] {
        let mut frame = frame.clone();
        frame[at..at + 9].copy_from_slice(name);
        let mut client = device.again(Role::Control).await;
        client.wire.send_raw(&frame).await;
        assert!(client.wire.next().await.is_none());
        device = client;
    }
    let mut client = device.again(Role::Control).await;
    assert_eq!(client.snapshot().await.0, []);
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let server = TestServer::start_with(|options| {
        options.limits.handshake_timeout = SHORT;
        options.limits.hello_timeout = SHORT;
        options.limits.idle_timeout = SHORT;
    })
    .await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut halfway = TcpStream::connect(server.address()).await.unwrap();
    halfway.write_all(&[0x16, 3, 1, 0, 200, 1]).await.unwrap();
    let device = Device::new();
    let mut nameless = Wire::open(server.address(), &device.certificate).await;
    nameless.send_raw(&100_u32.to_be_bytes()).await;
    let mut idle = server.register().await;
    let mut bytes = [0; 64];
    assert!(matches!(silent.read(&mut bytes).await, Ok(0) | Err(_)));
    while !matches!(halfway.read(&mut bytes).await, Ok(0) | Err(_)) {}
    assert!(nameless.next().await.is_none());
    assert!(idle.wire.next().await.is_none());
}

#[tokio::test]
async fn who_does_not_speak_tls_is_cut_off() {
    let server = TestServer::start().await;
    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // An alert or a reset; either is an end.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.len() < 64);
    works(&server).await;
}

#[tokio::test]
async fn many_strangers_do_not_keep_a_device_out() {
    let server = TestServer::start_with(|options| options.limits.strangers_per_address_max = 8).await;
    let mut strangers = Vec::new();
    for _ in 0..40 {
        strangers.push(TcpStream::connect(server.address()).await.unwrap());
    }
    works(&server).await;
}

#[tokio::test]
async fn a_device_that_does_not_read_is_cut_off_and_others_go_on() {
    let server = TestServer::start_with(|options| options.limits.write_timeout = SHORT).await;
    let mut client = server.register().await;
    client.snapshot().await;
    for part in 0..10 {
        let first = part * 2000 + 1;
        let long = |n: u64| dir(n, ROOT, &format!("{n:0240}"));
        client.commit_ok((first..first + 2000).map(long).collect()).await;
    }
    let mut deaf = client.companion().await;
    for _ in 0..40 {
        deaf.send(Request::Pull { cursor: None }).await;
    }
    // The server gives up on it while the other works on: it is no longer among those who are there.
    loop {
        let request = client.request();
        client.send(Request::Devices { request }).await;
        let Reply::Devices { devices, .. } = client.next().await else {
            panic!()
        };
        if devices.iter().filter(|device| device.online).count() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    client.commit_ok(vec![dir(900_000, ROOT, "still here")]).await;
}

#[tokio::test]
async fn what_is_out_of_turn_ends_the_connection() {
    let server = TestServer::start().await;
    let first = server.register().await;
    let device = Device::new();
    let mut early = Wire::open(server.address(), &device.certificate).await;
    early.send(Request::Ping { request: 1 }, &[]).await;
    assert_eq!(
        early.next().await.unwrap().message,
        Reply::Refused(Refusal::Malformed)
    );
    let mut bulk: Client = first.again(Role::Bulk).await;
    bulk.send(Request::Pull { cursor: None }).await;
    assert!(bulk.wire.next().await.is_none());
}
