//! What the configuration promises: it comes back, it is the owner's alone, and no error repeats a secret.

use std::fs;

use tempfile::TempDir;

use super::*;

fn config() -> (TempDir, Config, FolderId) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::at(&dir.path().join("deep").join("holdfast"));
    (dir, config, FolderId([5; 16]))
}

fn account() -> Account {
    Account {
        server: Some("Nas.local".parse().unwrap()),
        fingerprint: Some(Fingerprint([7; 32])),
        id: Some(AccountId::generate().unwrap()),
        device_name: "tower \"2\"\n[x]".into(),
        device: Some(DeviceId([8; 16])),
        is_id_replaced: false,
    }
}

#[test]
fn an_account_comes_back_as_it_was_saved() {
    let (_dir, config, folder) = config();
    assert_eq!(config.account(folder).unwrap(), None);
    let mut account = account();
    config.save_account(folder, &account).unwrap();
    assert_eq!(config.account(folder).unwrap(), Some(account.clone()));
    assert!(account.pairing_link().is_some());
    account.id = None;
    account.device = None;
    account.fingerprint = None;
    account.server = None;
    config.save_account(folder, &account).unwrap();
    assert_eq!(config.account(folder).unwrap(), Some(account.clone()));
    assert!(account.pairing_link().is_none());
    assert_eq!(config.account(FolderId([6; 16])).unwrap(), None);
}

#[test]
fn what_several_parts_learn_is_kept_of_each() {
    let (_dir, config, folder) = config();
    let account = account();
    let learn = |change: &dyn Fn(&mut Account)| config.update_account(folder, change).unwrap();
    learn(&|known| known.fingerprint = account.fingerprint);
    learn(&|known| known.id.clone_from(&account.id));
    let stamp = || {
        fs::metadata(config.account_path(folder))
            .unwrap()
            .modified()
            .unwrap()
    };
    let written = stamp();
    learn(&|known| known.fingerprint = account.fingerprint);
    assert_eq!(stamp(), written);
    let known = config.account(folder).unwrap().unwrap();
    assert_eq!((known.fingerprint, known.id), (account.fingerprint, account.id));
}

#[test]
fn a_devices_key_stays_until_it_is_renewed() {
    let (_dir, config, folder) = config();
    let first = config.device_certificate(folder).unwrap().fingerprint();
    assert_eq!(config.device_certificate(folder).unwrap().fingerprint(), first);
    let other = config
        .device_certificate(FolderId([6; 16]))
        .unwrap()
        .fingerprint();
    assert_ne!(other, first);
    let renewed = config.renew_device_certificate(folder).unwrap().fingerprint();
    assert_ne!(renewed, first);
    assert_eq!(config.device_certificate(folder).unwrap().fingerprint(), renewed);
}

#[test]
fn a_damaged_file_is_told_without_repeating_it() {
    let (_dir, config, folder) = config();
    let account = account();
    config.save_account(folder, &account).unwrap();
    let path = config.account_path(folder);
    let sound = fs::read_to_string(&path).unwrap();
    let id = account.id.unwrap().reveal();
    let damages = [
        sound.replace("id = \"", "id = \"U"),
        sound.replace("id = ", "id == "),
        sound.replace("device_name", "divice_name"),
        sound[..sound.len() / 2].to_owned(),
        format!("{sound}id = \"{}\"", &*id),
        String::new(),
    ];
    for damaged in damages {
        fs::write(&path, &damaged).unwrap();
        let error = config.account(folder).unwrap_err();
        assert!(matches!(error, ConfigError::Damaged { .. }), "{error}");
        assert!(!format!("{error:?} {error}").contains(&id[..9]), "{error}");
    }
    fs::write(&path, sound.replace("format = 1", "format = 2")).unwrap();
    let error = config.account(folder).unwrap_err();
    assert!(matches!(error, ConfigError::Newer { found: 2, .. }));
}

#[test]
fn the_variable_moves_the_configuration() {
    let moved = Config::locate_in(Some(OsStr::new("/somewhere/else"))).unwrap();
    assert_eq!(
        moved,
        Config::at(&std::path::absolute("/somewhere/else").unwrap())
    );
    let unmoved = Config::locate_in(Some(OsStr::new(""))).unwrap();
    assert!(unmoved.dir().ends_with("holdfast"));
    assert!(!default_device_name().is_empty());
}

#[cfg(unix)]
#[test]
fn secrets_are_the_owners_alone_or_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, config, folder) = config();
    config.save_account(folder, &account()).unwrap();
    config.device_certificate(folder).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(mode(&config.folder_dir(folder)), 0o700);
    assert_eq!(mode(config.dir()), 0o700);
    assert_eq!(mode(&config.account_path(folder)), 0o600);
    assert_eq!(mode(&config.device_files(folder).key), 0o600);

    allow(&config.account_path(folder), 0o640);
    let error = config.account(folder).unwrap_err();
    assert!(
        matches!(error, ConfigError::ReadableByOthers { mode: 0o640, .. }),
        "{error}"
    );
    allow(&config.device_files(folder).key, 0o604);
    assert!(matches!(
        config.device_certificate(folder),
        Err(ConfigError::Certificate(_))
    ));
    allow(&config.folder_dir(folder), 0o755);
    let error = config.save_account(folder, &account()).unwrap_err();
    assert!(matches!(error, ConfigError::MakeDir { .. }));
}
