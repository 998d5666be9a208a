//! What a person would find in a folder: every path with its kind, content and executable bit. The client's own
//! directory is left out.

use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// The BLAKE3 hash of its bytes, in hexadecimal.
        hash: String,
        /// Its length, in bytes.
        size_bytes: u64,
        /// Whether its owner may execute it.
        exec: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: Vec<u8>,
    },
    /// A pipe, a socket or a device. It is not opened: that could wait for ever.
    Special,
}

/// A folder: paths as bytes with `/` between the names.
pub type Tree = BTreeMap<Vec<u8>, Seen>;

/// Looks at a whole folder.
///
/// # Errors
/// When something in it cannot be read, or vanishes meanwhile.
pub fn tree(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut dirs = vec![(folder.to_owned(), Vec::new())];
    while let Some((dir, prefix)) = dirs.pop() {
        let entries = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
        for entry in entries {
            let entry = entry?;
            if prefix.is_empty() && entry.file_name() == ".holdfast" {
                continue;
            }
            let mut path = prefix.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_encoded_bytes());
            let seen = look(&entry.path())?;
            if seen == Seen::Dir {
                dirs.push((entry.path(), path.clone()));
            }
            tree.insert(path, seen);
        }
    }
    Ok(tree)
}

fn look(path: &Path) -> Result<Seen> {
    let metadata =
        fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if metadata.is_dir() {
        return Ok(Seen::Dir);
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path)?.into_os_string().into_encoded_bytes();
        return Ok(Seen::Symlink { target });
    }
    if !metadata.is_file() {
        return Ok(Seen::Special);
    }
    let mut file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size_bytes = 0;
    loop {
        let n_read = file.read(&mut buffer)?;
        if n_read == 0 {
            break;
        }
        hasher.update(&buffer[..n_read]);
        size_bytes += n_read as u64;
    }
    Ok(Seen::File {
        hash: hasher.finalize().to_hex().to_string(),
        size_bytes,
        exec: is_executable(&metadata),
    })
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(windows)]
fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}

/// Says in what two trees differ, a line for each path; nothing when they are equal.
#[must_use]
pub fn differences(left: &Tree, right: &Tree) -> Vec<String> {
    let paths: std::collections::BTreeSet<&Vec<u8>> = left.keys().chain(right.keys()).collect();
    let describe =
        |seen: Option<&Seen>| seen.map_or_else(|| "nothing".to_owned(), |seen| format!("{seen:?}"));
    paths
        .into_iter()
        .filter(|path| left.get(*path) != right.get(*path))
        .map(|path| {
            let name = String::from_utf8_lossy(path);
            format!(
                "{name}: {} and {}",
                describe(left.get(path)),
                describe(right.get(path))
            )
        })
        .collect()
}
