//! A check: a program of tests, or the simulation, that is run with a bug and without one.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use sync_engine::Bug;
use tests::binaries::repository;

/// The heart's own tests.
pub(super) const HEART: &str = "heart";
/// The client's hand and eyes on disks, most of them simulated.
pub(super) const DISK: &str = "disk";
/// The client's own tests.
pub(super) const CLIENT: &str = "client";
/// The server's own tests.
pub(super) const SERVER: &str = "server";
/// A server that crashes, and an observer, on simulated disks.
pub(super) const SIMULATED: &str = "simulated";
/// The simulated worlds, and the stories of those that failed once.
pub(super) const WORLDS: &str = "worlds";

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(50);

/// See the module's page.
pub(super) struct Check {
    /// What it is called.
    pub(super) name: &'static str,
    programs: Vec<Program>,
}

struct Program {
    path: PathBuf,
    args: Vec<String>,
    directory: PathBuf,
}

/// What a check found.
pub(super) enum Found {
    /// All is well.
    Nothing(Duration),
    /// This, and after which time.
    Bug(String, Duration),
}

/// Builds the programs with bugs that can be planted, apart from all others, and returns the checks.
pub(super) fn build(is_heart_only: bool, n_seeds: u64) -> Result<Vec<Check>> {
    let scope: &[&str] = if is_heart_only {
        &["--package", "sync-engine"]
    } else {
        &["--workspace"]
    };
    let output = Command::new(env!("CARGO"))
        .args(["test", "--no-run", "--quiet", "--message-format=json"])
        .args(["--features", "sync-engine/mutants"])
        .args(scope)
        .arg("--target-dir")
        .arg(target_dir()?)
        .current_dir(repository())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the programs could not be built");
    let built = String::from_utf8(output.stdout)?;
    let built: Vec<Value> = built
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let checks = [HEART, DISK, CLIENT, SERVER, SIMULATED, WORLDS].into_iter();
    let checks = checks.map(|name| Check {
        name,
        programs: built
            .iter()
            .filter_map(|one| program(name, one, n_seeds))
            .collect(),
    });
    Ok(checks.filter(|check| !check.programs.is_empty()).collect())
}

/// Where the programs with bugs are built: never where others look for theirs.
fn target_dir() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let above = own.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    Ok(above
        .context("this program is in no target directory")?
        .join("mutants"))
}

/// Returns what a check runs of something that cargo built.
fn program(check: &str, built: &Value, n_seeds: u64) -> Option<Program> {
    let path = PathBuf::from(built["executable"].as_str()?);
    let directory = PathBuf::from(built["manifest_path"].as_str()?)
        .parent()?
        .to_owned();
    let package = directory.file_name()?.to_str()?.to_owned();
    let target = built["target"]["name"].as_str()?;
    let is_test = built["profile"]["test"].as_bool()?;
    let args: Vec<String> = match (check, package.as_str(), target) {
        (HEART, "sync-engine", _) | (CLIENT, "tui-client", _) | (SERVER, "server", _) if is_test => {
            Vec::new()
        }
        (DISK, "tests", "main") => vec!["disk::".into(), "stamps::".into()],
        (WORLDS, "tests", "main") => vec!["stories::".into()],
        (SIMULATED, "tests", "tests") if is_test => vec!["sim::".into()],
        (WORLDS, "tests", "sim") if !is_test => {
            vec!["--first".into(), "--seeds".into(), n_seeds.to_string()]
        }
        _ => return None,
    };
    Some(Program {
        path,
        args,
        directory,
    })
}

impl Check {
    /// Runs its programs until one fails. One that takes longer than `time_max` has found the bug as well: something
    /// does not end any more.
    pub(super) fn run(&self, bug: Option<Bug>, time_max: Duration) -> Result<Found> {
        let began = Instant::now();
        for program in &self.programs {
            if let Some(what) = program.run(bug, time_max)? {
                return Ok(Found::Bug(what, began.elapsed()));
            }
        }
        Ok(Found::Nothing(began.elapsed()))
    }
}

impl Program {
    /// Runs until something fails, or to its end; returns what failed.
    fn run(&self, bug: Option<Bug>, time_max: Duration) -> Result<Option<String>> {
        let said = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(&self.path);
        command.args(&self.args).current_dir(&self.directory);
        command.env("PROPTEST_FAILURE_PERSISTENCE", "off");
        match bug {
            Some(bug) => command.env("HOLDFAST_BUG", bug.name()),
            None => command.env_remove("HOLDFAST_BUG"),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(said.path())?)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let began = Instant::now();
        loop {
            let ended = child.try_wait()?;
            let mut found = first_failure(&std::fs::read_to_string(said.path())?);
            if let Some(status) = ended {
                let is_silent = !status.success() && found.is_none();
                return Ok(if is_silent {
                    Some("it ends early".into())
                } else {
                    found
                });
            }
            if time_max < began.elapsed() {
                found = found.or_else(|| Some("it does not end".into()));
            }
            if found.is_some() {
                child.kill()?;
                child.wait()?;
                return Ok(found);
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

/// The test, or the seed with what was wrong, that failed first.
fn first_failure(said: &str) -> Option<String> {
    let test = |line: &str| {
        Some(
            line.strip_prefix("test ")?
                .strip_suffix(" ... FAILED")?
                .to_owned(),
        )
    };
    let seed = |line: &str| {
        line.starts_with("seed ")
            .then(|| line.chars().take(120).collect())
    };
    said.lines().find_map(|line| test(line).or_else(|| seed(line)))
}
