//! Paths inside the folder, as a person writes them.

use std::path::{Component, Path};

use sync_engine::{Name, NameError, RelPath};

use super::wrong;

const PATH_TODO: &str = "write it as seen from the folder, such as docs/letter.txt";

/// What a path inside the folder leads to.
pub(super) enum Inside {
    /// A place where a node may be.
    Node(RelPath),
    /// A name that is Holdfast's own, or something below it.
    Reserved { above: RelPath, name: String },
}

/// Reads a path where a node may be.
pub(super) fn check_path(folder: &Path, path: &Path) -> Result<RelPath, clap::Error> {
    match inside(folder, path)? {
        Inside::Node(path) => Ok(path),
        Inside::Reserved { .. } => Err(wrong(NameError::Reserved, PATH_TODO)),
    }
}

/// Reads a path inside the folder: counted from the folder, or with the folder in front.
pub(super) fn inside(folder: &Path, path: &Path) -> Result<Inside, clap::Error> {
    let todo = PATH_TODO;
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let inside = match path.strip_prefix(&absolute) {
        Ok(inside) => inside,
        Err(_) if path.is_absolute() => return Err(wrong("the path is not in the folder", todo)),
        Err(_) => path,
    };
    let mut names = Vec::new();
    for component in inside.components() {
        match component {
            Component::CurDir => (),
            Component::Normal(name) => match Name::new(name.as_encoded_bytes()) {
                Ok(name) => names.push(name),
                Err(NameError::Reserved) => {
                    return Ok(Inside::Reserved {
                        above: RelPath(names),
                        name: name.to_string_lossy().into_owned(),
                    });
                }
                Err(error) => return Err(wrong(error, todo)),
            },
            // No link is followed inside the folder, so this is where it leads.
            Component::ParentDir if names.pop().is_some() => (),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(wrong("the path leads out of the folder", todo));
            }
        }
    }
    Ok(Inside::Node(RelPath(names)))
}
