//! A real server on a free port of this computer, with a store in a directory of its own.

use crate::binaries::binaries;
use crate::device::PATIENCE;
use crate::lives::Lives;
use crate::process::{Finished, Process, run, run_by};
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A server has to be ready within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// What a test wants of a server beyond the usual.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// More arguments of its command line.
    pub args: Vec<String>,
    /// The command line that it is run by, such as that of `env`; empty when it is run as it is.
    pub run_by: Vec<String>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
}

/// A server process; ended when dropped. Its store outlives it, so that it can be started again.
#[derive(Debug)]
pub struct ServerProcess {
    home: PathBuf,
    /// How it is started the next time.
    pub options: ServerOptions,
    address: SocketAddr,
    fingerprint: String,
    lives: Lives,
}

impl ServerProcess {
    /// Starts a server whose store and certificate are in `home`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready; the error shows what it wrote.
    pub fn start(home: &Path, options: ServerOptions) -> Result<Self> {
        std::fs::create_dir_all(home)?;
        let mut server = Self {
            home: home.to_owned(),
            options,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            fingerprint: String::new(),
            lives: Lives::of("the server"),
        };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again where it was, on the same port.
    ///
    /// # Errors
    /// When it does not get ready; the error shows what it wrote.
    pub fn start_again(&mut self) -> Result<()> {
        self.lives.drop_now();
        let mut command = run_by(&self.options.run_by, &binaries()?.server);
        command
            .args(["--listen", &self.address.to_string()])
            .arg("--data")
            .arg(self.data())
            .arg("--certs")
            .arg(self.certs())
            .args(&self.options.args)
            .envs(self.options.env.iter().cloned())
            .current_dir(&self.home);
        let process = Process::start("the server", &mut command)?;
        let ready = process.stdout.wait(0, READY_TIMEOUT, Ready::parse);
        let Some(ready) = ready else {
            bail!("the server did not get ready\n{}", process.output());
        };
        self.address = ready.address;
        self.fingerprint = ready.fingerprint;
        self.lives.begin(process);
        Ok(())
    }

    /// Starts it again on another port.
    ///
    /// # Errors
    /// When it does not get ready; the error shows what it wrote.
    pub fn start_elsewhere(&mut self) -> Result<()> {
        self.address.set_port(0);
        self.start_again()
    }

    /// Ends it in good order and starts it again.
    ///
    /// # Errors
    /// When it does not end, or does not get ready.
    pub fn restart(&mut self) -> Result<()> {
        self.terminate()?;
        self.start_again()
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// When it did not run or does not end in time.
    pub fn terminate(&mut self) -> Result<Finished> {
        self.lives.terminate()
    }

    /// Ends it at once, wherever it is.
    ///
    /// # Errors
    /// When it did not run.
    pub fn kill(&mut self) -> Result<Finished> {
        self.lives.kill()
    }

    /// Returns its log, from its first start on.
    #[must_use]
    pub fn log(&self) -> String {
        self.lives.log()
    }

    /// Tells whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.lives.now().is_some_and(Process::is_running)
    }

    /// The number of its process, if it was started.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.lives.now().map(Process::id)
    }

    /// Where it listens; the same after each start.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fingerprint of its key, as it printed it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The directory of its store.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The directory of its certificate and key.
    #[must_use]
    pub fn certs(&self) -> PathBuf {
        self.home.join("certs")
    }

    /// Runs one of the commands that look after a store.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn admin(&self, args: &[&str]) -> Result<Finished> {
        let mut command = Command::new(&binaries()?.server);
        command
            .args(args)
            .arg("--data")
            .arg(self.data())
            .current_dir(&self.home);
        run("the server's command", &mut command, Duration::from_secs(60))
    }

    /// Gives it a new key, for which the old one vouches, and returns the new one's fingerprint.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn rotate_key(&self) -> Result<String> {
        let mut command = run_by(&self.options.run_by, &binaries()?.server);
        command.arg("--rotate-cert").arg("--certs").arg(self.certs());
        let made = run("server --rotate-cert", &mut command, Duration::from_secs(60))?.ok()?;
        match made.stdout.trim().strip_prefix("fingerprint=") {
            Some(fingerprint) => Ok(fingerprint.to_owned()),
            None => bail!("the new key has no fingerprint: {made:?}"),
        }
    }

    /// Waits until the server that runs now has logged a line with these words.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_for_log(&self, words: &str) -> Result<()> {
        let logged = |line: &str| line.contains(words).then_some(());
        let found = self
            .lives
            .now()
            .and_then(|process| process.stderr.wait(0, PATIENCE, logged));
        match found {
            Some(()) => Ok(()),
            None => bail!("the server did not log '{words}'\n{}", self.output()),
        }
    }

    /// Returns all that it wrote since it was started last.
    #[must_use]
    pub fn output(&self) -> String {
        self.lives.output()
    }
}

/// The line that says that a server is ready.
struct Ready {
    address: SocketAddr,
    fingerprint: String,
}

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        if words.next() != Some("ready") {
            return None;
        }
        Some(Self {
            address: words.next()?.strip_prefix("addr=")?.parse().ok()?,
            fingerprint: words.next()?.strip_prefix("fingerprint=")?.to_owned(),
        })
    }
}
