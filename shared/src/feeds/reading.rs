//! What a request wants of a feed.

use std::sync::Arc;
use std::time::Duration;

use crate::log::{ChannelName, EntryId, Filter};
use crate::session::{Dialect, Ticks, WhenSlow};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A channel: its stream, its snapshot, and where to post.
    Channel(ChannelName),
    /// One entry of a channel.
    Entry {
        /// The channel.
        channel: ChannelName,
        /// Which one.
        id: EntryId,
        /// What a client is told if there is no such entry, or if it is no longer kept.
        missing: &'static str,
    },
}

/// What a reader of a channel wants.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Which entries of the log; `None` if the feed has no log, as the deployment is set.
    pub filter: Option<Filter>,
    /// What comes by the clock.
    pub ticks: Option<Tick>,
    /// So many of the newest come first if the reader brings no cursor: entries, or ticks if there is no log.
    pub history: u32,
    /// What happens to a reader that is too slow. Of a feed whose slow readers get the newest of each key, a snapshot is
    /// that, too.
    pub when_slow: WhenSlow,
    /// A reader without a cursor gets only the newest entry of each key, and one that is too slow does, too.
    pub newest: bool,
    /// How the stream speaks.
    pub dialect: Dialect,
    /// There is a stream only if the channel has entries and has not ended.
    pub only_open: bool,
}

/// What comes by the clock, and how often.
#[derive(Clone, Debug)]
pub struct Tick {
    /// The time between two ticks.
    pub interval: Duration,
    /// What is sent.
    pub ticks: Arc<dyn Ticks>,
    /// How many ticks back a cursor may be, for a feed without a log.
    pub kept: u32,
}

impl Reading {
    /// The entries that a filter admits, for readers that are ended when they are too slow.
    #[must_use]
    pub const fn entries(filter: Filter, history: u32) -> Self {
        Self {
            filter: Some(filter),
            ticks: None,
            history,
            when_slow: WhenSlow::End,
            newest: false,
            dialect: Dialect::Plain,
            only_open: false,
        }
    }
}
