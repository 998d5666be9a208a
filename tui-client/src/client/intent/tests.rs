//! What a start comes to, case by case, and the law for all of them.

use common::fingerprint::Fingerprint;
use common::link::PairingLink;
use common::message::Auth;
use proptest::prelude::*;
use sync_engine::DeviceId;

use super::*;

const KEYS: [Fingerprint; 3] = [Fingerprint([1; 32]), Fingerprint([2; 32]), Fingerprint([3; 32])];

fn server(name: &str) -> ServerAddress {
    name.parse().unwrap()
}

fn ids() -> [AccountId; 2] {
    [
        "006H-M9SM-8575-PT3N-GA7S-SADP-RF8D-VTQQ-2J".parse().unwrap(),
        AccountId::generate().unwrap(),
    ]
}

fn on(name: &str, id: Option<&AccountId>, trust: FirstTrust) -> Start {
    Start::Server {
        server: server(name),
        id: id.cloned(),
        trust,
    }
}

fn link(name: &str, id: &AccountId, fingerprint: Fingerprint) -> Start {
    Start::Link(PairingLink {
        server: server(name),
        id: id.clone(),
        fingerprint,
    })
}

fn enrolled(id: &AccountId) -> Account {
    Account {
        server: Some(server("nas")),
        fingerprint: Some(KEYS[0]),
        id: Some(id.clone()),
        device_name: "a".into(),
        device: Some(DeviceId([8; 16])),
        is_id_replaced: false,
    }
}

fn of(stored: Option<Account>, start: &Start) -> Result<Intent, Unclear> {
    let is_enrolled = stored.as_ref().is_some_and(|account| account.device.is_some());
    intend(stored, is_enrolled, start, || "new".to_owned())
}

#[test]
fn the_key_of_a_link_is_kept_for_the_next_start_whatever_that_says() {
    let [id, _] = ids();
    let first = of(None, &link("nas", &id, KEYS[0])).unwrap();
    assert_eq!(first.voucher, Voucher::Key(KEYS[0]));
    assert!(!first.is_proven());
    let stored = Some(first.account);
    assert_eq!(of(stored.clone(), &Start::Enrolled), Err(Unclear::NoServer));
    for trust in [FirstTrust::Ask, FirstTrust::FirstUse] {
        let next = of(stored.clone(), &on("elsewhere", None, trust)).unwrap();
        assert_eq!(next.voucher, Voucher::Key(KEYS[0]));
        assert!(matches!(next.auth(), Auth::Enrol { .. }));
    }
}

#[test]
fn an_id_that_was_stored_without_a_key_is_told_to_nobody() {
    let [id, _] = ids();
    let first = of(None, &on("nas", Some(&id), FirstTrust::FirstUse)).unwrap();
    assert!(first.is_vouched_for());
    let next = of(Some(first.account), &on("nas", None, FirstTrust::Ask)).unwrap();
    assert!(!next.is_vouched_for());
}

#[test]
fn who_was_asked_for_a_new_account_in_vain_is_not_trusted_with_an_id() {
    let [id, _] = ids();
    let in_vain = Account {
        server: Some(server("nas")),
        fingerprint: Some(KEYS[0]),
        ..Account::default()
    };
    let again = of(Some(in_vain.clone()), &on("nas", None, FirstTrust::Ask)).unwrap();
    assert_eq!(again.voucher, Voucher::Key(KEYS[0]));
    let other = of(Some(in_vain.clone()), &on("other", None, FirstTrust::Ask)).unwrap();
    assert_eq!(other.voucher, Voucher::Nobody);
    let joins = of(Some(in_vain), &on("nas", Some(&id), FirstTrust::Ask)).unwrap();
    assert!(!joins.is_vouched_for());
}

#[test]
fn an_enrolled_folder_keeps_its_account_and_takes_a_key_from_nothing_but_a_fingerprint() {
    let [id, other] = ids();
    let stored = Some(enrolled(&id));
    let moved = of(stored.clone(), &on("stat", None, FirstTrust::Ask)).unwrap();
    assert!(!moved.is_proven());
    assert_eq!(moved.account, enrolled(&id));
    assert!(of(stored.clone(), &Start::Enrolled).unwrap().is_proven());
    let linked = of(stored.clone(), &link("nas", &id, KEYS[1])).unwrap();
    assert_eq!(linked.voucher, Voucher::Key(KEYS[0]));
    let told = of(stored.clone(), &on("nas", None, FirstTrust::Pinned(KEYS[1]))).unwrap();
    assert_eq!(told.voucher, Voucher::Key(KEYS[1]));
    let joins = of(stored, &link("nas", &other, KEYS[0]));
    assert_eq!(joins, Err(Unclear::OtherAccount));
}

#[test]
fn a_first_start_that_came_to_nothing_binds_nobody_to_its_account() {
    let [id, other] = ids();
    let first = of(None, &link("nas", &id, KEYS[0])).unwrap();
    let second = of(Some(first.account), &link("nas", &other, KEYS[1])).unwrap();
    assert_eq!(second.account.id, Some(other));
    assert_eq!(second.voucher, Voucher::Key(KEYS[1]));
    assert_eq!(of(None, &Start::Enrolled), Err(Unclear::NeverEnrolled));
}

fn trusts() -> impl Strategy<Value = FirstTrust> {
    prop_oneof![
        Just(FirstTrust::Ask),
        Just(FirstTrust::FirstUse),
        (0..KEYS.len()).prop_map(|at| FirstTrust::Pinned(KEYS[at])),
    ]
}

fn starts() -> impl Strategy<Value = Start> {
    let ids = ids();
    let linked = ids.clone();
    prop_oneof![
        Just(Start::Enrolled),
        ("[ab]", prop::option::of(0..2_usize), trusts())
            .prop_map(move |(name, id, trust)| { on(&name, id.map(|at| &ids[at]), trust) }),
        ("[ab]", 0..2_usize, 0..KEYS.len()).prop_map(move |(name, id, key)| link(
            &name,
            &linked[id],
            KEYS[key]
        )),
    ]
}

proptest! {
    /// Of any row of starts that come to nothing, each with what the one before left: an ID goes to a key that was given
    /// with it or after it, or to whoever answers when the person says so at that very start.
    #[test]
    fn an_id_goes_only_to_a_key_that_was_given_for_it(starts in prop::collection::vec(starts(), 1..6), answers in prop::collection::vec(prop::option::of(0..KEYS.len()), 6)) {
        let mut stored: Option<Account> = None;
        // The keys that were given, for each ID.
        let mut given: Vec<(AccountId, Fingerprint)> = Vec::new();
        for (start, answer) in starts.iter().zip(answers) {
            let Ok(intent) = of(stored.clone(), start) else { continue };
            if !intent.is_vouched_for() {
                continue;
            }
            let id = intent.account.id.clone();
            let said = Said::of(start);
            if let (Some(id), FirstTrust::Pinned(key)) = (&id, said.trust) {
                given.push((id.clone(), key));
            }
            // What a client stores before it connects, and when a key answers.
            if id.is_some() {
                stored = Some(intent.account.clone());
            }
            let believed = answer.map(|at| KEYS[at]).filter(|key| match intent.voucher {
                Voucher::Key(pinned) => pinned == *key,
                Voucher::Person | Voucher::Nobody => true,
            });
            let Some(key) = believed else { continue };
            if let Some(id) = id {
                let is_meant = match intent.voucher {
                    Voucher::Key(_) => given.contains(&(id.clone(), key)),
                    Voucher::Person => said.trust == FirstTrust::FirstUse,
                    Voucher::Nobody => false,
                };
                prop_assert!(is_meant);
                given.push((id, key));
            }
            stored = Some(Account { server: Some(intent.address), fingerprint: Some(key), ..intent.account });
        }
    }
}
