//! Who is admitted: the decision over a `Hello`, inside one transaction. An unknown ID, an unknown key and a revoked
//! one are answered alike, after the same questions to the database.

use common::identity::AccountId;
use common::message::{Auth, Hello, Refusal, Role};
use sync_engine::generations::{Kept, name_of};
use sync_engine::{DeviceId, Version};

use crate::gate::Enrolments;
use crate::store::{AccountKey, DeviceRow, Draft, KeyHash, NewDevice, StoreError};

/// The most devices of an account that are not revoked.
const DEVICES_MAX: usize = 1024;
/// The most devices that are remembered of an account, revoked ones included. Beyond that the oldest revoked are forgotten:
/// their keys are then as unknown as any, and answered as before.
const DEVICES_KNOWN_MAX: usize = 2 * DEVICES_MAX;
/// A generation that no device has begun.
const NO_GENERATION: [u8; 16] = [0; 16];

/// Who calls, and the random things that may be needed for it.
pub(crate) struct Caller {
    /// The key that TLS has proved.
    pub(crate) key: KeyHash,
    /// What it says.
    pub(crate) hello: Hello,
    /// The id that it gets if it is new.
    pub(crate) new_device: DeviceId,
    /// The ID of the account if it is new.
    pub(crate) new_id: AccountId,
}

/// A device that is admitted.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    /// The account.
    pub(crate) account: AccountKey,
    /// The newest entry of its journal.
    pub(crate) head: Version,
    /// The device.
    pub(crate) device: DeviceId,
    /// Its name.
    pub(crate) device_name: String,
    /// The account's ID, if it was just made.
    pub(crate) id: Option<AccountId>,
}

/// Decides whether a caller is admitted, and enrols it if it is new.
pub(crate) fn admit_device(
    draft: &dyn Draft,
    caller: &Caller,
    is_closed: bool,
    enrolments: &Enrolments,
) -> Result<Result<Admitted, Refusal>, StoreError> {
    let hello = &caller.hello;
    let presented = match &hello.auth {
        Auth::Enrol { id, .. } => id.hash(),
        Auth::Register { .. } | Auth::Device | Auth::LastBegun => caller.new_id.hash(),
    };
    let known = draft.device_by_key(&caller.key)?;
    let account = draft.account_by_id(&presented)?;
    match (&hello.auth, known) {
        (_, Some(device)) if device.revoked => Ok(Err(Refusal::NotAdmitted)),
        (Auth::Device, Some(device)) => readmit(draft, hello, &device, None),
        (Auth::Enrol { .. }, Some(device)) => match account {
            Some(account) if account.key == device.account => readmit(draft, hello, &device, None),
            Some(_) | None => Ok(Err(Refusal::NotAdmitted)),
        },
        (Auth::LastBegun, Some(device)) => Ok(Err(Refusal::Begun {
            generation: name_of(&device.next_generation),
        })),
        (Auth::Register { .. }, Some(device)) => repeat_registration(draft, caller, &device),
        (Auth::Device | Auth::LastBegun, None) => Ok(Err(Refusal::NotAdmitted)),
        (Auth::Enrol { device_name, .. }, None) => match account {
            Some(account) if !enrolments.may_enrol(account.key) => Ok(Err(Refusal::Busy)),
            Some(account) => enrol(draft, caller, account.key, device_name, None),
            None => Ok(Err(Refusal::NotAdmitted)),
        },
        (Auth::Register { .. }, None) if is_closed => Ok(Err(Refusal::Closed)),
        (Auth::Register { device_name }, None) => {
            let account = draft.add_account(&caller.new_id.hash(), draft.now_ms())?;
            enrol(draft, caller, account, device_name, Some(caller.new_id.clone()))
        }
    }
}

/// Admits a device that is enrolled, if its generation is the present one, or the one that it was told to begin.
fn readmit(
    draft: &dyn Draft,
    hello: &Hello,
    device: &DeviceRow,
    id: Option<AccountId>,
) -> Result<Result<Admitted, Refusal>, StoreError> {
    if hello.role == Role::Control {
        let kept = Kept {
            confirmed: device.generation,
            begun: device.next_generation,
        };
        let Some(kept) = kept.admit(&hello.generation, hello.next_generation) else {
            return Ok(Err(Refusal::Cloned));
        };
        draft.set_generation(&device.key, &kept.confirmed, &kept.begun)?;
        draft.set_seen(device.account, device.id, draft.now_ms())?;
    }
    welcome(draft, device.account, device.id, device.name.clone(), id)
}

/// Answers a registration that arrives again. As long as the device has never confirmed its first admission, it may
/// not have learned its account's ID, which nobody can tell it any more: the account gets another.
fn repeat_registration(
    draft: &dyn Draft,
    caller: &Caller,
    device: &DeviceRow,
) -> Result<Result<Admitted, Refusal>, StoreError> {
    let is_alone = draft.devices(device.account)?.len() == 1;
    if device.generation != NO_GENERATION || caller.hello.generation != NO_GENERATION || !is_alone {
        return Ok(Err(Refusal::NotAdmitted));
    }
    draft.set_account_id(device.account, &caller.new_id.hash())?;
    readmit(draft, &caller.hello, device, Some(caller.new_id.clone()))
}

fn enrol(
    draft: &dyn Draft,
    caller: &Caller,
    account: AccountKey,
    device_name: &str,
    id: Option<AccountId>,
) -> Result<Result<Admitted, Refusal>, StoreError> {
    if caller.hello.role != Role::Control {
        return Ok(Err(Refusal::NotAdmitted));
    }
    let devices = draft.devices(account)?;
    let revoked = || devices.iter().filter(|device| device.revoked);
    if DEVICES_MAX <= devices.len() - revoked().count() {
        return Ok(Err(Refusal::Busy));
    }
    let n_too_many = (devices.len() + 1).saturating_sub(DEVICES_KNOWN_MAX);
    for device in revoked().take(n_too_many) {
        draft.forget_device(account, device.id)?;
    }
    let device = NewDevice {
        id: caller.new_device,
        key: caller.key,
        name: crate::device_name::free(device_name, caller.new_device, &devices),
        next_generation: caller.hello.next_generation,
    };
    draft.add_device(account, &device, draft.now_ms())?;
    welcome(draft, account, device.id, device.name, id)
}

fn welcome(
    draft: &dyn Draft,
    account: AccountKey,
    device: DeviceId,
    device_name: String,
    id: Option<AccountId>,
) -> Result<Result<Admitted, Refusal>, StoreError> {
    let row = draft.account(account)?;
    let head = row
        .ok_or_else(|| StoreError::Damaged {
            what: "the table of accounts".into(),
        })?
        .head;
    Ok(Ok(Admitted {
        account,
        head,
        device,
        device_name,
        id,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Metadata, Store};

    fn caller(n: u32, auth: Auth) -> Caller {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let hello = Hello {
            protocol: 1,
            agent: "test".into(),
            role: Role::Control,
            auth,
            generation: NO_GENERATION,
            next_generation: [1; 16],
        };
        let mut new_device = [0; 16];
        new_device[..4].copy_from_slice(&n.to_be_bytes());
        Caller {
            key,
            hello,
            new_device: DeviceId(new_device),
            new_id: AccountId::generate().unwrap(),
        }
    }

    #[test]
    fn devices_that_are_revoked_leave_their_places_and_the_oldest_are_forgotten() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let enrolments = Enrolments::new(u32::MAX);
        let outcome = store.metadata.write(Durability::Later, |draft| {
            let register = Auth::Register {
                device_name: "first".into(),
            };
            let first = admit_device(draft, &caller(0, register), false, &enrolments)?.unwrap();
            let id = first.id.unwrap();
            let enrol = |n: u32| {
                let auth = Auth::Enrol {
                    id: id.clone(),
                    device_name: "x".into(),
                };
                admit_device(draft, &caller(n, auth), false, &enrolments)
            };
            let n_max = u32::try_from(DEVICES_MAX).unwrap();
            for n in 1..n_max {
                assert!(enrol(n)?.is_ok());
            }
            assert_eq!(enrol(n_max)?.unwrap_err(), Refusal::Busy);
            // As often as one is revoked, another may come.
            for n in 1..=2 * n_max {
                let oldest = draft.devices(first.account)?.into_iter().find(|row| !row.revoked);
                draft.revoke_device(first.account, oldest.unwrap().id)?;
                assert!(enrol(n_max + n)?.is_ok());
                assert_eq!(enrol(4 * n_max)?.unwrap_err(), Refusal::Busy);
            }
            assert_eq!(draft.devices(first.account)?.len(), DEVICES_KNOWN_MAX);
            // Whether its key is still remembered, a revoked one learns the same.
            let answers = [0, 2 * n_max].map(|n| {
                let answer = admit_device(draft, &caller(n, Auth::Device), false, &enrolments);
                answer.unwrap().unwrap_err()
            });
            assert_eq!(answers, [Refusal::NotAdmitted; 2]);
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn whoever_asks_for_the_last_generation_is_not_admitted_and_changes_nothing() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let enrolments = Enrolments::new(u32::MAX);
        let outcome = store.metadata.write(Durability::Later, |draft| {
            let register = Auth::Register {
                device_name: "first".into(),
            };
            let first = admit_device(draft, &caller(0, register), false, &enrolments)?.unwrap();
            let ask = |n: u32| admit_device(draft, &caller(n, Auth::LastBegun), false, &enrolments);
            let generation = name_of(&[1; 16]);
            for _ in 0..2 {
                assert_eq!(ask(0)?.unwrap_err(), Refusal::Begun { generation });
            }
            assert_eq!(ask(1)?.unwrap_err(), Refusal::NotAdmitted);
            draft.revoke_device(first.account, first.device)?;
            assert_eq!(ask(0)?.unwrap_err(), Refusal::NotAdmitted);
            Ok(())
        });
        outcome.unwrap();
    }
}
