//! What the local socket promises, to friends and to peers who send rubbish.

use sync_engine::Version;
use tempfile::TempDir;

use super::*;
use crate::notice::Notice;

struct Folder {
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "the socket is a pipe there, and needs no directory")
    )]
    dir: TempDir,
    place: Place,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path(), FolderId::random());
        Self { dir, place }
    }
}

/// Answers like a client would; ends when the socket does.
async fn answer(mut calls: mpsc::Receiver<Call>) {
    while let Some(Call { ask, answers }) = calls.recv().await {
        match ask {
            Ask::Listen => {
                tokio::spawn(async move {
                    for number in 0.. {
                        let notice = Notice::Synced {
                            version: Version(number),
                        };
                        if answers.send(Answer::Notice(Box::new(notice))).await.is_err() {
                            return;
                        }
                    }
                });
            }
            Ask::Rescan => drop(answers),
            Ask::Stop => {
                let _ = answers.send(Answer::Done).await;
                return;
            }
            _ => {
                let report = Answer::Report {
                    sound: true,
                    is_partial: false,
                    lines: vec![format!("{ask:?}")],
                };
                let _ = answers.send(report).await;
            }
        }
    }
}

async fn listen(folder: &Folder) -> Socket {
    let (calls, taken) = mpsc::channel(4);
    tokio::spawn(answer(taken));
    Socket::listen(&folder.place, calls).await.unwrap()
}

#[tokio::test]
async fn a_question_is_answered_and_so_is_the_next_on_the_same_connection() {
    let folder = Folder::new();
    let socket = listen(&folder).await;
    let mut conversation = Conversation::open(&folder.place).await.unwrap();
    for ask in [Ask::Status, Ask::Log { limit: 3 }] {
        let expected = Answer::Report {
            sound: true,
            is_partial: false,
            lines: vec![format!("{ask:?}")],
        };
        assert_eq!(conversation.ask(&ask).await.unwrap(), expected);
    }
    drop(conversation);
    socket.finish().await;
}

#[tokio::test]
async fn where_no_client_runs_nobody_is_there() {
    let folder = Folder::new();
    let asked = Socket::ask(&folder.place, &Ask::Status).await;
    assert!(matches!(asked, Err(SocketError::NobodyThere)));
    listen(&folder).await.finish().await;
    let asked = Socket::ask(&folder.place, &Ask::Status).await;
    assert!(matches!(asked, Err(SocketError::NobodyThere)));
}

#[tokio::test]
async fn a_listener_hears_until_it_hangs_up_or_the_client_ends() {
    let folder = Folder::new();
    let socket = listen(&folder).await;
    let mut conversation = Conversation::open(&folder.place).await.unwrap();
    let first = conversation.ask(&Ask::Listen).await.unwrap();
    let Answer::Notice(first) = first else {
        panic!("{first:?}")
    };
    assert_eq!(*first, Notice::Synced { version: Version(0) });
    for _ in 0..200 {
        conversation.next().await.unwrap();
    }
    let ended = tokio::join!(socket.finish(), async {
        loop {
            if let Err(error) = conversation.next().await {
                return error;
            }
        }
    });
    assert!(
        matches!(ended.1, SocketError::Ended | SocketError::Broken(_)),
        "{:?}",
        ended.1
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_failure_and_no_silence() {
    let folder = Folder::new();
    let _socket = listen(&folder).await;
    let answer = Socket::ask(&folder.place, &Ask::Rescan).await.unwrap();
    assert_eq!(answer, Answer::Ending);
}

#[tokio::test]
async fn the_answer_to_stop_is_written_before_the_end() {
    let folder = Folder::new();
    let socket = listen(&folder).await;
    let mut conversation = Conversation::open(&folder.place).await.unwrap();
    assert_eq!(conversation.ask(&Ask::Stop).await.unwrap(), Answer::Done);
    socket.finish().await;
    assert!(conversation.ask(&Ask::Status).await.is_err());
}

#[tokio::test]
async fn a_second_client_at_the_same_place_is_refused_while_the_first_lives() {
    let folder = Folder::new();
    let first = listen(&folder).await;
    let (calls, _taken) = mpsc::channel(1);
    let second = Socket::listen(&folder.place, calls).await;
    assert!(matches!(second, Err(SocketError::InUse)));
    assert!(Socket::ask(&folder.place, &Ask::Status).await.is_ok());
    first.finish().await;
    listen(&folder).await.finish().await;
}

#[tokio::test]
async fn more_peers_than_the_limit_wait_their_turn() {
    let folder = Folder::new();
    let _socket = listen(&folder).await;
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 8 {
        waiting.push(Conversation::open(&folder.place).await.unwrap());
    }
    for mut conversation in waiting {
        assert!(matches!(
            conversation.ask(&Ask::Status).await,
            Ok(Answer::Report { .. })
        ));
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::net::UnixStream;

    fn path(folder: &Folder) -> PathBuf {
        folder
            .dir
            .path()
            .join(folder.place.folder.to_string())
            .join("socket")
    }

    /// Sends raw bytes and returns all that comes back.
    async fn send(folder: &Folder, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path(folder)).await.unwrap();
        // The peer may hang up in the middle; what it said before counts.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn rubbish_is_answered_once_and_hung_up_on() {
        let folder = Folder::new();
        let _socket = listen(&folder).await;
        let nested = [b"[".repeat(100_000), b"\n".to_vec()].concat();
        for rubbish in [
            &b"\n"[..],
            b"{}\n",
            b"\xff\xfe\n",
            b"\"Fly\"\n",
            b"\"Status\"x\n",
            &nested,
        ] {
            let answer = send(&folder, rubbish).await;
            assert_eq!(answer.lines().count(), 1, "{answer}");
            assert!(answer.starts_with("{\"Failed\":"), "{answer}");
        }
        assert_eq!(
            send(&folder, b"\"Status\"").await,
            "",
            "a line without its end is none"
        );
        assert!(Socket::ask(&folder.place, &Ask::Status).await.is_ok());
    }

    #[tokio::test]
    async fn a_line_without_end_costs_no_more_than_the_limit() {
        let folder = Folder::new();
        let _socket = listen(&folder).await;
        let mut stream = UnixStream::connect(path(&folder)).await.unwrap();
        let mut n_sent = 0;
        while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {
            n_sent += 16 * 1024;
            assert!(n_sent < 8 * ASK_LEN_MAX, "the peer is never hung up on");
        }
        assert!(Socket::ask(&folder.place, &Ask::Status).await.is_ok());
    }

    #[tokio::test]
    async fn only_its_user_may_open_the_socket() {
        let folder = Folder::new();
        let _socket = listen(&folder).await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path(&folder)), 0o600);
        assert_eq!(mode(path(&folder).parent().unwrap()), 0o700);
    }

    #[tokio::test]
    async fn what_a_killed_client_left_is_replaced_but_nothing_else() {
        let folder = Folder::new();
        fs::create_dir(path(&folder).parent().unwrap()).unwrap();
        fs::set_permissions(path(&folder).parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path(&folder)).unwrap());
        assert!(path(&folder).exists());
        listen(&folder).await.finish().await;
        assert!(!path(&folder).exists());
        fs::write(path(&folder), b"a file").unwrap();
        let _socket = listen(&folder).await;
        assert_eq!(fs::read(path(&folder)).unwrap(), b"a file");
        assert!(Socket::ask(&folder.place, &Ask::Status).await.is_ok());
    }

    #[tokio::test]
    async fn a_long_path_finds_a_shorter_place_on_both_sides() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(&dir.path().join("x".repeat(120)), FolderId::random());
        let folder = Folder { dir, place };
        let socket = listen(&folder).await;
        assert!(Socket::ask(&folder.place, &Ask::Status).await.is_ok());
        socket.finish().await;
    }
}
