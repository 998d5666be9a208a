//! The user's configuration: for each folder, by the folder's own id, the account it belongs to and the device's key. All
//! of it is readable by the owner alone, and refused when it is not. It lies outside of the folder, so that copying or
//! sharing a folder gives nobody its account.
//!
//! In the configuration directory (`HOLDFAST_CONFIG_DIR`, or `holdfast` in the platform's own): `FOLDER-ID/account.toml`,
//! `FOLDER-ID/device.crt`, `FOLDER-ID/device.key`, and the local socket. Files are replaced whole and flushed.

#[cfg_attr(unix, path = "config/unix.rs")]
#[cfg_attr(windows, path = "config/windows.rs")]
mod platform;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use common::certificate::{Certificate, CertificateError, CertificateFiles};
use common::file::{self, IfExists, Readers};
use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::limits::DEVICE_NAME_LEN_MAX;
use common::link::{PairingLink, ServerAddress};
use common::message::Auth;
use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};
use sync_engine::DeviceId;

use crate::disk::FolderId;
use crate::socket::Place;
pub(crate) use platform::create_own_dir;
#[cfg(unix)]
pub(crate) use platform::is_own_dir;

/// The variable of the environment that moves the configuration.
pub const CONFIG_DIR_VARIABLE: &str = "HOLDFAST_CONFIG_DIR";
/// The longest file that is read, in bytes.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// The format of `account.toml`.
const FORMAT: u32 = 1;

/// Where the user's configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    dir: PathBuf,
}

/// What a folder's device knows of its account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Where the server is; nothing until its key has answered somewhere.
    pub server: Option<ServerAddress>,
    /// The fingerprint of the server's key; nothing until it was given, or has been seen and is trusted.
    pub fingerprint: Option<Fingerprint>,
    /// The account's ID; nothing until the server has given it.
    pub id: Option<AccountId>,
    /// The device's name.
    pub device_name: String,
    /// The device's id; nothing until it is enrolled.
    pub device: Option<DeviceId>,
    /// Whether another device has replaced the ID: the one that is known here admits nobody any more.
    pub is_id_replaced: bool,
}

impl Account {
    /// Returns how the device introduces itself to the server.
    #[must_use]
    pub fn auth(&self) -> Auth {
        match (&self.device, &self.id) {
            (Some(_), _) => Auth::Device,
            (None, Some(id)) => Auth::Enrol {
                id: id.clone(),
                device_name: self.device_name.clone(),
            },
            (None, None) => Auth::Register {
                device_name: self.device_name.clone(),
            },
        }
    }

    /// Returns the link that brings a further device to this account, once all of it is known.
    #[must_use]
    pub fn pairing_link(&self) -> Option<PairingLink> {
        Some(PairingLink {
            server: self.server.clone()?,
            id: self.id.clone()?,
            fingerprint: self.fingerprint?,
        })
    }
}

/// Says why the configuration could not be read or written. It never repeats what is in a file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The platform does not say where configuration belongs.
    #[error("cannot tell where your configuration belongs")]
    NoHome,
    /// A directory could not be made for the user alone.
    #[error("cannot make {} a directory for you alone", path.display())]
    MakeDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read a file with a secret in it.
    #[error("{} can be read by others (mode {mode:04o}): chmod 600 it", path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what this program writes.
    #[error("{} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
    /// A newer Holdfast wrote the file.
    #[error("{} was written by a newer Holdfast (format {found}, known up to {FORMAT})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The device's key or certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// `account.toml` as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    format: u32,
    server: Option<String>,
    fingerprint: Option<String>,
    id: Option<String>,
    device_name: String,
    device: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    id_replaced: bool,
}

impl Config {
    /// Finds the user's configuration. It need not exist yet.
    ///
    /// # Errors
    /// When the platform does not say where it belongs.
    pub fn locate() -> Result<Self, ConfigError> {
        Self::locate_in(std::env::var_os(CONFIG_DIR_VARIABLE).as_deref())
    }

    fn locate_in(moved: Option<&OsStr>) -> Result<Self, ConfigError> {
        let dir = match moved {
            Some(dir) if !dir.is_empty() => PathBuf::from(dir),
            Some(_) | None => etcetera::choose_base_strategy()
                .map_err(|_| ConfigError::NoHome)?
                .config_dir()
                .join("holdfast"),
        };
        Ok(Self::at(
            &std::path::absolute(dir).map_err(|_| ConfigError::NoHome)?,
        ))
    }

    /// Returns the configuration in a certain directory.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Returns the configuration directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns where the client that runs on a folder answers.
    #[must_use]
    pub fn place(&self, folder: FolderId) -> Place {
        Place::new(&self.dir, folder)
    }

    fn folder_dir(&self, folder: FolderId) -> PathBuf {
        self.dir.join(folder.to_string())
    }

    fn account_path(&self, folder: FolderId) -> PathBuf {
        self.folder_dir(folder).join("account.toml")
    }

    fn make_folder_dir(&self, folder: FolderId) -> Result<(), ConfigError> {
        let path = self.folder_dir(folder);
        create_own_dir(&path).map_err(|source| ConfigError::MakeDir { path, source })
    }

    /// Reads what is known of a folder's account. Nothing is known of a folder that was never enrolled from here.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or can be read by others.
    pub fn account(&self, folder: FolderId) -> Result<Option<Account>, ConfigError> {
        let path = self.account_path(folder);
        let Some(text) = read_secret(&path)? else {
            return Ok(None);
        };
        // The parser's own words would repeat the line, and with it the ID.
        let damaged = |damage: &str| ConfigError::Damaged {
            path: path.clone(),
            damage: damage.to_owned(),
        };
        let stored: AccountFile = toml::from_str(&text).map_err(|error| damaged(error.message()))?;
        if FORMAT < stored.format {
            let found = stored.format;
            return Err(ConfigError::Newer { path, found });
        }
        let account = Account {
            server: parse(stored.server.as_deref()).ok_or_else(|| damaged("the server's address"))?,
            fingerprint: parse(stored.fingerprint.as_deref()).ok_or_else(|| damaged("the fingerprint"))?,
            id: parse(stored.id.as_deref()).ok_or_else(|| damaged("the ID"))?,
            device_name: stored.device_name,
            device: parse(stored.device.as_deref()).ok_or_else(|| damaged("the device's id"))?,
            is_id_replaced: stored.id_replaced,
        };
        Ok(Some(account))
    }

    /// Writes what is known of a folder's account, durably.
    ///
    /// # Errors
    /// When the file cannot be written; then what was there is unchanged.
    pub fn save_account(&self, folder: FolderId, account: &Account) -> Result<(), ConfigError> {
        self.make_folder_dir(folder)?;
        let path = self.account_path(folder);
        let stored = AccountFile {
            format: FORMAT,
            server: account.server.as_ref().map(ServerAddress::to_string),
            fingerprint: account.fingerprint.map(|fingerprint| fingerprint.to_string()),
            id: account.id.as_ref().map(|id| id.reveal().to_string()),
            device_name: account.device_name.clone(),
            device: account.device.map(|device| device.to_string()),
            id_replaced: account.is_id_replaced,
        };
        let text = toml::to_string(&stored).expect("a table of texts and one number can be written");
        let text = format!("{}{text}", common::apart::ACCOUNT_BEGINS);
        file::write(&path, text.as_bytes(), Readers::Owner, IfExists::Replace)
            .map_err(|source| ConfigError::WriteFile { path, source })
    }

    /// Changes what is known of a folder's account, durably. Nothing is written when nothing changes. Of what several parts
    /// of a client learn at once, each changes its own.
    ///
    /// # Errors
    /// When the file cannot be read or written; then what was there is unchanged.
    pub fn update_account(
        &self,
        folder: FolderId,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), ConfigError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.account(folder)?;
        let mut account = stored.clone().unwrap_or_default();
        change(&mut account);
        if stored.as_ref() == Some(&account) {
            return Ok(());
        }
        self.save_account(folder, &account)
    }

    /// Returns where a person may say how the screen should be: `screen.toml`, which this program never writes.
    #[must_use]
    pub fn screen_path(&self) -> PathBuf {
        self.dir.join("screen.toml")
    }

    /// Returns what is said there; nothing when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn screen_settings(&self) -> Result<Option<String>, ConfigError> {
        let path = self.screen_path();
        open_if_there(&path)
            .and_then(|opened| opened.map(read_whole).transpose())
            .map_err(|source| ConfigError::ReadFile { path, source })
    }

    fn device_files(&self, folder: FolderId) -> CertificateFiles {
        let dir = self.folder_dir(folder);
        CertificateFiles {
            certificate: dir.join("device.crt"),
            key: dir.join("device.key"),
        }
    }

    /// Returns the device's key and certificate for a folder; makes them when there are none.
    ///
    /// # Errors
    /// When they cannot be read or made, or others can read the key.
    pub fn device_certificate(&self, folder: FolderId) -> Result<Certificate, ConfigError> {
        self.make_folder_dir(folder)?;
        Ok(Certificate::open_or_create(&self.device_files(folder), &[])?)
    }

    /// Returns the device's key and certificate for a folder, and makes none.
    ///
    /// # Errors
    /// When they are missing or cannot be read, or others can read the key.
    pub fn kept_certificate(&self, folder: FolderId) -> Result<Certificate, ConfigError> {
        Ok(Certificate::open(&self.device_files(folder))?)
    }

    /// Makes a new key and certificate in the place of the old ones: the folder becomes another device. What is to be
    /// done when the server finds that the device's state was copied.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn renew_device_certificate(&self, folder: FolderId) -> Result<Certificate, ConfigError> {
        self.make_folder_dir(folder)?;
        Ok(Certificate::create(
            &self.device_files(folder),
            &[],
            IfExists::Replace,
        )?)
    }
}

/// Reads an optional value: nothing stays nothing, and what cannot be read makes the whole nothing.
#[expect(clippy::option_option, reason = "the outer one is the failure")]
fn parse<T: std::str::FromStr>(text: Option<&str>) -> Option<Option<T>> {
    text.map_or(Some(None), |text| text.parse().ok().map(Some))
}

/// Reads a file that only its owner may read; nothing when there is none.
fn read_secret(path: &Path) -> Result<Option<String>, ConfigError> {
    let failed = |source| ConfigError::ReadFile {
        path: path.to_owned(),
        source,
    };
    let Some(opened) = open_if_there(path).map_err(failed)? else {
        return Ok(None);
    };
    if let Some(mode) = file::mode_if_readable_by_others(&opened).map_err(failed)? {
        let path = path.to_owned();
        return Err(ConfigError::ReadableByOthers { path, mode });
    }
    read_whole(opened).map(Some).map_err(failed)
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_whole(opened: File) -> io::Result<String> {
    let mut text = String::new();
    opened.take(FILE_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns a name for this computer that people know it by; of one that has none, `device`.
#[must_use]
pub fn default_device_name() -> String {
    let name = platform::host_name().unwrap_or_default();
    let name = sync_engine::name::visible(name.trim());
    match sync_engine::name::truncate(&name, DEVICE_NAME_LEN_MAX) {
        "" => "device".to_owned(),
        name => name.to_owned(),
    }
}
