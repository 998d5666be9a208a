//! Letting two things change places.

use super::{HandError, Place, failed, refuse_into_itself};
use crate::disk::platform;
use crate::disk::root::{Root, random_name};
use crate::disk::sight::Print;
use std::io;
use sync_engine::RelPath;

impl Root {
    /// Lets what is at `a` and what is at `b` change places; returns the prints of what was at `a` and at `b`,
    /// or the ones that were expected of files that were edited meanwhile.
    ///
    /// On a disk that cannot exchange, three renames do it over a visible name beside `a`; a crash in between leaves
    /// that name, under which the next scan finds the node again.
    ///
    /// # Errors
    /// A surprise when something else is at either place; both are left as they were. What a program saved over one of
    /// them at the very last moment moves along, as the edit that it is, and is a surprise too.
    pub fn exchange(
        &self,
        a: &RelPath,
        expect_a: &Print,
        b: &RelPath,
        expect_b: &Print,
    ) -> Result<(Print, Print), HandError> {
        refuse_into_itself(a, b)?;
        refuse_into_itself(b, a)?;
        let (at_a, at_b) = (self.place(a)?, self.place(b)?);
        let before_a = at_a.expect_identity(expect_a)?;
        let before_b = at_b.expect_identity(expect_b)?;
        let swapped = match self.can_exchange() {
            true => at_b.dir.exchange(&at_a.dir, at_a.name, at_b.name),
            false => Err(platform::unsupported()),
        };
        match swapped {
            Ok(()) => (),
            Err(error) if platform::is_unsupported(&error) => rotate(&at_a, &at_b)?,
            Err(error) => return Err(failed("exchange them")(error)),
        }
        let after_a = at_b.expect_moved(expect_a, &before_a)?;
        Ok((after_a, at_a.expect_moved(expect_b, &before_b)?))
    }
}

/// Exchanges by three renames, none of which takes a name that is in use.
fn rotate(at_a: &Place<'_>, at_b: &Place<'_>) -> Result<(), HandError> {
    let parked = format!("moving-{}", &random_name()[..8]);
    let parked = parked.as_bytes();
    let steps = || -> io::Result<()> {
        at_a.dir.rename_new(&at_a.dir, at_a.name, parked)?;
        if let Err(error) = at_a.dir.rename_new(&at_b.dir, at_b.name, at_a.name) {
            at_a.dir.rename_new(&at_a.dir, parked, at_a.name)?;
            return Err(error);
        }
        at_b.dir.rename_new(&at_a.dir, parked, at_b.name)
    };
    steps().map_err(failed("exchange them"))
}
