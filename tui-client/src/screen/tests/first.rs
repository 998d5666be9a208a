//! The first start, key by key.

use common::fingerprint::Fingerprint;
use common::identity::AccountId;

use crate::notice::Trouble;
use crate::screen::first::{Driven, Join, Prefill, Setup};
use crate::screen::keys::Key;

const RIGHT: Fingerprint = Fingerprint([0xa7; 32]);

fn press(form: &mut Driven, keys: &str) -> Option<Setup> {
    let mut done = None;
    for key in keys.split(' ') {
        done = form.press(Key::parse(key).expect("a key"));
    }
    done
}

fn answered(form: &mut Driven, text: &str) -> Option<Setup> {
    form.paste(text);
    press(form, "enter")
}

#[test]
fn all_that_is_missing_is_asked_for() {
    let mut form = Driven::new(Prefill::default());
    insta::assert_snapshot!("first_server", form.seen(80, 24));
    answered(&mut form, "nas.local");
    insta::assert_snapshot!("first_folder", form.seen(80, 24));
    answered(&mut form, "/home/ann/folder");
    insta::assert_snapshot!("first_new_or_join", form.seen(80, 24));
    assert!(press(&mut form, "enter").is_none());
    assert_eq!(form.probing().as_deref(), Some("nas.local:7733"));
    assert!(form.probed(Ok(RIGHT)).is_none());
    insta::assert_snapshot!("first_compare", form.seen(80, 24));
    let setup = press(&mut form, "j enter").expect("all is known");
    assert_eq!(setup.fingerprint, RIGHT);
    assert!(matches!(setup.join, Join::New));
}

#[test]
fn the_default_does_not_trust_a_server() {
    let mut form = Driven::new(Prefill {
        server: Some("nas.local".to_owned()),
        folder: Some("/f".into()),
        new: true,
        ..Prefill::default()
    });
    assert!(form.probed(Ok(RIGHT)).is_none());
    assert!(press(&mut form, "enter").is_none());
    assert!(form.has_left());
}

#[test]
fn a_mistyped_id_is_told_at_once_and_can_be_mended() {
    let mut form = Driven::new(Prefill {
        server: Some("nas.local".to_owned()),
        folder: Some("/f".into()),
        id: Some("7K3M".to_owned()),
        ..Prefill::default()
    });
    assert!(form.seen(80, 24).contains("letters and digits"));
    let id = AccountId::generate().expect("random numbers");
    press(&mut form, "ctrl-u");
    answered(&mut form, &id.reveal());
    form.probed(Ok(RIGHT));
    let setup = press(&mut form, "j enter").expect("all is known");
    assert!(matches!(setup.join, Join::Join(other) if other.hash() == id.hash()));
}

#[test]
fn a_fingerprint_that_is_known_is_compared_without_asking() {
    let known = || Prefill {
        server: Some("nas.local".to_owned()),
        folder: Some("/f".into()),
        fingerprint: Some(RIGHT),
        new: true,
        ..Prefill::default()
    };
    let mut form = Driven::new(known());
    assert!(form.probed(Ok(RIGHT)).is_some());
    let mut form = Driven::new(known());
    assert!(form.probed(Ok(Fingerprint([1; 32]))).is_none());
    insta::assert_snapshot!("first_refused", form.seen(80, 24));
    assert!(press(&mut form, "enter").is_none());
    assert!(form.has_left());
}

#[test]
fn a_server_out_of_reach_is_asked_for_again() {
    let mut form = Driven::new(Prefill {
        server: Some("nas.local".to_owned()),
        folder: Some("/f".into()),
        new: true,
        ..Prefill::default()
    });
    form.probed(Err(Trouble {
        what: "nas.local is not known".to_owned(),
        done: String::new(),
        todo: "look at the name".to_owned(),
    }));
    assert!(
        form.seen(80, 24)
            .contains("nas.local is not known: look at the name")
    );
    press(&mut form, "enter");
    assert!(form.probing().is_some());
}

#[test]
fn esc_goes_back_and_keeps_what_was_typed() {
    let mut form = Driven::new(Prefill::default());
    answered(&mut form, "nas.local");
    press(&mut form, "esc");
    assert!(form.seen(80, 24).contains("nas.local:7733"));
    press(&mut form, "esc");
    assert!(form.has_left());
}

#[test]
fn the_form_never_panics_at_any_size() {
    let form = Driven::new(Prefill::default());
    for (columns, rows) in (1..90)
        .step_by(5)
        .flat_map(|columns| (1..30).step_by(2).map(move |rows| (columns, rows)))
    {
        form.seen(columns, rows);
    }
}
