//! Connections to the server: one for control, which is kept up for ever, and one for bulk data, which is made when it
//! is needed. Nothing here knows what a folder is.

pub mod bulk;
pub mod connect;
pub mod control;
pub mod heard;
pub mod line;
mod trouble;
pub mod vouch;

pub use bulk::{Bulk, BulkError};
pub use connect::{ConnectError, Dial, Dialled, Endpoint, Introduction, Stream, TlsDial, connect};
pub use control::{Control, ControlEvent, Presence};
pub use line::Line;
pub use vouch::{ServerKey, Voucher};
