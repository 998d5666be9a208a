//! Staging: what is sealed, kept, flushed and refused.

use super::*;

#[test]
fn a_staged_file_vanishes_when_dropped_and_a_named_one_is_found_again() {
    everywhere(|folder| {
        let key = Hash::of(b"key");
        drop(folder.root().stage().unwrap());
        assert!(folder.names(".holdfast/staging").is_empty());
        let mut named = folder.root().stage_named(&key).unwrap();
        named.file().write_all(b"half").unwrap();
        assert!(folder.root().stage_named(&key).is_err(), "it is open already");
        drop(named);
        let mut again = folder.root().stage_named(&key).unwrap();
        assert_eq!(content_of(again.file()).unwrap(), content("half"));
        again.discard();
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}

#[test]
fn a_link_planted_in_staging_is_removed_and_not_followed() {
    everywhere(|folder| {
        let key = Hash::of(b"key");
        folder.put("../outside", "precious");
        folder.symlink("../../../outside", &format!(".holdfast/staging/k-{key}"));
        let mut staged = folder.root().stage_named(&key).unwrap();
        staged.file().write_all(b"new").unwrap();
        assert_eq!(folder.read("../outside"), "precious");
    });
}

#[test]
fn a_named_file_with_a_second_name_is_begun_anew() {
    everywhere(|folder| {
        let key = Hash::of(b"key");
        drop(folder.root().stage_named(&key).unwrap());
        let name = format!(".holdfast/staging/k-{key}");
        folder.put(&name, "installed already");
        folder.link(&name, "installed");
        folder
            .root()
            .stage_named(&key)
            .unwrap()
            .file()
            .write_all(b"xxx")
            .unwrap();
        assert_eq!(folder.read("installed"), "installed already");
    });
}

#[test]
fn a_sealed_file_has_the_modes_of_the_user_and_the_time_of_the_server() {
    everywhere(|folder| {
        folder.put("usual", "");
        let usual = folder.print("usual").mode;
        for (exec, mtime_ns) in [
            (false, 1_234_567_890_123_456_789),
            (true, -1_500_000_000),
            (true, 0),
        ] {
            let sealed = folder.root().stage().unwrap().seal(exec, mtime_ns).unwrap();
            let path = rel(&format!("f{mtime_ns}"));
            let print = folder.root().install(sealed, &path).unwrap();
            assert_eq!(folder.root().look(&path), Sight::File(print));
            assert_eq!(
                (print.exec(), print.mtime_ns, print.mode & 0o666),
                (exec, folder.rounded(mtime_ns), usual)
            );
            assert_eq!(print.mode & 0o7000, 0);
        }
    });
}

#[test]
fn many_files_are_flushed_at_once_and_an_unflushed_one_before_it_is_installed() {
    everywhere(|folder| {
        let mut files: Vec<Sealed> = (0..20).map(|i| folder.sealed(&format!("{i}"))).collect();
        folder.root().flush_staged(&mut files).unwrap();
        for (i, sealed) in files.into_iter().enumerate() {
            folder.root().install(sealed, &rel(&format!("f{i}"))).unwrap();
        }
        folder
            .root()
            .install(folder.sealed("late"), &rel("late"))
            .unwrap();
        folder.root().flush_dirs(&[RelPath::root(), rel("gone")]).unwrap();
        assert_eq!(folder.names("").len(), 21);
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}

#[test]
fn recovery_sweeps_staging_and_keeps_what_can_be_resumed() {
    everywhere(|folder| {
        let (wanted, unwanted) = (Hash::of(b"wanted"), Hash::of(b"unwanted"));
        drop(folder.root().stage_named(&wanted).unwrap());
        drop(folder.root().stage_named(&unwanted).unwrap());
        for name in ["s-00112233445566778899aabbccddeeff", "probe-x"] {
            folder.write_private(&format!("staging/{name}"), "half");
        }
        folder.write_private("staging/a person's file", "precious");
        let recovered = folder.root().recover(&|key| *key == wanted).unwrap();
        assert_eq!((recovered.removed, recovered.stashed), (3, 1));
        assert_eq!(recovered.resumable, [wanted]);
        assert_eq!(folder.names(".holdfast/staging").len(), 1);
        assert_eq!(folder.stash(), ["precious"]);
    });
}
