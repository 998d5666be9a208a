//! A device: a folder, a configuration directory of its own, and a headless client that may run on them. Stopping the
//! client is how a test takes a device offline.

use crate::binaries::binaries;
use crate::events::{Event, Events};
use crate::lives::Lives;
use crate::process::{Finished, Process, run, run_by};
use crate::tree::{Tree, tree};
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a device may take for what a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How a device comes to its account.
#[derive(Debug, Clone)]
pub enum Join {
    /// It makes a new one on this server.
    New(String),
    /// It follows a pairing link.
    Link(String),
    /// It is given the ID and the server's fingerprint.
    Id {
        /// The server's address.
        server: String,
        /// The account's ID.
        id: String,
        /// The fingerprint of the server's key.
        fingerprint: String,
    },
}

impl Join {
    fn server(&self) -> &str {
        match self {
            Self::New(server) | Self::Link(server) | Self::Id { server, .. } => server,
        }
    }

    fn options(&self) -> Vec<String> {
        match self {
            Self::New(_) | Self::Link(_) => Vec::new(),
            Self::Id { id, fingerprint, .. } => ["--id", id, "--fingerprint", fingerprint]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// A device; its client is ended when it is dropped.
#[derive(Debug)]
pub struct Device {
    /// Its name, as the other devices show it.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its configuration directory.
    pub config: PathBuf,
    /// The command line that its programs are run by, such as that of `setpriv`; empty when they are run as they are.
    pub run_by: Vec<String>,
    join: Join,
    lives: Lives,
}

impl Device {
    /// Makes the directories of a device in `home`; its client does not run yet.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn prepare(home: &Path, name: &str, join: Join) -> Result<Self> {
        let device = Self {
            name: name.to_owned(),
            folder: home.join(name).join("folder"),
            config: home.join(name).join("config"),
            run_by: Vec::new(),
            join,
            lives: Lives::of("the client"),
        };
        fs::create_dir_all(&device.folder)?;
        fs::create_dir_all(&device.config)?;
        Ok(device)
    }

    /// Lets a device that was not started yet follow a link instead.
    pub fn follow(&mut self, link: String) {
        self.join = Join::Link(link);
    }

    /// Makes a device, starts its client and waits until it is synced.
    ///
    /// # Errors
    /// When it is not admitted or does not get synced.
    pub fn join(home: &Path, name: &str, join: Join) -> Result<Self> {
        let mut device = Self::prepare(home, name, join)?;
        device.start()?;
        device.wait_synced()?;
        Ok(device)
    }

    /// Returns a command line of the client program in this device's surroundings.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn client(&self) -> Result<Command> {
        let mut command = run_by(&self.run_by, &binaries()?.client);
        command
            .env("HOLDFAST_CONFIG_DIR", &self.config)
            .env_remove("RUST_BACKTRACE")
            .current_dir(&self.config);
        Ok(command)
    }

    /// Returns the command line of this device's headless client.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn headless(&self) -> Result<Command> {
        let mut command = self.client()?;
        command
            .arg("--headless")
            .arg("--json")
            .args(["--device-name", &self.name])
            .args(self.join.options())
            .arg(self.join.server())
            .arg(&self.folder);
        Ok(command)
    }

    /// Starts the client, and waits until it is connected to the server.
    ///
    /// # Errors
    /// When it does not get there; the error shows what it wrote.
    pub fn start(&mut self) -> Result<()> {
        self.launch()?;
        self.wait_for("connected", |event| event.is("connected"))?;
        Ok(())
    }

    /// Starts the client and waits for nothing.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        ensure!(
            self.lives.now().is_none(),
            "the client of {} runs already",
            self.name
        );
        let name = format!("the client of {}", self.name);
        self.lives.begin(Process::start(&name, &mut self.headless()?)?);
        Ok(())
    }

    /// Ends the client in good order: the device is offline.
    ///
    /// # Errors
    /// When it does not run or does not end in time.
    pub fn stop(&mut self) -> Result<Finished> {
        self.lives.terminate()
    }

    /// Ends the client at once, wherever it is.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<Finished> {
        self.lives.kill()
    }

    /// Waits until the client ends by itself.
    ///
    /// # Errors
    /// When it does not run or does not end in time.
    pub fn finish(&mut self) -> Result<Finished> {
        self.lives.finish(PATIENCE)
    }

    /// Returns the logs of this device's clients, those that have ended included.
    #[must_use]
    pub fn log(&self) -> String {
        self.lives.log()
    }

    /// Runs the client headless until it is synced or cannot go on, with further options.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn once(&self, options: &[&str]) -> Result<Finished> {
        let mut command = self.headless()?;
        run(&self.name, command.arg("--once").args(options), PATIENCE)
    }

    /// The events of the client that runs now.
    ///
    /// # Errors
    /// When none runs.
    pub fn events(&self) -> Result<Events> {
        let process = self.lives.now().context("the client does not run")?;
        Ok(Events::of(process.stdout.clone()))
    }

    /// Returns the number of the client's process.
    ///
    /// # Errors
    /// When none runs.
    pub fn process_id(&self) -> Result<u32> {
        Ok(self.lives.now().context("the client does not run")?.id())
    }

    /// Waits for an event of the client that runs now, an earlier one included.
    ///
    /// # Errors
    /// When it does not come; the error shows what the client wrote.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        self.wait_after(0, what, wanted)
    }

    /// Waits for an event after a mark.
    ///
    /// # Errors
    /// When it does not come; the error shows what the client wrote.
    pub fn wait_after(&self, mark: usize, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        match self.events()?.wait_for(mark, PATIENCE, wanted) {
            Some(event) => Ok(event),
            None => bail!("no event '{what}' came on {}\n{}", self.name, self.output()),
        }
    }

    /// Runs a command on the device's folder: `wait`, `resolve` and so on.
    ///
    /// # Errors
    /// When it cannot be run or does not end in time; its exit code is the caller's to judge.
    pub fn command(&self, name: &str, args: &[&str]) -> Result<Finished> {
        let mut command = self.client()?;
        command.arg(name).arg(&self.folder).args(args);
        run(
            &format!("`{name}` on {}", self.name),
            &mut command,
            PATIENCE + Duration::from_secs(30),
        )
    }

    /// Waits until the device says that it is synced.
    ///
    /// # Errors
    /// When it does not within a minute; the error shows what the client wrote.
    pub fn wait_synced(&self) -> Result<()> {
        let finished = self.command("wait", &["--timeout", "60"])?;
        // What is blocked or in conflict is told by 3; everything else is synced all the same.
        ensure!(
            matches!(finished.code, Some(0 | 3)),
            "{} did not get synced: {finished:?}\n{}",
            self.name,
            self.output()
        );
        Ok(())
    }

    /// Returns the account's ID.
    ///
    /// # Errors
    /// When the client cannot tell.
    pub fn id(&self) -> Result<String> {
        Ok(self.command("id", &[])?.ok()?.stdout.trim().to_owned())
    }

    /// Returns the account's pairing link.
    ///
    /// # Errors
    /// When the client cannot tell.
    pub fn link(&self) -> Result<String> {
        let finished = self.command("link", &[])?.ok()?;
        let link = finished
            .stdout
            .lines()
            .find(|line| line.starts_with("holdfast://"));
        link.map(str::to_owned).context("no link was printed")
    }

    /// Returns what the commands with `--json` answer, a value for each line.
    ///
    /// # Errors
    /// When the command fails or prints anything else.
    pub fn json(&self, name: &str, args: &[&str]) -> Result<Vec<Event>> {
        let finished = self.command(name, &[args, &["--json"]].concat())?;
        ensure!(
            matches!(finished.code, Some(0 | 3)),
            "`{name}` failed: {finished:?}"
        );
        let lines = finished.stdout.lines().map(|line| {
            let value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
            Ok(Event(value))
        });
        lines.collect()
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Writes a file, and makes its directories when they are missing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Puts a file in place at once: nobody sees a part of it, which would be a version too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let next = self.path("").with_extension("next");
        fs::write(&next, content).with_context(|| format!("cannot write {}", next.display()))?;
        fs::rename(&next, self.path(path)).with_context(|| format!("cannot put {path} in place"))
    }

    /// Reads a file as text.
    ///
    /// # Errors
    /// When it is not there or is no text.
    pub fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.path(path)).with_context(|| format!("cannot read {path} on {}", self.name))
    }

    /// Renames or moves something within the folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.path(from), self.path(to)).with_context(|| format!("cannot rename {from} to {to}"))
    }

    /// Deletes a file, or a directory with all that is in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn delete(&self, path: &str) -> Result<()> {
        let full = self.path(path);
        let deleted = if fs::symlink_metadata(&full)?.is_dir() {
            fs::remove_dir_all(&full)
        } else {
            fs::remove_file(&full)
        };
        deleted.with_context(|| format!("cannot delete {path}"))
    }

    /// Looks at the whole folder.
    ///
    /// # Errors
    /// When something in it cannot be read.
    pub fn tree(&self) -> Result<Tree> {
        tree(&self.folder)
    }

    /// Returns all that the running client wrote so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.lives.output()
    }
}
