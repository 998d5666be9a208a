//! Setting the attributes of a file through its descriptor, never through its name.

use super::{ContentOf, HandError, Known, failed, surprise};
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

/// Changes who may execute a file, along with who may read it.
fn mode_with_exec(mode: u32, exec: bool, mode_exec: u32) -> u32 {
    let readers = (mode & 0o444) >> 2;
    match exec {
        // The owner's bit is the one that is synchronised; it is set even for a file that only others may read.
        true if mode & 0o100 == 0 => (mode & 0o777) | (readers & mode_exec) | 0o100,
        true => mode & 0o777,
        false => mode & 0o666,
    }
}

#[cfg(test)]
mod tests {
    use super::mode_with_exec;

    #[test]
    fn execute_bits_follow_the_read_bits_and_the_mask() {
        assert_eq!(mode_with_exec(0o644, true, 0o755), 0o755);
        assert_eq!(mode_with_exec(0o640, true, 0o755), 0o750);
        assert_eq!(mode_with_exec(0o644, true, 0o700), 0o744);
        assert_eq!(mode_with_exec(0o6755, true, 0o755), 0o755);
        assert_eq!(mode_with_exec(0o4755, false, 0o755), 0o644);
    }
}
