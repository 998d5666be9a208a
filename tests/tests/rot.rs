//! What `verify` finds on a client's disk that nothing else can: it reads every byte, and changes none.

use sync_engine::{RelPath, Version};
use tests::sim::client::SimClient;
use tui_client::control::{Answer, Ask, Moment};

use crate::pair::{FILE, Pair, with_seeds};

/// Returns whether a client finds everything to agree, and what it says.
async fn verify(client: &SimClient) -> (bool, String) {
    match client.ask(Ask::Verify).await {
        Some(Answer::Report { sound, lines, .. }) => (sound, lines.join("\n")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_rot_are_found_and_do_not_travel() {
    with_seeds(4, async |pair: Pair| {
        let disk = &pair.here.disk;
        disk.write(FILE, "bytes").unwrap();
        disk.mkdir("home/dir").unwrap();
        disk.symlink("file", "home/dir/link").unwrap();
        pair.settle().await;
        let (sound, said) = verify(&pair.here).await;
        assert!(
            sound && said.contains("3 nodes agree: disk (5 bytes read)"),
            "{said}"
        );

        disk.rot(FILE).unwrap();
        let (sound, said) = verify(&pair.here).await;
        assert!(!sound && said.starts_with("'file' holds other bytes"), "{said}");
        pair.settle().await;
        assert_eq!(pair.there().unwrap(), b"bytes");
        assert!(verify(&pair.there).await.0);

        // As it is told to be mended: what is on the server comes back.
        disk.unlink(FILE).unwrap();
        pair.settle().await;
        let restore = Ask::Restore {
            path: RelPath::parse(b"file").unwrap(),
            at: Moment::Version(Version(3)),
            to: None,
        };
        let restore = pair.here.ask(restore).await;
        assert!(matches!(restore, Some(Answer::Restored(1))), "{restore:?}");
        pair.settle().await;
        assert_eq!(disk.read(FILE).unwrap(), b"bytes");
        assert!(verify(&pair.here).await.0);
    });
}

#[test]
fn what_the_watcher_has_not_told_yet_is_found() {
    with_seeds(4, async |pair: Pair| {
        let disk = &pair.here.disk;
        for name in ["home/gone", "home/written", "home/turned"] {
            disk.write(name, "bytes").unwrap();
        }
        pair.settle().await;
        disk.hold_events_back(true);
        disk.write("home/new", "bytes").unwrap();
        disk.unlink("home/gone").unwrap();
        disk.write("home/written", "other bytes").unwrap();
        disk.unlink("home/turned").unwrap();
        disk.mkdir("home/turned").unwrap();
        let (sound, said) = verify(&pair.here).await;
        assert!(!sound);
        for part in [
            "'new' is on the disk",
            "'gone' is not on the disk",
            "'written' has changed",
            "'turned' has changed",
        ] {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
        disk.hold_events_back(false);
        pair.settle().await;
        assert!(verify(&pair.here).await.0);
    });
}
