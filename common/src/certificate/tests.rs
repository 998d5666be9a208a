//! What becomes of keys and certificates on disk.

use super::*;
use std::fs;

fn open_or_create(files: &CertificateFiles) -> Result<Certificate, CertificateError> {
    Certificate::open_or_create(files, &Certificate::local_names())
}

fn made(files: &CertificateFiles) -> Certificate {
    Certificate::create(files, &[], IfExists::Fail).unwrap()
}

#[test]
fn a_certificate_that_was_made_once_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(&folder.path().join("new/certs"));
    let made = open_or_create(&files).unwrap();
    let opened = open_or_create(&files).unwrap();
    assert_eq!(opened.fingerprint(), made.fingerprint());
    assert_eq!(opened.pem().certificate, made.pem().certificate);
}

#[test]
fn an_existing_key_is_never_overwritten_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let made = made(&files);
    for gone in [None, Some(&files.certificate)] {
        if let Some(gone) = gone {
            fs::remove_file(gone).unwrap();
        }
        let error = Certificate::create(&files, &[], IfExists::Fail).unwrap_err();
        assert!(matches!(error, CertificateError::WriteFile { .. }), "{error}");
        assert_eq!(*read_key(&files.key).unwrap(), *made.pem().key);
    }
    let replaced = Certificate::create(&files, &[], IfExists::Replace).unwrap();
    assert_ne!(replaced.fingerprint(), made.fingerprint());
    assert_eq!(
        Certificate::open(&files).unwrap().fingerprint(),
        replaced.fingerprint()
    );
}

#[test]
fn a_lost_certificate_is_made_anew_for_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let made = open_or_create(&files).unwrap();
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(open_or_create(&files).unwrap().fingerprint(), made.fingerprint());
    assert_eq!(
        Certificate::open(&files).unwrap().fingerprint(),
        made.fingerprint()
    );
}

#[test]
fn a_lost_key_is_not_replaced_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    open_or_create(&files).unwrap();
    fs::remove_file(&files.key).unwrap();
    let error = open_or_create(&files).unwrap_err();
    assert!(matches!(error, CertificateError::KeyMissing { .. }), "{error}");
    let error = Certificate::create(&files, &[], IfExists::Fail).unwrap_err();
    assert!(matches!(error, CertificateError::WriteFile { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    open_or_create(&files).unwrap();
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        match open_or_create(&files) {
            Err(CertificateError::KeyReadableByOthers { mode: found, .. }) => assert_eq!(found, mode),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_certificate_with_a_foreign_key_is_refused() {
    let [one, other] = [(), ()].map(|()| Certificate::generate(&[]).unwrap().pem().clone());
    let mixed = Pem {
        certificate: one.certificate.clone(),
        key: other.key,
    };
    assert!(matches!(
        Certificate::from_pem(mixed),
        Err(CertificateError::KeyMismatch)
    ));
    let no_key = Pem {
        certificate: one.certificate,
        key: Zeroizing::new("not a key".to_owned()),
    };
    assert!(matches!(
        Certificate::from_pem(no_key),
        Err(CertificateError::NoKey)
    ));
    let no_certificate = Pem {
        certificate: String::new(),
        key: one.key,
    };
    assert!(matches!(
        Certificate::from_pem(no_certificate),
        Err(CertificateError::NoCertificate)
    ));
}

#[test]
fn nothing_secret_is_shown_for_debugging() {
    let made = Certificate::generate(&[]).unwrap();
    let shown = format!("{made:?} {:?}", made.pem());
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

/// Law of [`rotation`]: whatever is there when the power goes, the server is known to those who knew it before.
#[test]
fn a_rotation_that_is_broken_off_leaves_the_old_key_or_the_new_one_and_both_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let first = made(&files);
    let key = fs::read(&files.key).unwrap();
    Certificate::rotate(&files, &[]).unwrap();
    // The certificates were written, the key was not.
    file::write(&files.key, &key, Readers::Owner, IfExists::Replace).unwrap();
    let opened = open_or_create(&files).unwrap();
    assert_eq!(opened.fingerprint(), first.fingerprint());
    let again = Certificate::rotate(&files, &[]).unwrap();
    assert!(again.succeeds(first.fingerprint()));
    let opened = open_or_create(&files).unwrap();
    assert_eq!(opened.fingerprint(), again.fingerprint());
    assert!(opened.succeeds(first.fingerprint()));
}

#[test]
fn a_key_with_a_certificate_from_elsewhere_is_rotated_too() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["files.example".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example");
    params.not_before = date_time_ymd(1999, 1, 1);
    params.not_after = date_time_ymd(2000, 1, 1);
    let certificate = params.self_signed(&pair).unwrap().pem();
    write_file(
        &files.certificate,
        &certificate,
        Readers::Everyone,
        IfExists::Fail,
    )
    .unwrap();
    write_file(&files.key, &pair.serialize_pem(), Readers::Owner, IfExists::Fail).unwrap();
    let old = Certificate::open(&files).unwrap();
    let new = Certificate::rotate(&files, &[]).unwrap();
    assert_ne!(new.fingerprint(), old.fingerprint());
    assert!(new.succeeds(old.fingerprint()));
}

#[test]
fn only_one_program_rotates_at_a_time_and_without_a_key_there_is_nothing_to_rotate() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::of_server(folder.path());
    let error = Certificate::rotate(&files, &[]).unwrap_err();
    assert!(matches!(error, CertificateError::ReadFile { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let before = made(&files);
    let other = File::create(files.key.with_extension("lock")).unwrap();
    other.lock().unwrap();
    let error = Certificate::rotate(&files, &[]).unwrap_err();
    assert!(matches!(error, CertificateError::BeingRotated { .. }), "{error}");
    assert_eq!(
        Certificate::open(&files).unwrap().fingerprint(),
        before.fingerprint()
    );
    drop(other);
    let after = Certificate::rotate(&files, &[]).unwrap();
    assert!(after.succeeds(before.fingerprint()));
    assert!(!before.succeeds(after.fingerprint()));
}
