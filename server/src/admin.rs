//! Looking after a store from the command line. What only reads, and what only appends, works beside a running server,
//! which notices within a moment; what changes the store as a whole wants it stopped.

mod backup;
mod epoch;
mod export;
mod history;
pub(crate) mod moment;
mod people;
mod prune;
mod restore;
#[cfg(unix)]
#[path = "admin/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "admin/windows.rs"]
mod system;
mod verify;

use clap::{Args, Subcommand};
use common::beneath::Dir;
use common::words::number;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use sync_engine::{Hash, NodeId, RelPath};

use crate::store::{AccountKey, AccountRow, Directory, Head, Metadata, Records, Store};
use crate::trouble::Trouble;
use moment::Moment;

/// What can be asked of a store.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the accounts, or say how much one may keep
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// List an account's devices, or shut one out
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// List what was changed in an account, or at one path of it, newest first
    History {
        #[command(flatten)]
        of: OfAccount,
        /// The path, from the root of the folder
        path: Option<String>,
        /// The most changes to list
        #[arg(long, value_name = "NUMBER", default_value_t = 100, allow_negative_numbers = true,
            value_parser = number("how many", 0..=usize::MAX))]
        limit: usize,
    },
    /// Write an account's files, as they are or as they were, into a new folder
    Export {
        #[command(flatten)]
        of: OfAccount,
        /// The folder; it must be new or empty
        to: PathBuf,
        #[command(flatten)]
        moment: Moment,
    },
    /// Bring an account back to how it was, as new changes; nothing of its history is lost
    Restore {
        #[command(flatten)]
        of: OfAccount,
        #[command(flatten)]
        moment: Moment,
    },
    /// Read everything in the store and say what is damaged
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Give up old versions by age and number, and free the room that nothing needs any more, while the server runs;
    /// room is freed by the run after the one that gave something up
    Prune {
        #[command(flatten)]
        keep: prune::Keep,
        #[command(flatten)]
        place: Place,
    },
    /// Copy the store into a new directory, while the server runs; the copy can be served at once
    Backup {
        /// The directory for the copy; it must be new or empty
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Tell all devices to compare anew, after the data directory was put back by other means than `backup`
    NewEpoch {
        #[command(flatten)]
        place: Place,
    },
}

/// What can be asked of accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// List them
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Say how much an account may keep on the server, old versions included; it counts at once
    Quota {
        #[command(flatten)]
        of: OfAccount,
        /// The size, such as 500M or 20G; `none` for no limit, `default` for what the server is started with
        #[arg(value_parser = people::parse_quota)]
        size: people::Quota,
    },
}

/// What can be asked of devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List an account's devices
    List {
        #[command(flatten)]
        of: OfAccount,
    },
    /// Shut a device out for good
    Revoke {
        #[command(flatten)]
        of: OfAccount,
        /// Its id, as `device list` shows it
        device: String,
    },
}

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The directory that holds the store
    #[arg(long, value_name = "DIR", default_value = "holdfast-data")]
    data: PathBuf,
}

/// Which account.
#[derive(Debug, Clone, Args)]
pub(crate) struct OfAccount {
    /// The account's number, as `account list` shows it
    #[arg(allow_negative_numbers = true, value_parser = number("an account's number, see `server account list`", 1..=i64::MAX))]
    account: i64,
    #[command(flatten)]
    place: Place,
}

/// Does what is asked.
pub(crate) fn perform(command: &Command) -> Result<(), Trouble> {
    match command {
        Command::Account {
            command: AccountCommand::List { place },
        } => people::list_accounts(&place.open()?),
        Command::Account {
            command: AccountCommand::Quota { of, size },
        } => of.with(|store, account| people::set_quota(store, account, *size)),
        Command::Device {
            command: DeviceCommand::List { of },
        } => of.with(people::list_devices),
        Command::Device {
            command: DeviceCommand::Revoke { of, device },
        } => of.with(|store, account| people::revoke(store, account, device)),
        Command::History { of, path, limit } => {
            of.with(|store, account| history::list(store, account, path.as_deref(), *limit))
        }
        Command::Export { of, to, moment } => {
            of.with(|store, account| export::export(store, account, moment, to))
        }
        Command::Restore { of, moment } => of.with(|store, account| restore::restore(store, account, moment)),
        Command::Verify { place } => verify::verify(&place.open()?),
        Command::Prune { keep, place } => prune::prune(place, keep),
        Command::Backup { to, place } => backup::backup(&place.open()?, &place.directory(), to),
        Command::NewEpoch { place } => epoch::renew(place),
    }
}

impl Place {
    fn directory(&self) -> Directory {
        Directory::new(&self.data)
    }

    /// Opens the store, which must be there.
    fn open(&self) -> Result<Store, Trouble> {
        let directory = self.directory();
        if !directory.has_store() {
            return Err(Trouble::new(
                format!("there is no store in {}", self.data.display()),
                "nothing was done",
                "name the directory that the server uses with --data DIR",
            ));
        }
        Store::open_beside(&directory).map_err(Trouble::from)
    }
}

impl OfAccount {
    fn with(&self, work: impl FnOnce(&Store, &AccountRow) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let store = self.place.open()?;
        let key = AccountKey(self.account);
        let row = store
            .metadata
            .read(|records| records.account(key))
            .map_err(Trouble::from)?;
        let row = row.ok_or_else(|| {
            Trouble::new(
                format!("there is no account {}", self.account),
                "nothing was done",
                "see which there are with `server account list`",
            )
        })?;
        work(&store, &row)
    }
}

/// Reads everything in a store and returns what is damaged.
pub(crate) fn damages(store: &Store) -> Result<Vec<String>, Trouble> {
    Ok(verify::look(store).map_err(Trouble::from)?.damages)
}

/// What was found in a store.
#[derive(Debug)]
pub struct Verification(verify::Found);

impl Verification {
    /// Reads everything in a store.
    pub(crate) fn of(store: &Store) -> Result<Self, Trouble> {
        verify::look(store).map(Self).map_err(Trouble::from)
    }

    /// Returns what is damaged.
    #[must_use]
    pub fn damages(&self) -> &[String] {
        &self.0.damages
    }

    /// Notes it in the store.
    pub(crate) fn note(self, store: &Store) -> Result<(), Trouble> {
        verify::mend(store, self.0).map_err(Trouble::from)
    }
}

/// Returns what gives up and collects in a store, step by step.
pub(crate) fn collection(
    store: &Store,
    n_versions: usize,
    n_max: usize,
) -> Result<impl FnMut() -> Result<bool, Trouble> + Send, Trouble> {
    prune::steps(store, n_versions, n_max).map_err(Trouble::from)
}

/// Returns all contents that any account has, or has had in its history.
pub(crate) fn contents(store: &Store) -> Result<BTreeSet<Hash>, Trouble> {
    let read = |records: &dyn Records| {
        let mut contents = BTreeSet::new();
        for account in records.accounts()? {
            records.every_state(account.key, &mut |_, _, node| {
                let file = node.as_ref().and_then(|node| node.kind.file());
                contents.extend(file.map(|file| file.content.hash));
            })?;
        }
        Ok(contents)
    };
    store.metadata.read(read).map_err(Trouble::from)
}

/// Returns the head of each account.
pub(crate) fn heads(store: &Store) -> Result<Vec<Head>, Trouble> {
    let read = |records: &dyn Records| {
        let mut heads = Vec::new();
        for account in records.accounts()? {
            let mut paths = BTreeMap::from([(NodeId::ROOT, RelPath::root())]);
            let mut tree = BTreeMap::new();
            records.tree(account.key, &mut |id, _, node| {
                // Parents come first.
                if let Some(path) = paths.get(&node.parent).map(|above| above.join(&node.name)) {
                    tree.insert(path.clone(), node.kind);
                    paths.insert(id, path);
                }
                true
            })?;
            let version = account.head;
            heads.push(Head { version, tree });
        }
        Ok(heads)
    };
    store.metadata.read(read).map_err(Trouble::from)
}

/// Gives a store that nobody serves another epoch.
pub(crate) fn renew_epoch(store: &Store) -> Result<(), Trouble> {
    epoch::set_new(&store.metadata).map_err(Trouble::from)?;
    Ok(())
}

/// Says that a file failed.
fn file_failed(deed: &str, path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::new(
        format!("{} could not be {deed}: {error}", path.display()),
        "what was written before it is left as it is",
        "see that the place is yours to write and has room, empty it, and try again",
    )
}

/// Opens a directory that must be new or empty, and makes it when it is missing.
fn open_empty(path: &Path, mode: u32) -> Result<Dir, Trouble> {
    let dir = Dir::make_root(path, mode).map_err(|error| file_failed("made", path, &error))?;
    match dir.names().map_err(|error| file_failed("listed", path, &error))?[..] {
        [] => Ok(dir),
        [..] => Err(Trouble::new(
            format!("{} is not empty", path.display()),
            "nothing was written",
            "name a new or empty directory",
        )),
    }
}

/// Returns a time for people.
fn shown_time(time_ms: u64) -> String {
    let time = i64::try_from(time_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "?".to_owned(), |time| format!("{time:.0}"))
}
