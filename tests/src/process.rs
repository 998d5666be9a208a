//! Processes that this one starts. Each is ended when its value is dropped, and all of them by [`end_all`], so that
//! none outlives the harness. Only processes started here are ever signalled.

use crate::lines::Lines;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

#[cfg(unix)]
#[path = "process/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod platform;

/// A process has to end within this time once it was asked to.
pub const END_TIMEOUT: Duration = Duration::from_secs(20);

/// A running (or ended) process whose output is gathered.
#[derive(Debug)]
pub struct Process {
    name: String,
    running: Arc<Running>,
    /// Its standard output.
    pub stdout: Lines,
    /// Its standard error.
    pub stderr: Lines,
}

/// What a process came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Returns this when the process ended with 0.
    ///
    /// # Errors
    /// When it did not; the error shows what it wrote.
    pub fn ok(self) -> Result<Self> {
        self.with_code(0)
    }

    /// Returns this when the process ended with `code`.
    ///
    /// # Errors
    /// When it did not; the error shows what it wrote.
    pub fn with_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!(
            "exit code {:?} where {code} was expected\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        )
    }
}

/// A child process, shared by its owner, the thread that awaits its end, and [`end_all`].
#[derive(Debug)]
pub(crate) struct Running {
    child: Mutex<Child>,
    status: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

impl Running {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaps the child if it has ended. The lock is held, so no signal can be sent to a pid that is someone else's.
    fn reap(&self) -> bool {
        let Ok(Some(status)) = self.child().try_wait() else {
            return false;
        };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
        self.ended.notify_all();
        true
    }

    fn signal(&self, send: impl FnOnce(&mut Child)) {
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            send(&mut child);
        }
    }

    fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        while status.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.ended.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *status
    }
}

/// All processes that were started and may still run.
#[derive(Debug)]
struct Started {
    ending: bool,
    running: Vec<Weak<Running>>,
}

static STARTED: Mutex<Started> = Mutex::new(Started {
    ending: false,
    running: Vec::new(),
});

/// Ends every process that was started, in good order where the platform can, and lets none be started any more. For
/// the way out of a program.
pub fn end_all() {
    let running: Vec<Arc<Running>> = {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        started.ending = true;
        started
            .running
            .drain(..)
            .filter_map(|running| running.upgrade())
            .collect()
    };
    for running in &running {
        running.signal(platform::terminate);
    }
    for running in running {
        if running.wait(Duration::from_secs(5)).is_none() {
            running.signal(|child| drop(child.kill()));
        }
    }
}

impl Process {
    /// Starts a process with gathered output and nothing on its standard input.
    ///
    /// # Errors
    /// When it cannot be started, or [`end_all`] was called.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let running = launch(name, command)?;
        let (stdout, stderr) = {
            let mut child = running.child();
            (child.stdout.take(), child.stderr.take())
        };
        Ok(Self {
            name: name.to_owned(),
            running,
            stdout: Lines::gather(stdout.context("standard output is piped")?),
            stderr: Lines::gather(stderr.context("standard error is piped")?),
        })
    }

    /// Its number in the system.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.child().id()
    }

    /// Starts a process that has the terminal of this one.
    ///
    /// # Errors
    /// When it cannot be started, or [`end_all`] was called.
    pub fn start_in_foreground(name: &str, command: &mut Command) -> Result<Self> {
        let running = launch(name, command)?;
        Ok(Self {
            name: name.to_owned(),
            running,
            stdout: Lines::default(),
            stderr: Lines::default(),
        })
    }

    /// Asks it to end in good order: SIGTERM. Windows has no such request; there it is ended at once.
    pub fn terminate(&self) {
        self.running.signal(platform::terminate);
    }

    /// Ends it at once, wherever it is: SIGKILL.
    pub fn kill(&self) {
        self.running.signal(|child| drop(child.kill()));
    }

    /// Tells whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.wait(Duration::ZERO).is_none()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When the time is over before; the process then goes on.
    pub fn finish(&self, timeout: Duration) -> Result<Finished> {
        let Some(status) = self.running.wait(timeout) else {
            bail!("{} did not end within {timeout:?}\n{}", self.name, self.output());
        };
        // Whoever inherited the pipe may keep it open; what the process itself wrote is there by then.
        let _all_read = self.stdout.wait_closed(Duration::from_secs(2))
            && self.stderr.wait_closed(Duration::from_secs(2));
        Ok(Finished {
            code: status.code(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        })
    }

    /// Waits until a process in the foreground has ended, however long a person lets it run.
    #[must_use]
    pub fn wait_for_end(&self) -> Finished {
        let mut status = None;
        while status.is_none() {
            status = self.running.wait(Duration::from_secs(3600));
        }
        Finished {
            code: status.and_then(|status| status.code()),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    /// Returns all that it wrote so far, for the message of a failed test.
    #[must_use]
    pub fn output(&self) -> String {
        format!(
            "--- {} wrote\n{}\n--- and on standard error\n{}",
            self.name,
            self.stdout.text(),
            self.stderr.text()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.running.wait(END_TIMEOUT);
    }
}

/// Returns the command line of a program that is run by another one, if any, such as `setpriv` or `env`.
#[must_use]
pub fn run_by(runner: &[String], program: &Path) -> Command {
    match runner.split_first() {
        Some((first, args)) => {
            let mut command = Command::new(first);
            command.args(args).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Runs a process to its end.
///
/// # Errors
/// When it cannot be started or does not end in time; then it is killed.
pub fn run(name: &str, command: &mut Command, timeout: Duration) -> Result<Finished> {
    Process::start(name, command)?.finish(timeout)
}

fn launch(name: &str, command: &mut Command) -> Result<Arc<Running>> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if started.ending {
        bail!("{name} is not started any more, everything is being ended");
    }
    let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let running = Arc::new(Running {
        child: Mutex::new(child),
        status: Mutex::new(None),
        ended: Condvar::new(),
    });
    started.running.retain(|running| running.strong_count() != 0);
    started.running.push(Arc::downgrade(&running));
    let awaited = Arc::clone(&running);
    std::thread::spawn(move || {
        platform::await_end(&awaited.child);
        while !awaited.reap() {
            std::thread::yield_now();
        }
    });
    Ok(running)
}
