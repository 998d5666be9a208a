//! Keeping a copy of a file beside it: the one effect that makes new bytes out of old ones on this disk.

use super::{ContentOf, HandError, Known, failed, surprise};
use crate::disk::root::Root;
use crate::disk::sight::{Print, Sight};
use std::io::{self, Seek};
use sync_engine::RelPath;

impl Root {
    /// Copies the known file to a free name, with its mode (without set-user-id and set-group-id) and modification
    /// time. Where the disk can, the copy shares the bytes with the original until one of them is changed.
    ///
    /// # Errors
    /// A surprise when another file is there or its bytes have changed; [`HandError::Taken`] when the new name is.
    pub fn keep_copy(
        &self,
        path: &RelPath,
        known: &Known<'_>,
        to: &RelPath,
        content_of: &ContentOf<'_>,
    ) -> Result<Print, HandError> {
        let place = self.place(path)?;
        place.expect_file(known.print)?;
        let mut file = place.dir.open_file(place.name).map_err(failed("open the file"))?;
        let mut staged = self.stage()?;
        let mut copy = || -> io::Result<()> {
            if staged.file().share_bytes_of(&file).is_err() {
                staged.file().copy_from(&mut file)?;
            }
            staged.file().rewind()
        };
        copy().map_err(failed("copy the file"))?;
        let after = self.print_of(&file).map_err(failed("look at the file"))?;
        let content = content_of(staged.file()).map_err(failed("read the copy"))?;
        if !after.same_file_state(known.print) || content != *known.content {
            return Err(surprise(Sight::File(after)));
        }
        let sealed = staged.seal_with_mode(after.mode, after.mtime_ns)?;
        self.install(sealed, to)
    }
}
