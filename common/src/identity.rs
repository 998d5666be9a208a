//! Who is who: the account's ID, which is a secret.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An account's ID: 160 random bits. Whoever knows it can enrol a device, so it is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountId([u8; 20]);

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountId(…)")
    }
}
