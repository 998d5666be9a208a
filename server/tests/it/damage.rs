//! Every file of a store, deleted, cut short and with a flipped byte: either `server verify` says what is damaged, or
//! nothing is. The server that starts on it refuses clearly, or serves what is whole; it never gives out other bytes.

use crate::client::{Client, dir, file, name, node_id, plain, small};
use common::list::ListBuilder;
use common::message::{Attachment, Form, Reply, Request};
use server::{Options, Server};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use sync_engine::{Change, Content, Hash, MoveTo, Node, NodeId, Version};
use tempfile::TempDir;

/// How many bytes of each file are flipped, each in a copy of its own.
const FLIPS: usize = 64;
const ROOT: NodeId = NodeId::ROOT;

type Nodes = BTreeMap<NodeId, Node>;

/// A store and what was in it after each change.
struct Original {
    directory: TempDir,
    trees: Vec<Nodes>,
    id: common::identity::AccountId,
}

#[derive(Debug, Clone, Copy)]
enum Harm {
    Delete,
    CutTo(usize),
    Flip(usize),
}

impl Harm {
    fn do_to(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Self::Delete => return fs::remove_file(path).unwrap(),
            Self::CutTo(len) => bytes.truncate(len),
            Self::Flip(at) => bytes[at] ^= 0x55,
        }
        fs::write(path, bytes).unwrap();
    }
}

/// How the server that made the store ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
}

/// Makes a store.
async fn original(end: End) -> Original {
    let live = TempDir::new().unwrap();
    let running = Server::start(Options::local(
        live.path().join("data"),
        live.path().join("certs"),
    ))
    .await
    .unwrap();
    let mut client = Client::register(running.local_addr()).await;
    let mut trees = vec![
        client
            .snapshot()
            .await
            .0
            .into_iter()
            .map(|(id, _, node)| (id, node))
            .collect(),
    ];
    let (chunks, content) = large();
    client.put(&chunks).await;
    let update = Change::Update {
        id: node_id(3),
        base: Version(3),
        kind: match file(9, ROOT, "x", content) {
            Change::Create { node, .. } => node.kind,
            _ => unreachable!("it is a creation"),
        },
    };
    let moved = MoveTo {
        id: node_id(2),
        base: Version(2),
        parent: ROOT,
        name: name("moved"),
    };
    let steps = [
        (dir(1, ROOT, "d"), None),
        (
            file(2, node_id(1), "f", small(&[2; 9000])),
            Some(plain(&[2; 9000])),
        ),
        (file(3, ROOT, "g", small(&[3; 9000])), Some(plain(&[3; 9000]))),
        (update, None),
        (Change::Move { moves: vec![moved] }, None),
        (
            Change::Delete {
                id: node_id(1),
                base: Version(1),
            },
            None,
        ),
    ];
    for (change, attached) in steps {
        let attached: Vec<Attachment> = attached.into_iter().collect();
        let (outcomes, _) = client.commit_with(vec![change], &attached).await;
        assert!(
            matches!(outcomes[..], [common::message::Outcome::Accepted(_)]),
            "{outcomes:?}"
        );
        let mut reader = client.companion().await;
        trees.push(
            reader
                .snapshot()
                .await
                .0
                .into_iter()
                .map(|(id, _, node)| (id, node))
                .collect(),
        );
    }
    let directory = TempDir::new().unwrap();
    if end == End::Stopped {
        running.shutdown().await;
    }
    copy_dir(live.path(), directory.path());
    Original {
        directory,
        trees,
        id: client.id(),
    }
}

fn large() -> (Vec<Attachment>, Content) {
    let mut builder = ListBuilder::new();
    let (mut all, mut lists) = (Vec::new(), Vec::new());
    for n in 0_u32..40 {
        let bytes = [&n.to_be_bytes()[..], &[7; 500]].concat();
        lists.extend(builder.push(Hash::of(&bytes), 504).unwrap());
        all.push(plain(&bytes));
    }
    let (rest, content) = builder.finish().unwrap();
    lists.extend(rest);
    let list = |list: common::list::List| Attachment::list(list.bytes.into());
    all.extend(lists.into_iter().map(list));
    (all, content)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let goal = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_dir(&item.path(), &goal);
        } else {
            fs::copy(item.path(), goal).unwrap();
        }
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(directory).unwrap() {
        let item = item.unwrap();
        if item.file_type().unwrap().is_dir() {
            found.extend(files_below(&item.path()));
        } else {
            found.push(item.path());
        }
    }
    found.sort();
    found
}

/// Harms of a file of this length; bytes are flipped evenly over it.
fn harms(len: usize) -> Vec<Harm> {
    let mut harms = vec![Harm::Delete, Harm::CutTo(0), Harm::CutTo(len / 2)];
    let places = (0..FLIPS).map(|n| n * len / FLIPS + n * 7 % 61);
    harms.extend(places.filter(|place| *place < len).map(Harm::Flip));
    if len != 0 {
        harms.push(Harm::Flip(len - 1));
    }
    harms
}

/// Runs `server verify` and tells whether it says that the store is sound.
fn is_called_sound(data: &Path, what: &str) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_server"))
        .args(["verify", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        Some(1) => {
            assert!(
                text.contains("next: ") && !text.contains("panicked"),
                "{what}: {text}"
            );
            false
        }
        other => panic!("{what}: {other:?} {text}"),
    }
}

/// Reads all that a device which joins now is given; nothing if it is refused or cut off.
async fn given(address: std::net::SocketAddr, original: &Original, what: &str) -> Option<(Nodes, usize)> {
    let admitted = Client::enrol_or_not(address, original.id.clone()).await?;
    let mut client = admitted.ok()?;
    client.send(Request::Pull { cursor: None }).await;
    let mut nodes = Nodes::new();
    loop {
        match client.wire.next().await?.message {
            Reply::Snapshot {
                nodes: part, last, ..
            } => {
                nodes.extend(part.into_iter().map(|(id, _, node)| (id, node)));
                if last {
                    break;
                }
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    let tops = nodes
        .values()
        .filter_map(|node| Some(node.kind.file()?.content.hash));
    let request = client.request();
    client
        .send(Request::Get {
            request,
            hashes: tops.collect(),
        })
        .await;
    let mut n_missing = 0;
    loop {
        let frame = client.wire.next().await?;
        for came in &frame.attachments {
            if came.head.form == Form::Data {
                assert_eq!(Hash::of(&came.bytes), came.head.hash, "{what}: other bytes");
            }
        }
        match frame.message {
            Reply::Chunks { missing, last, .. } => {
                n_missing += missing.len();
                if last {
                    return Some((nodes, n_missing));
                }
            }
            Reply::Missing { .. } => (),
            Reply::Failed { .. } => return None,
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_a_store_that_was_stopped_is_named_or_harmless() {
    harm_all(&original(End::Stopped).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_a_store_whose_server_was_killed_is_named_or_harmless() {
    harm_all(&original(End::Killed).await).await;
}

async fn harm_all(original: &Original) {
    let source = original.directory.path().join("data");
    let mut n_served = 0;
    for path in files_below(&source) {
        let len = fs::read(&path).unwrap().len();
        for harm in harms(len) {
            let what = format!("{} {harm:?} of {len}", path.file_name().unwrap().display());
            let copy = TempDir::new().unwrap();
            copy_dir(original.directory.path(), copy.path());
            harm.do_to(&copy.path().join("data").join(path.strip_prefix(&source).unwrap()));
            let data = copy.path().join("data");
            let is_sound = data.join("store.db").exists() && is_called_sound(&data, &what);
            let options = Options::local(data, copy.path().join("certs"));
            let running = match Server::start(options).await {
                Ok(running) => running,
                Err(error) => {
                    assert!(!is_sound, "{what}: {error}");
                    assert!(!error.trouble().todo.is_empty(), "{what}");
                    continue;
                }
            };
            let given = given(running.local_addr(), original, &what).await;
            running.shutdown().await;
            if let Some((nodes, n_missing)) = given {
                n_served += 1;
                if is_sound {
                    assert!(original.trees.contains(&nodes), "{what}: {nodes:?}");
                    assert_eq!(n_missing, 0, "{what}");
                }
            }
        }
    }
    assert!(20 < n_served);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_away_is_sound_again_when_it_is_back() {
    let original = original(End::Stopped).await;
    let data = original.directory.path().join("data");
    fs::rename(data.join("packs"), data.join("away")).unwrap();
    fs::create_dir(data.join("packs")).unwrap();
    assert!(!is_called_sound(&data, "without packs"));
    assert!(!is_called_sound(&data, "without packs, again"));
    fs::remove_dir(data.join("packs")).unwrap();
    fs::rename(data.join("away"), data.join("packs")).unwrap();
    assert!(is_called_sound(&data, "with packs"));
    assert!(is_called_sound(&data, "with packs, again"));
}
