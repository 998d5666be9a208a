//! The stage on which both ways of the demo play: programs, certificate, server and two devices with full folders.

use crate::sample;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::binaries::binaries;
use tests::process::run;
use tests::{Device, Join, ServerOptions, ServerProcess};

/// A server, and two devices whose clients do not run yet.
pub(crate) struct Stage {
    pub(crate) server: ServerProcess,
    pub(crate) laptop: Device,
    pub(crate) desktop: Device,
}

impl Stage {
    /// Builds the programs, makes a certificate, and starts a server on an empty store.
    pub(crate) fn set(home: &Path) -> Result<Self> {
        println!("The server and the client are being built.");
        let programs = binaries()?;

        let server_home = home.join("server");
        std::fs::create_dir_all(&server_home)?;
        let mut gen_cert = Command::new(&programs.server);
        gen_cert
            .args(["--gen-cert", "--host", "localhost", "--certs", "certs"])
            .current_dir(&server_home);
        let made = run("server --gen-cert", &mut gen_cert, Duration::from_secs(60))?.ok()?;

        let server = ServerProcess::start(&server_home, ServerOptions::default())?;
        ensure!(
            made.stdout.contains(server.fingerprint()),
            "the certificate that was made is not the one that the server has"
        );
        println!(
            "A server listens on {} with the key that was just made.",
            server.address()
        );
        println!("   Its fingerprint is {}.", server.fingerprint());

        let laptop = Device::prepare(home, "laptop", Join::New(server.address().to_string()))?;
        let desktop = Device::prepare(home, "desktop", Join::New(server.address().to_string()))?;
        sample::fill_laptop(&laptop)?;
        sample::fill_desktop(&desktop)?;
        Ok(Self {
            server,
            laptop,
            desktop,
        })
    }
}
