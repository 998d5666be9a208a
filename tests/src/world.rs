//! A server with one account and the devices that a test asks for, all in a temporary directory.

use crate::device::{Device, Join};
use crate::server_process::{ServerOptions, ServerProcess};
use anyhow::Result;
use std::path::Path;
use tempfile::TempDir;

/// A server and its surroundings. Drop the devices first: they are on their own, and their folders are in here.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub server: ServerProcess,
    join: Option<Join>,
    home: TempDir,
}

impl World {
    /// Starts a server on an empty store.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start() -> Result<Self> {
        Self::start_with(ServerOptions::default())
    }

    /// Starts a server with options on an empty store.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_with(options: ServerOptions) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("holdfast-").tempdir()?;
        let server = ServerProcess::start(&home.path().join("server"), options)?;
        Ok(Self {
            server,
            join: None,
            home,
        })
    }

    /// Starts a server and so many synced devices of one account, named `a`, `b`, `c` and so on.
    ///
    /// # Errors
    /// When one of them does not get synced.
    pub fn with_devices<const N: usize>() -> Result<(Self, [Device; N])> {
        let mut world = Self::start()?;
        let devices: Vec<Device> = ('a'..)
            .take(N)
            .map(|name| world.device(&name.to_string()))
            .collect::<Result<_>>()?;
        let devices = devices
            .try_into()
            .map_err(|_| anyhow::anyhow!("as many as were asked for"))?;
        Ok((world, devices))
    }

    /// The temporary directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The server's address as an argument.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Adds a device and waits until it is synced. The first makes the account, the others follow its link.
    ///
    /// # Errors
    /// When it does not get synced.
    pub fn device(&mut self, name: &str) -> Result<Device> {
        let mut device = self.prepare(name)?;
        device.start()?;
        device.wait_synced()?;
        if self.join.is_none() {
            self.join = Some(Join::Link(device.link()?));
        }
        Ok(device)
    }

    /// Makes the folder of a device whose client does not run yet, so that something can be put in first.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn prepare(&self, name: &str) -> Result<Device> {
        let join = self.join.clone().unwrap_or_else(|| Join::New(self.address()));
        Device::prepare(self.home(), name, join)
    }

    /// Lets the devices that follow join the account of one that was started by hand. They go to the server directly,
    /// whichever way that device goes.
    ///
    /// # Errors
    /// When the device cannot tell the ID.
    pub fn adopt(&mut self, device: &Device) -> Result<()> {
        self.join = Some(Join::Id {
            server: self.address(),
            id: device.id()?,
            fingerprint: self.server.fingerprint().to_owned(),
        });
        Ok(())
    }
}
