//! What the server and the client of Holdfast agree on: messages, frames, identity, trust and limits. It opens no
//! socket of its own accord and holds no decision about a folder; those are the heart's.

pub mod apart;
pub mod beneath;
mod bounded;
pub mod certificate;
pub mod check;
pub mod chunk;
pub mod codec;
pub mod entropy;
pub mod file;
pub mod fingerprint;
pub mod frames;
pub mod identity;
pub mod limits;
pub mod link;
pub mod list;
pub mod message;
pub mod offload;
pub mod sparse;
pub mod squeeze;
pub mod succession;
pub mod tls;
pub mod words;
