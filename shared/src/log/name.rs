//! The names of channels.

use std::fmt;
use std::str::FromStr;

use crate::chat::{InvalidRoom, Room};

/// A channel's name: what storage is keyed by and grants speak of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChannelName {
    /// `events`: push notifications.
    Events,
    /// `stock`: published quotes.
    Stock,
    /// `chat/{room}`.
    Chat(Room),
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str("events"),
            Self::Stock => f.write_str("stock"),
            Self::Chat(room) => write!(f, "chat/{room}"),
        }
    }
}

impl FromStr for ChannelName {
    type Err = InvalidRoom;

    fn from_str(text: &str) -> Result<Self, InvalidRoom> {
        match text {
            "events" => Ok(Self::Events),
            "stock" => Ok(Self::Stock),
            _ => Room::new(text.strip_prefix("chat/").ok_or(InvalidRoom)?).map(Self::Chat),
        }
    }
}
