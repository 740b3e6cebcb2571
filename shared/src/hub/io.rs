//! What a hub says.

use crate::log::{Batch, EntryId, Page};

/// The place of a stream in a hub. It is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub(super) u64);

/// What a hub says to a stream that asks for its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<F> {
    /// What the channel would have said. The stream is live now.
    Page(Page<F>),
    /// Only the channel knows. Ask it for a page; if there is nothing more behind it, [`Hub::join`](super::Hub::join).
    Ask,
    /// The stream is the owner: open a connection from there, or from anywhere if there is none, and ask again.
    Open(Option<EntryId>),
    /// Another stream opens a connection: ask again when [`Hub::opened`](super::Hub::opened) says so.
    Wait,
}

/// What is to be done after something has happened to a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<F, M> {
    /// The stream gets this, in the order of its channel.
    Entries(M, Batch<F>),
    /// The stream waited for the hub: it may ask again.
    AskAgain(M),
    /// The stream has lost its channel.
    Lost(M),
}

/// The hub does not reach back so far: the stream must ask the channel again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskAgain;
