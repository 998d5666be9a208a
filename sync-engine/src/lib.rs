//! The heart of Holdfast: what a synchronised folder is, and every decision about it. It holds values and pure
//! functions only: no files, sockets, clocks, dice or threads, so that a whole fleet of devices can run inside one
//! deterministic test. Time, random numbers and identity arrive as arguments.
#![no_std]

extern crate alloc;

pub mod admit;
pub mod advance;
pub mod backoff;
pub mod chain;
pub mod change;
pub mod generations;
pub mod id;
pub mod name;
pub mod node;
pub mod observe;
pub mod packed;
pub mod parts;
pub mod past;
pub mod plan;
pub mod planted;
pub mod rejection;
pub mod session;
pub mod time;
pub mod trail;
pub mod tree;
pub mod trees;

pub use admit::{Effects, View, admit};
pub use advance::{AdvanceError, Delta, Origin, accept, complete, record};
pub use chain::{CHAIN_START, Cursor, chain_next};
pub use change::{Change, Entry, Guard, MoveTo, Rejection};
pub use generations::{Generation, Generations};
pub use id::{DeviceId, Epoch, Hash, NodeId, Version};
pub use name::{Name, NameError, RelPath};
pub use node::{ConflictMark, Content, FileState, Kind, Node, Target, TargetError};
pub use packed::PackedMap;
pub use parts::{Parts, PartsError};
pub use plan::{
    Brake, Folding, MoveCause, NameRules, Place, Plan, Policy, Record, Remark, Removals, Step, plan,
};
pub use planted::{Bug, planted};
pub use rejection::{Reaction, react};
pub use session::Session;
pub use trail::{Point, Trail};
pub use tree::{Tree, TreeError};
pub use trees::{Base, Block, Sides, Trees};
