//! The two programs under test. They are built once for each process of the harness, with the profile and into the
//! target directory of the running program, so that a test never meets an old build.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A directory with programs that are to be used as they are, instead of building them.
const READY_MADE_VAR: &str = "HOLDFAST_BIN_DIR";

/// Where the two programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The server.
    pub server: PathBuf,
    /// The client.
    pub client: PathBuf,
}

/// Builds both programs at the first call, and returns where they are.
///
/// # Errors
/// When they cannot be built; each further call returns the same error.
pub fn binaries() -> Result<&'static Binaries> {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    match BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(binaries) => Ok(binaries),
        Err(error) => bail!("{error}"),
    }
}

fn build() -> Result<Binaries> {
    if let Some(dir) = std::env::var_os(READY_MADE_VAR) {
        return Ok(found_in(Path::new(&dir)));
    }
    let place = Place::of_this_program()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--bins"])
        // This package is built along so that the dependencies' features are those that are compiled already.
        .args([
            "--package",
            "server",
            "--package",
            "tui-client",
            "--package",
            "tests",
        ])
        .args(["--profile", &place.profile])
        .arg("--target-dir")
        .arg(&place.target_dir)
        .current_dir(repository());
    if let Some(triple) = &place.triple {
        cargo.args(["--target", triple]);
    }
    let output = cargo.output().context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo could not build the programs:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(found_in(&place.dir))
}

fn found_in(dir: &Path) -> Binaries {
    let program = |name: &str| dir.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Binaries {
        server: program("server"),
        client: program("tui-client"),
    }
}

/// Returns the root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("this package is a folder of the repository")
}

/// Where cargo puts what it builds like the running program.
struct Place {
    dir: PathBuf,
    target_dir: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Place {
    fn of_this_program() -> Result<Self> {
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let dir = program
            .ancestors()
            .skip(1)
            .find(|dir| !dir.ends_with("deps"))
            .context("this program is in no directory")?;
        let above = dir.parent().context("the build directory is in no directory")?;
        let name = |dir: &Path| dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let profile = name(dir).context("the build directory has no name")?;
        // Cargo marks the target directory, one that was there before in one of two ways; with `--target` there is a
        // directory of that name in between.
        let marks = ["CACHEDIR.TAG", ".rustc_info.json"];
        let (target_dir, triple) = if marks.iter().any(|mark| above.join(mark).is_file()) {
            (above, None)
        } else {
            (above.parent().unwrap_or(above), name(above))
        };
        Ok(Self {
            dir: dir.to_owned(),
            target_dir: target_dir.to_owned(),
            triple,
            profile: if profile == "debug" {
                "dev".to_owned()
            } else {
                profile
            },
        })
    }
}
