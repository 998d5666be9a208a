//! The full-screen client, once for real in a pseudo-terminal.

use crate::support::{apart, expected, picture};
use anyhow::{Context as _, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tests::{Device, World};

const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: PtySize = PtySize {
    rows: 36,
    cols: 140,
    pixel_width: 0,
    pixel_height: 0,
};

/// What the terminal shows, and whether the program still writes to it.
struct Shown {
    parser: vt100::Parser,
    closed: bool,
}

/// The screen of a device in a terminal that only this test sees.
struct Terminal {
    shown: Arc<(Mutex<Shown>, Condvar)>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    // Closing it would hang up on the program.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn open(device: &Device, join: &str) -> Result<Self> {
        let pair = native_pty_system().openpty(SIZE)?;
        let mut command = CommandBuilder::new(&tests::binaries::binaries()?.client);
        command.env("HOLDFAST_CONFIG_DIR", &device.config);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.args(["--device-name", &device.name, join]);
        command.arg(&device.folder);
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let shown = Arc::new((
            Mutex::new(Shown {
                parser: vt100::Parser::new(SIZE.rows, SIZE.cols, 0),
                closed: false,
            }),
            Condvar::new(),
        ));
        let mut reader = pair.master.try_clone_reader()?;
        let filled = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let n_read = reader.read(&mut buffer).unwrap_or(0);
                let mut shown = filled.0.lock().unwrap_or_else(PoisonError::into_inner);
                shown.parser.process(&buffer[..n_read]);
                shown.closed = n_read == 0;
                filled.1.notify_all();
                if shown.closed {
                    return;
                }
            }
        });
        Ok(Self {
            shown,
            keys: pair.master.take_writer()?,
            child,
            _master: pair.master,
        })
    }

    /// Waits until what is shown is as wanted.
    fn wait(&self, what: &str, wanted: impl Fn(&Shown) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !wanted(&shown) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || shown.closed {
                bail!(
                    "the screen never shows {what}:\n{}",
                    shown.parser.screen().contents()
                );
            }
            let waited = self.shown.1.wait_timeout(shown, left);
            shown = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    fn wait_text(&self, text: &str) -> Result<()> {
        self.wait(&format!("'{text}'"), |shown| {
            shown.parser.screen().contents().contains(text)
        })
    }

    fn wait_gone(&self, text: &str) -> Result<()> {
        let is_gone = |shown: &Shown| !shown.parser.screen().contents().contains(text);
        self.wait(&format!("anything but '{text}'"), is_gone)
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// Waits for the end, checks that the terminal is as it was, and returns the exit code.
    fn finish(mut self) -> Result<u32> {
        self.wait("the end of the program", |shown| shown.closed)?;
        let code = self.child.wait()?.exit_code();
        let shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = shown.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is still on");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        Ok(code)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn the_screen_shows_the_id_and_changes_of_another_device_and_leaves_the_terminal_as_it_was() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    let watcher = world.prepare("watcher")?;
    let mut terminal = Terminal::open(&watcher, &first.link()?)?;
    terminal.wait("the alternate screen", |shown| {
        shown.parser.screen().alternate_screen()
    })?;
    let id = first.id()?;
    let begin = id.split('-').next().context("the ID has no groups")?;
    terminal.wait_text(begin)?;

    first.write("letter to Ada.txt", "Dear Ada")?;
    terminal.wait_text("letter to Ada.txt")?;
    terminal.press("?")?;
    terminal.wait_text("Goes to the devices")?;
    // An escape that is followed by a letter at once would be another key.
    terminal.press("\u{1b}")?;
    terminal.wait_gone("Goes to the devices")?;
    terminal.press("q")?;
    assert_eq!(terminal.finish()?, 0);
    assert_eq!(watcher.read("letter to Ada.txt")?, "Dear Ada");
    world.server.terminate()?;
    Ok(())
}

#[test]
fn a_conflict_appears_on_the_screen_and_is_resolved_there() -> Result<()> {
    let (mut world, [first, mut second]) = World::with_devices()?;
    let watcher = world.prepare("watcher")?;
    let mut terminal = Terminal::open(&watcher, &first.link()?)?;
    first.write("plan.txt", "base")?;
    terminal.wait_text("plan.txt")?;
    tests::settle(&[&first, &second])?;
    apart(
        &first,
        &mut second,
        |first| first.write("plan.txt", "of a"),
        |second| second.write("plan.txt", "of b"),
    )?;

    terminal.press("3")?;
    // The copy is in the folder's tree before it is listed here.
    terminal.wait_text("conflict, b")?;
    terminal.wait_text("with b")?;
    terminal.press("T")?;
    // The safe answer is marked; the other is the next.
    terminal.wait_text("Cancel")?;
    terminal.press("\t\r")?;
    terminal.wait_text("1 conflict ended")?;
    let resolved = |event: &tests::Event| event.is("conflict") && event.0["resolved"] == true;
    first.wait_for("the end of the conflict", resolved)?;
    tests::settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, expected([("plan.txt", "of b")]));
    terminal.press("q")?;
    assert_eq!(terminal.finish()?, 0);
    world.server.terminate()?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_screen_that_is_told_to_end_leaves_the_terminal_as_it_was() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let watcher = world.prepare("watcher")?;
    let terminal = Terminal::open(&watcher, &first.link()?)?;
    terminal.wait("the alternate screen", |shown| {
        shown.parser.screen().alternate_screen()
    })?;
    let pid = terminal.child.process_id().context("it has no pid")?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("it has no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    terminal.finish()?;
    Ok(())
}
