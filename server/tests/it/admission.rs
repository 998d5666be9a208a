//! Who is let in, who is not, and what they are told.

use crate::client::{Client, Device, TestServer, Wire, dir, name};
use common::identity::AccountId;
use common::message::{Auth, Failure, Refusal, Reply, Request, Role};
use sync_engine::NodeId;

const NOT_ADMITTED: Reply = Reply::Refused(Refusal::NotAdmitted);

async fn refused(server: &TestServer, device: &Device, auth: Auth) -> Reply {
    match Client::connect(server.address(), device.clone(), Role::Control, auth).await {
        Ok(_) => panic!("admitted"),
        Err(reply) => reply,
    }
}

#[tokio::test]
async fn an_unknown_id_an_unknown_key_and_a_revoked_one_get_the_same_answer() {
    let server = TestServer::start().await;
    let mut first = server.register().await;
    let second = first.companion().await;
    let request = first.request();
    first
        .send(Request::RevokeDevice {
            request,
            device: second.welcome.device,
        })
        .await;
    assert_eq!(first.next().await, Reply::Done { request });
    let unknown = Auth::Enrol {
        id: AccountId::generate().unwrap(),
        device_name: "x".into(),
    };
    assert_eq!(refused(&server, &Device::new(), unknown).await, NOT_ADMITTED);
    assert_eq!(refused(&server, &Device::new(), Auth::Device).await, NOT_ADMITTED);
    assert_eq!(refused(&server, &second.device, Auth::Device).await, NOT_ADMITTED);
    let with_id = Auth::Enrol {
        id: first.id(),
        device_name: "x".into(),
    };
    assert_eq!(refused(&server, &second.device, with_id).await, NOT_ADMITTED);
}

#[tokio::test]
async fn a_revoked_device_is_cut_off_at_once_and_the_last_one_cannot_be_revoked() {
    let server = TestServer::start().await;
    let mut first = server.register().await;
    let mut second = first.companion().await;
    let mut bulk = second.again(Role::Bulk).await;
    let request = first.request();
    first
        .send(Request::RevokeDevice {
            request,
            device: second.welcome.device,
        })
        .await;
    assert_eq!(first.next().await, Reply::Done { request });
    assert!(second.wire.next().await.is_none());
    assert!(bulk.wire.next().await.is_none());
    first
        .send(Request::RevokeDevice {
            request,
            device: first.welcome.device,
        })
        .await;
    assert_eq!(
        first.next().await,
        Reply::Failed {
            request,
            failure: Failure::LastDevice
        }
    );
}

#[tokio::test]
async fn a_registration_that_arrives_twice_makes_one_account() {
    let server = TestServer::start().await;
    let device = Device::new();
    let register = || Auth::Register {
        device_name: "a".into(),
    };
    let first = Client::connect(server.address(), device.clone(), Role::Control, register())
        .await
        .unwrap();
    let again = Client::connect(server.address(), device.clone(), Role::Control, register())
        .await
        .unwrap();
    assert_eq!(first.welcome.device, again.welcome.device);
    assert!(Client::enrol(server.address(), first.id()).await.is_err());
    // Once the device has come back with its generation, its account's ID is known to it and stays.
    let confirmed = again.again(Role::Control).await;
    assert_eq!(refused(&server, &device, register()).await, NOT_ADMITTED);
    assert!(Client::enrol(server.address(), again.id()).await.is_ok());
    drop(confirmed);
}

#[tokio::test]
async fn a_copied_device_is_found_out() {
    let server = TestServer::start().await;
    let first = server.register().await;
    let copy = first.device.clone();
    let second = first.again(Role::Control).await;
    // An answer that was lost on the way is no harm: the same generation is presented again.
    let third = first.again(Role::Control).await;
    let fourth = third.again(Role::Control).await;
    assert_eq!(
        refused(&server, &copy, Auth::Device).await,
        Reply::Refused(Refusal::Cloned)
    );
    assert_eq!(
        refused(&server, &second.device, Auth::Device).await,
        Reply::Refused(Refusal::Cloned)
    );
    fourth.again(Role::Control).await;
}

#[tokio::test]
async fn an_id_can_be_replaced_and_enrolled_devices_stay() {
    let server = TestServer::start().await;
    let mut first = server.register().await;
    let old = first.id();
    let request = first.request();
    first.send(Request::ReplaceId { request }).await;
    let Reply::NewId { id, .. } = first.next().await else {
        panic!()
    };
    assert!(Client::enrol(server.address(), old).await.is_err());
    assert!(Client::enrol(server.address(), id).await.is_ok());
    first.again(Role::Control).await;
}

#[tokio::test]
async fn whether_an_id_is_the_accounts_is_told_to_its_devices_alone() {
    let server = TestServer::start().await;
    let (mut first, mut stranger) = (server.register().await, server.register().await);
    let old = first.id();
    let request = first.request();
    let is_its = async |client: &mut Client, id: &AccountId| {
        let (request, hash) = (client.request(), id.hash());
        client.send(Request::CheckId { request, hash }).await;
        let reply = client.next().await;
        let failure = Failure::NotFound;
        assert!([Reply::Done { request }, Reply::Failed { request, failure }].contains(&reply));
        reply == Reply::Done { request }
    };
    assert!(is_its(&mut first, &old).await);
    assert!(!is_its(&mut stranger, &old).await);
    first.send(Request::ReplaceId { request }).await;
    let Reply::NewId { id, .. } = first.next().await else {
        panic!()
    };
    assert!(!is_its(&mut first, &old).await);
    assert!(is_its(&mut first, &id).await);
    assert!(!is_its(&mut stranger, &id).await);
}

#[tokio::test]
async fn devices_are_listed_and_renamed() {
    let server = TestServer::start().await;
    let mut first = server.register().await;
    let second = first.companion().await;
    let device = second.welcome.device;
    let request = first.request();
    first
        .send(Request::RenameDevice {
            request,
            device,
            name: "lap\u{202e}top".into(),
        })
        .await;
    assert_eq!(first.next().await, Reply::Done { request });
    first.send(Request::Devices { request }).await;
    let Reply::Devices { devices, .. } = first.next().await else {
        panic!()
    };
    let shown: Vec<_> = devices
        .iter()
        .map(|device| (device.name.as_str(), device.online))
        .collect();
    assert_eq!(shown, [("first", true), ("laptop", true)]);
}

#[tokio::test]
async fn another_protocol_is_refused_by_name() {
    let server = TestServer::start().await;
    for protocol in [0, 2, u16::MAX] {
        let device = Device::new();
        let mut wire = Wire::open(server.address(), &device.certificate).await;
        let hello = common::message::Hello {
            protocol,
            agent: "test".into(),
            role: Role::Control,
            auth: Auth::Register {
                device_name: "x".into(),
            },
            generation: [0; 16],
            next_generation: [1; 16],
        };
        wire.send(Request::Hello(hello), &[]).await;
        let refusal = Reply::Refused(Refusal::Protocol { min: 1, max: 1 });
        assert_eq!(wire.next().await.unwrap().message, refusal);
        assert!(wire.next().await.is_none());
    }
}

#[tokio::test]
async fn a_closed_server_takes_devices_but_no_accounts() {
    let server = TestServer::start().await;
    let first = server.register().await;
    let TestServer { directory, running } = server;
    running.shutdown().await;
    let mut options = crate::client::options_in(&directory);
    options.closed = true;
    let running = server::Server::start(options).await.unwrap();
    let server = TestServer { directory, running };
    let register = Auth::Register {
        device_name: "x".into(),
    };
    assert_eq!(
        refused(&server, &Device::new(), register).await,
        Reply::Refused(Refusal::Closed)
    );
    assert!(Client::enrol(server.address(), first.id()).await.is_ok());
}

#[tokio::test]
async fn who_fails_too_often_has_to_wait_but_known_devices_do_not() {
    let server = TestServer::start_with(|options| options.limits.failures_per_minute_max = 3).await;
    let first = server.register().await;
    let guess = || Auth::Enrol {
        id: AccountId::generate().unwrap(),
        device_name: "x".into(),
    };
    for _ in 0..3 {
        assert_eq!(refused(&server, &Device::new(), guess()).await, NOT_ADMITTED);
    }
    assert_eq!(
        refused(&server, &Device::new(), guess()).await,
        Reply::Refused(Refusal::Busy)
    );
    first.again(Role::Control).await;
}

#[tokio::test]
async fn a_device_that_comes_back_replaces_its_older_connection() {
    let server = TestServer::start().await;
    let mut first = server.register().await;
    let mut again = first.again(Role::Control).await;
    assert!(first.wire.next().await.is_none());
    again.snapshot().await;
    again
        .commit_ok(vec![dir(1, NodeId::ROOT, name("d").as_str().unwrap())])
        .await;
}
