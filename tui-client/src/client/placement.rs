//! Whether a folder may be where it is: not inside another synchronised folder, a store or somebody's secrets, not around
//! one, and not the whole disk. A folder that may not is refused before anything is made in it.

use std::path::Path;

use common::apart::{Apart, identity, is_one_directory, ways_to};

use crate::config::Config;
use crate::disk::Root;
use crate::fault::{Exit, Fault};

/// Checks a folder that may not be there yet, and the configuration that goes with it.
///
/// # Errors
/// When the folder is in what has to stay apart from it, is the whole disk, or holds the configuration.
pub(super) fn check(config: &Config, folder: &Path) -> Result<(), Fault> {
    let cannot_follow = |path: &Path, error: std::io::Error| {
        Fault::failed(
            format!("the path {} cannot be followed: {error}", path.display()),
            "nothing was changed",
            "see that the path is right and that you may enter the directories on the way",
        )
    };
    let ways = ways_to(folder).map_err(|error| cannot_follow(folder, error))?;
    let is_there = folder.exists();
    for way in &ways {
        let top = way.ancestors().last().unwrap_or(way);
        if is_there && is_one_directory(way, top) {
            return Err(is_all(folder));
        }
        for dir in way.ancestors() {
            if is_one_directory(dir, config.dir()) {
                return Err(is_inside(folder, Apart::Secrets, dir));
            }
        }
        // That the folder itself is one does not put it inside one.
        let own = way.as_path();
        let around = way.ancestors().find_map(|dir| {
            let is_own = is_there && dir == own;
            let apart = Apart::at(dir).filter(|apart| !(is_own && *apart == Apart::Folder))?;
            Some((apart, dir))
        });
        if let Some((apart, dir)) = around {
            return Err(is_inside(folder, apart, dir));
        }
    }
    let own = identity(folder).ok();
    for way in ways_to(config.dir()).map_err(|error| cannot_follow(config.dir(), error))? {
        for dir in way.ancestors() {
            if own.is_some() && identity(dir).ok() == own {
                return Err(holds_secrets(folder, config.dir()));
            }
            if Apart::at(dir) == Some(Apart::Folder) {
                return Err(holds_secrets(dir, config.dir()));
            }
        }
    }
    Ok(())
}

/// Checks what is in a folder that is taken up for the first time.
///
/// # Errors
/// When something in it has to stay apart from it, or the folder cannot be listed.
pub(super) fn check_inside(root: &Root, folder: &Path) -> Result<(), Fault> {
    let Some((apart, path)) = root.find_apart()? else {
        return Ok(());
    };
    Err(refused(
        format!(
            "the folder {} holds {}: {path}",
            folder.display(),
            apart.in_words()
        ),
        "take another folder, or move that out of this one first",
    ))
}

fn refused(what: String, todo: &str) -> Fault {
    Fault {
        exit: Exit::Usage,
        ..Fault::failed(what, "nothing was started, and nothing was changed", todo)
    }
}

fn is_all(folder: &Path) -> Fault {
    refused(
        format!("the folder {} is the whole disk", folder.display()),
        "name a directory in it",
    )
}

fn is_inside(folder: &Path, apart: Apart, dir: &Path) -> Fault {
    let todo = match apart {
        Apart::Folder => {
            "take a directory outside of it; what is in a synchronised folder is synchronised with it"
        }
        Apart::Store | Apart::Secrets => "take a directory outside of it",
    };
    refused(
        format!(
            "the folder {} is inside {}: {}",
            folder.display(),
            apart.in_words(),
            dir.display()
        ),
        todo,
    )
}

fn holds_secrets(folder: &Path, config: &Path) -> Fault {
    refused(
        format!(
            "the folder {} holds the configuration in {}, with the account's ID and the device's key",
            folder.display(),
            config.display()
        ),
        "take another folder, or move the configuration out of it and set HOLDFAST_CONFIG_DIR to its new place; if it was \
         ever synchronised, replace the ID (tui-client devices FOLDER replace-id)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    struct Home(TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join(path)
        }

        fn dir(&self, path: &str) -> std::path::PathBuf {
            let path = self.at(path);
            fs::create_dir_all(&path).unwrap();
            path
        }

        fn file(&self, path: &str) {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }

        fn check(&self, folder: &str, config: &str) -> Result<(), String> {
            let checked = check(&Config::at(&self.at(config)), &self.at(folder));
            checked.map_err(|fault| {
                assert_eq!(fault.exit, Exit::Usage);
                fault.trouble.what
            })
        }
    }

    #[test]
    fn a_folder_in_another_one_in_a_store_or_among_secrets_is_refused() {
        let home = Home::new();
        home.file("folder/.holdfast/folder-id");
        home.file("store/store.db");
        home.dir("store/packs");
        home.dir("config/sub");
        home.dir("folder/sub");
        home.dir("beside");
        for folder in ["beside", "beside/none", "folder"] {
            assert_eq!(home.check(folder, "config"), Ok(()), "{folder}");
        }
        for folder in [
            "folder/sub",
            "folder/none/at all",
            "store",
            "store/packs",
            "config",
            "config/sub",
            "config/none",
        ] {
            assert!(home.check(folder, "config").is_err(), "{folder}");
        }
        let said = check(&Config::at(&home.at("config")), Path::new("/")).unwrap_err();
        assert!(said.trouble.what.contains("whole disk"), "{said}");
    }

    #[test]
    fn a_folder_that_holds_the_configuration_is_refused_before_there_is_one_too() {
        let home = Home::new();
        home.dir("home/.config");
        home.dir("beside");
        for config in ["home/.config/holdfast", "home/.config", "home"] {
            assert!(home.check("home", config).is_err(), "{config}");
        }
        assert_eq!(home.check("beside", "home/.config/holdfast"), Ok(()));
        // Nor may the configuration lie in a folder that others synchronise.
        home.file("home/.holdfast/folder-id");
        assert!(home.check("beside", "home/.config/holdfast").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_hide_nothing() {
        let home = Home::new();
        home.dir("home/.config/holdfast");
        home.file("folder/.holdfast/folder-id");
        home.dir("folder/sub");
        for (target, link) in [
            ("home", "to home"),
            ("home/.config/holdfast", "to config"),
            ("folder/sub", "to sub"),
        ] {
            std::os::unix::fs::symlink(home.at(target), home.at(link)).unwrap();
        }
        assert!(home.check("to home", "to config").is_err());
        assert!(home.check("home", "to config").is_err());
        assert!(home.check("to home", "home/.config/holdfast").is_err());
        assert!(home.check("to sub", "to config").is_err());
    }

    #[test]
    fn what_is_inside_is_found_at_any_depth() {
        for (file, beside) in [
            ("a/b/store.db", Some("a/b/packs/1")),
            ("a/id/device.key", Some("a/id/account.toml")),
        ] {
            let home = Home::new();
            home.dir("folder/x/y");
            home.file("folder/.holdfast/folder-id");
            let root = Root::open(&home.at("folder")).unwrap();
            check_inside(&root, &home.at("folder")).unwrap();
            home.file(&format!("folder/{file}"));
            beside
                .into_iter()
                .for_each(|path| home.file(&format!("folder/{path}")));
            check_inside(&root, &home.at("folder")).unwrap_err();
        }
    }

    #[test]
    fn a_folder_inside_is_in_the_way_as_long_as_a_client_runs_on_it() {
        let home = Home::new();
        let inside = Root::open(&home.dir("folder/a/b")).unwrap();
        inside.create_private().unwrap();
        inside.marker().unwrap();
        let root = Root::open(&home.at("folder")).unwrap();
        check_inside(&root, &home.at("folder")).unwrap();
        let lock = inside.lock().unwrap();
        check_inside(&root, &home.at("folder")).unwrap_err();
        drop(lock);
        check_inside(&root, &home.at("folder")).unwrap();
    }
}
