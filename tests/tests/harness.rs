//! The harness itself: that it ends what it starts, and that its network is as bad as it says.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tests::{Proxy, Tokens};

/// Starts a listener that sends back what it gets.
fn echo() -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut reader, mut writer) = (&stream, &stream);
                // The other side hangs up whenever it likes.
                let _hung_up = std::io::copy(&mut reader, &mut writer);
            });
        }
    });
    Ok(address)
}

#[test]
fn the_proxy_passes_bytes_until_it_is_cut_and_again_when_it_is_mended() -> Result<()> {
    let proxy = Proxy::new(echo()?)?;
    let mut stream = TcpStream::connect(proxy.address())?;
    let mut back = [0; 5];
    stream.write_all(b"hello")?;
    stream.read_exact(&mut back)?;
    assert_eq!(&back, b"hello");
    proxy.cut();
    assert!(matches!(stream.read(&mut back), Ok(0) | Err(_)));
    proxy.mend();
    let mut stream = TcpStream::connect(proxy.address())?;
    stream.write_all(b"again")?;
    stream.read_exact(&mut back)?;
    assert_eq!(&back, b"again");
    assert_eq!(proxy.bytes_passed(), 20);
    Ok(())
}

#[test]
fn the_proxy_cuts_itself_after_exactly_so_many_bytes() -> Result<()> {
    let proxy = Proxy::new(echo()?)?;
    proxy.cut_after(7);
    let mut stream = TcpStream::connect(proxy.address())?;
    stream.write_all(b"hello")?;
    assert!(proxy.wait_cut(Duration::from_secs(10)));
    assert_eq!(proxy.bytes_passed(), 7);
    Ok(())
}

#[test]
fn a_stalled_proxy_holds_bytes_back_and_a_slow_one_delays_them() -> Result<()> {
    let proxy = Proxy::new(echo()?)?;
    let mut stream = TcpStream::connect(proxy.address())?;
    proxy.stall();
    stream.write_all(b"hello")?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut back = [0; 5];
    assert!(stream.read(&mut back).is_err());
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let begun = Instant::now();
    proxy.delay(Duration::from_millis(30));
    stream.write_all(b"delay")?;
    stream.read_exact(&mut back)?;
    stream.read_exact(&mut back)?;
    assert!(Duration::from_millis(60) <= begun.elapsed());
    Ok(())
}

#[test]
fn a_token_that_is_gone_is_missed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut tokens = Tokens::new();
    tokens.write(&folder.path().join("deep").join("one.txt"))?;
    let second = tokens.write(&folder.path().join("two.txt"))?;
    tokens.all_in(&[folder.path()])?;
    std::fs::remove_file(folder.path().join("two.txt"))?;
    assert!(tokens.all_in(&[folder.path()]).is_err());
    tokens.retire(&second);
    tokens.all_in(&[folder.path()])
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use std::process::Command;
    use tests::Process;
    use tests::process::run;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_process_is_heard_and_its_end_is_told() -> Result<()> {
        let finished = run(
            "sh",
            &mut shell("echo out; echo err >&2; exit 7"),
            Duration::from_secs(10),
        )?;
        assert_eq!(
            (finished.code, finished.stdout.as_str(), finished.stderr.as_str()),
            (Some(7), "out", "err")
        );
        Ok(())
    }

    #[test]
    fn a_process_that_is_dropped_is_gone() -> Result<()> {
        let process = Process::start("sh", &mut shell("echo $$; exec tail -f /dev/null"))?;
        let pid = process
            .stdout
            .wait(0, Duration::from_secs(10), |line| line.parse::<i32>().ok());
        let pid = rustix::process::Pid::from_raw(pid.expect("it says its pid")).expect("a pid is not zero");
        assert!(process.is_running());
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
        Ok(())
    }

    #[test]
    fn a_process_that_takes_too_long_is_killed() {
        let begun = Instant::now();
        assert!(
            run(
                "sh",
                &mut shell("exec tail -f /dev/null"),
                Duration::from_millis(50)
            )
            .is_err()
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_process_can_end_in_good_order_when_it_is_asked() -> Result<()> {
        let process = Process::start(
            "sh",
            &mut shell("trap 'exit 9' TERM; echo ready; while :; do :; done"),
        )?;
        process
            .stdout
            .wait(0, Duration::from_secs(10), |line| (line == "ready").then_some(()));
        process.terminate();
        assert_eq!(process.finish(Duration::from_secs(10))?.code, Some(9));
        Ok(())
    }
}
