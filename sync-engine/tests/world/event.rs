//! Things that happen in a world, one at a time, in any order.

/// Something that happens on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The user does something, which the numbers choose.
    User(u8, u8, u8, u8),
    /// The disk is looked at.
    Scan,
    /// A plan is made and begun.
    Plan,
    /// A step is taken.
    Step(u8),
    /// The server reads a commit.
    Send,
    /// A message of the server's is read.
    Read,
    /// The program is killed and started again.
    Crash,
    /// The device forgets what it knew of the server and of what both agreed on, and joins anew.
    Rejoin,
    /// The server is put back to what it was after half of its entries, and all devices join anew.
    PutBack,
    /// All of the above but the user's part, until this device has nothing to do.
    Sync,
}
