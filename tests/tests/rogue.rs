//! A server that means harm, against the real client: it touches nothing outside of its folder, takes nothing for what it
//! is not, says so, and goes on with the rest.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use common::certificate::{Certificate, CertificateFiles};
use common::codec::encode;
use common::list::{PARTS_MAX, list_hash};
use common::message::{Attachment, Cursor, Reply, Request};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use sync_engine::{Change, Content, Epoch, FileState, Hash, Kind, Name, Node, NodeId, Target, Version};
use tests::rogue::{EPOCH, Nodes, Rogue, Said, Script, honest};
use tests::{Device, Join, World};

fn id(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn node(n: u8, parent: NodeId, name: &str, kind: Kind) -> Result<(NodeId, Version, Node)> {
    let name = Name::try_from(name)?;
    let node = Node {
        parent,
        name,
        kind,
        mark: None,
    };
    Ok((id(n), Version(n.into()), node))
}

fn file(hash: Hash, size_bytes: u64, depth: u8) -> Kind {
    let content = Content {
        hash,
        size_bytes,
        depth,
    };
    Kind::File(FileState {
        content,
        exec: false,
        mtime_ns: 1_700_000_000_000_000_000,
    })
}

/// A script that is honest but for what `harm` says.
fn script(nodes: Nodes, harm: impl Fn(&Request) -> Option<Vec<Said>> + Send + Sync + 'static) -> Script {
    Arc::new(move |request| harm(request).unwrap_or_else(|| honest(request, EPOCH, &nodes)))
}

/// All that is there, but what belongs to the device itself.
fn around(home: &Path) -> Result<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    for directory in [home.to_owned(), home.join("a"), home.join("a").join("folder")] {
        for entry in std::fs::read_dir(&directory)? {
            seen.insert(entry?.path().display().to_string());
        }
    }
    Ok(seen)
}

/// Starts a client with a file of its own on a rogue server.
fn victim(home: &Path, rogue: &Rogue) -> Result<Device> {
    let mut device = Device::prepare(home, "a", Join::New(rogue.address()))?;
    device.write("mine.txt", "mine")?;
    device.start()?;
    Ok(device)
}

fn is_alive(device: &Device) -> Result<()> {
    let finished = device.command("status", &[])?;
    assert!(
        finished.stderr.is_empty() && finished.code.is_some(),
        "{finished:?}"
    );
    assert_eq!(device.read("mine.txt")?, "mine");
    Ok(())
}

#[test]
fn names_that_lead_out_of_the_folder_are_not_even_read() -> Result<()> {
    let snapshot = Reply::Snapshot {
        nodes: vec![node(1, NodeId::ROOT, "PLACE-HOLDER", Kind::Dir)?],
        cursor: Cursor {
            epoch: EPOCH,
            version: Version(1),
            chain: Hash([0; 32]),
        },
        last: true,
    };
    let mut frame = bytes::BytesMut::new();
    encode(&snapshot, &[], &mut frame)?;
    let at = frame
        .windows(12)
        .position(|part| part == b"PLACE-HOLDER")
        .context("the name")?;
    for name in [
        b"../../../bad",
        b"/tmp/hf-evil",
        b"..\0/../..bad",
        b"a/b/c/d/e/fg",
    ]
    .map(|name| &name[..12])
    {
        let mut frame = frame.to_vec();
        frame[at..at + 12].copy_from_slice(name);
        let home = tempfile::tempdir()?;
        let rogue = Rogue::start(script(Vec::new(), move |request| {
            matches!(request, Request::Pull { .. }).then(|| vec![Said::Bytes(frame.clone())])
        }))?;
        let device = victim(home.path(), &rogue)?;
        let before = around(home.path())?;
        device.wait_for("disconnected", |event| event.is("disconnected"))?;
        is_alive(&device)?;
        assert_eq!(around(home.path())?, before);
    }
    Ok(())
}

#[test]
fn a_tree_that_is_none_is_not_taken() -> Result<()> {
    let link = Kind::Symlink(Target::new(b"/tmp")?);
    let trees = [
        // Something inside a link, which leads out of the folder.
        vec![
            node(1, NodeId::ROOT, "link", link)?,
            node(2, id(1), "inside", Kind::Dir)?,
        ],
        // Two that are inside each other, one that is nowhere, and two with one name.
        vec![node(1, id(2), "x", Kind::Dir)?, node(2, id(1), "y", Kind::Dir)?],
        vec![node(1, id(7), "x", Kind::Dir)?],
        vec![
            node(1, NodeId::ROOT, "x", Kind::Dir)?,
            node(2, NodeId::ROOT, "x", Kind::Dir)?,
        ],
    ];
    for tree in trees {
        let home = tempfile::tempdir()?;
        let rogue = Rogue::start(script(tree, |_| None))?;
        let device = victim(home.path(), &rogue)?;
        let before = around(home.path())?;
        device.wait_for("error", |event| event.is("error"))?;
        is_alive(&device)?;
        assert_eq!(around(home.path())?, before);
    }
    Ok(())
}

#[test]
fn bytes_that_are_not_what_was_said_and_sizes_that_cannot_be_hold_nothing_else_up() -> Result<()> {
    let fine = Bytes::from_static(b"fine");
    let long = Bytes::from(vec![7; 100_000]);
    let all_over = list_hash(b"no list");
    let nodes = vec![
        node(
            1,
            NodeId::ROOT,
            "liar-small",
            file(Hash::of(b"what it should be"), 17, 0),
        )?,
        node(2, NodeId::ROOT, "liar-long", file(Hash::of(&long), 100_000, 0))?,
        node(3, NodeId::ROOT, "huge", file(Hash([3; 32]), u64::MAX, 0))?,
        node(4, NodeId::ROOT, "huge-in-lists", file(all_over, 1 << 62, 4))?,
        node(5, NodeId::ROOT, "fine", file(Hash::of(&fine), 4, 0))?,
    ];
    let rogue = Rogue::start(script(nodes, move |request| {
        let Request::Get { request, hashes } = request else {
            return None;
        };
        // For each chunk there comes something of its name; only one is what it should be.
        let answers = hashes.iter().map(|hash| {
            let mut attachment = Attachment::data(if *hash == Hash::of(&fine) {
                fine.clone()
            } else {
                Bytes::from_static(b"what it shall not be")
            });
            attachment.head.hash = *hash;
            attachment
        });
        let reply = Reply::Chunks {
            request: *request,
            missing: Vec::new(),
            last: true,
        };
        Some(vec![Said::Reply(reply, answers.collect())])
    }))?;
    let home = tempfile::tempdir()?;
    let device = victim(home.path(), &rogue)?;
    let asked_for = |wanted: Hash| move |request: &Request| matches!(request, Request::Get { hashes, .. } if hashes.contains(&wanted));
    // Each is asked for, refused, and asked for again later.
    rogue.wait_heard(
        "the small one, twice",
        2,
        asked_for(Hash::of(b"what it should be")),
    )?;
    rogue.wait_heard("the long one, twice", 2, asked_for(Hash::of(&long)))?;
    is_alive(&device)?;
    // What is fine is written while the others are tried again.
    let mut n_tries = 3;
    while device.read("fine").is_err() && n_tries < 8 {
        rogue.wait_heard("the long one, again", n_tries, asked_for(Hash::of(&long)))?;
        n_tries += 1;
    }
    assert_eq!(device.read("fine")?, "fine");
    let tree: Vec<_> = device
        .tree()?
        .into_keys()
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .collect();
    assert_eq!(tree, ["fine", "mine.txt"]);
    let finished = device.command("status", &[])?;
    assert_ne!(
        finished.code,
        Some(0),
        "a device that lacks files says that it is synced: {finished:?}"
    );
    Ok(())
}

#[test]
fn an_answer_without_end_is_hung_up_on() -> Result<()> {
    let nodes = vec![node(1, NodeId::ROOT, "big", file(Hash([4; 32]), 10_000_000, 1))?];
    let piece = Attachment::data(Bytes::from(vec![1; 250_000]));
    for attachments in [vec![piece; 10], Vec::new()] {
        let nodes = nodes.clone();
        let rogue = Rogue::start(script(nodes, move |request| {
            let Request::Get { request, .. } = request else {
                return None;
            };
            let reply = Reply::Chunks {
                request: *request,
                missing: Vec::new(),
                last: false,
            };
            Some(vec![Said::Endless(reply, attachments.clone())])
        }))?;
        let home = tempfile::tempdir()?;
        let device = victim(home.path(), &rogue)?;
        let taken = rogue.wait_cut()?;
        assert!(
            taken < 128 * 1024 * 1024,
            "{taken} bytes were taken of what nobody asked for"
        );
        is_alive(&device)?;
    }
    Ok(())
}

/// One list whose parts are all one list, and so on, unfolds into more than any memory holds.
#[test]
fn lists_that_name_more_than_a_file_can_have_are_not_unfolded() -> Result<()> {
    let mut lists: Vec<Bytes> = Vec::new();
    let (mut part, mut len_bytes) = (Hash([5; 32]), 1_u64);
    for depth in 1..=4 {
        let mut bytes = vec![depth];
        for _ in 0..PARTS_MAX {
            bytes.extend_from_slice(&part.0);
            bytes.extend_from_slice(&len_bytes.to_be_bytes());
        }
        len_bytes *= PARTS_MAX as u64;
        part = list_hash(&bytes);
        lists.push(bytes.into());
    }
    let top = part;
    // Three levels of it say to be a file that fits on any disk.
    let (third, third_len) = (list_hash(&lists[2]), (PARTS_MAX as u64).pow(3));
    let nodes = vec![
        node(1, NodeId::ROOT, "unfolds", file(third, third_len, 3))?,
        node(2, NodeId::ROOT, "unfolds-more", file(top, len_bytes, 4))?,
    ];
    let (first, second) = (list_hash(&lists[0]), list_hash(&lists[1]));
    let rogue = Rogue::start(script(nodes, move |request| {
        let Request::Get { request, hashes } = request else {
            return None;
        };
        let asked = lists.iter().filter(|list| hashes.contains(&list_hash(list)));
        let attachments: Vec<_> = asked.map(|list| Attachment::list(list.clone())).collect();
        let reply = Reply::Chunks {
            request: *request,
            missing: Vec::new(),
            last: true,
        };
        Some(vec![Said::Reply(reply, attachments)])
    }))?;
    let home = tempfile::tempdir()?;
    let device = victim(home.path(), &rogue)?;
    device.wait_for("blocked", |event| {
        event.is("blocked") && event.text("path") == "unfolds"
    })?;
    let below = |request: &Request| matches!(request, Request::Get { hashes, .. } if hashes.contains(&first));
    let unfolded =
        |request: &Request| matches!(request, Request::Get { hashes, .. } if hashes.contains(&second));
    assert!(0 < rogue.n_heard(unfolded));
    assert_eq!(rogue.n_heard(below), 0);
    is_alive(&device)
}

#[test]
fn a_tree_without_end_is_hung_up_on() -> Result<()> {
    let rogue = Rogue::start(script(Vec::new(), move |request| {
        let Request::Pull { .. } = request else {
            return None;
        };
        let reply = Reply::Snapshot {
            nodes: Vec::new(),
            cursor: Cursor {
                epoch: EPOCH,
                version: Version(1),
                chain: Hash([0; 32]),
            },
            last: false,
        };
        Some(vec![Said::Endless(reply, Vec::new())])
    }))?;
    let home = tempfile::tempdir()?;
    let device = victim(home.path(), &rogue)?;
    device.wait_for("error", |event| event.is("error"))?;
    rogue.wait_cut()?;
    is_alive(&device)
}

#[test]
fn a_history_that_goes_on_and_brings_nothing_is_not_asked_for_again() -> Result<()> {
    let rogue = Rogue::start(script(Vec::new(), |request| match request {
        Request::Trace { request, .. } => {
            let reply = Reply::Traced {
                request: *request,
                entries: Vec::new(),
                more: true,
            };
            Some(vec![Said::Reply(reply, Vec::new())])
        }
        _ => None,
    }))?;
    let home = tempfile::tempdir()?;
    let device = victim(home.path(), &rogue)?;
    for (command, args) in [("log", &[][..]), ("history", &["never-there"])] {
        let finished = device.command(command, args)?;
        assert!(finished.code.is_some(), "{finished:?}");
    }
    let pages = |request: &Request| matches!(request, Request::Trace { .. });
    assert_eq!(rogue.n_heard(pages), 2);
    is_alive(&device)
}

/// Returns the epoch of a server, as any device learns it.
fn epoch_of(world: &World) -> Result<Epoch> {
    let endpoint = tui_client::net::Endpoint {
        dial: Arc::new(tui_client::net::TlsDial),
        address: world.address().parse()?,
        key: Arc::new(tui_client::net::ServerKey::not_kept(
            tui_client::net::Voucher::Nobody,
        )),
        certificate: Arc::new(Certificate::generate(&[])?),
    };
    let introduction = tui_client::net::Introduction {
        role: common::message::Role::Control,
        auth: common::message::Auth::Register {
            device_name: "x".into(),
        },
        generation: [0; 16],
        next_generation: [1; 16],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (_, admitted) = runtime.block_on(tui_client::net::connect::connect(&endpoint, &introduction))?;
    Ok(admitted.welcome.epoch)
}

#[test]
fn a_journal_that_was_cut_back_or_rewritten_under_the_same_epoch_deletes_nothing() -> Result<()> {
    let (mut world, [mut device]) = World::with_devices()?;
    for name in ["one", "two", "three"] {
        device.write(name, name)?;
    }
    device.wait_synced()?;
    let before = device.tree()?;
    let (epoch, address) = (epoch_of(&world)?, world.server.address());
    let certificate = Certificate::open(&CertificateFiles::of_server(&world.server.certs()))?;
    device.stop()?;
    world.server.terminate()?;
    let rewritten = vec![node(1, NodeId::ROOT, "new", Kind::Dir)?];
    for (nodes, chain) in [(Vec::new(), Hash([0; 32])), (rewritten, Hash([8; 32]))] {
        let rogue = Rogue::start_as(
            address,
            &certificate,
            Arc::new(move |request| match request {
                // As if the cursor were a point of this journal, and nothing had ever come after.
                Request::Pull { cursor: Some(_) } => {
                    let reply = Reply::Entries {
                        entries: Vec::new(),
                        chain,
                        head: Version(nodes.len() as u64),
                    };
                    vec![Said::Reply(reply, Vec::new())]
                }
                _ => honest(request, epoch, &nodes),
            }),
        )?;
        device.start()?;
        let offered = |request: &Request| matches!(request, Request::Commit { changes, .. } if changes.iter().any(|change| matches!(change, Change::Create { .. })));
        rogue.wait_heard("what it has lost", 1, offered)?;
        let mut after = device.tree()?;
        after.remove(b"new".as_slice());
        assert_eq!(after, before);
        let deleted = |request: &Request| matches!(request, Request::Commit { changes, .. } if changes.iter().any(|change| matches!(change, Change::Delete { .. })));
        assert_eq!(rogue.n_heard(deleted), 0);
        device.stop()?;
    }
    Ok(())
}
