//! Setting the attributes of a file through its descriptor, never through its name.

use super::{ContentOf, HandError, Known, failed, surprise};
use crate::disk::bits::mode_with_exec;
use crate::disk::root::Root;
use crate::disk::sight::{Print, Sight};
use crate::disk::volume::File;
use sync_engine::RelPath;

impl Root {
    /// Sets the execute bits (where the matching read bits are, without what the user's mask takes away) and the
    /// modification time of the known file. Set-user-id and set-group-id go.
    ///
    /// A write at the same moment would be hidden under the new time stamp; so the bytes are read again afterwards.
    ///
    /// # Errors
    /// A surprise when another file is there or its bytes have changed; the change is then seen by the next look, since
    /// the print has changed too.
    pub fn set_attributes(
        &self,
        path: &RelPath,
        known: &Known<'_>,
        exec: bool,
        mtime_ns: i64,
        content_of: &ContentOf<'_>,
    ) -> Result<Print, HandError> {
        let place = self.place(path)?;
        place.expect_file(known.print)?;
        let mut file = place
            .dir
            .open_to_set_attributes(place.name)
            .map_err(failed("open the file"))?;
        let look = |file: &File| self.print_of(file).map_err(failed("look at the file"));
        let opened = look(&file)?;
        if !opened.same_file_state(known.print) {
            return Err(surprise(Sight::File(opened)));
        }
        let mode = mode_with_exec(opened.mode, exec, self.private()?.mode_exec);
        if mode != opened.mode {
            file.set_mode(mode).map_err(failed("set the mode"))?;
        }
        if mtime_ns != opened.mtime_ns {
            file.set_mtime(mtime_ns).map_err(failed("set the time"))?;
        }
        let set = look(&file)?;
        let content = content_of(&mut file).map_err(failed("read the file again"))?;
        let read = look(&file)?;
        if content == *known.content && read.same_file_state(&set) {
            return Ok(read);
        }
        Err(surprise(Sight::File(read)))
    }
}
