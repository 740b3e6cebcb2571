//! The names of channels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::CHANNEL_NAME_CHARS;

/// A channel's name: what storage is keyed by and what grants speak of, such as `chat/lobby`.
///
/// Which names a feed has is the feed's to say. This type only keeps a name printable: segments of
/// `[A-Za-z0-9_.~-]` joined by `/`, at most [`CHANNEL_NAME_CHARS`] characters. So it never needs an escape, and no name is
/// that of something else in the same table, which has a space in it.
///
/// ```
/// use ssedge::log::ChannelName;
///
/// assert_eq!(ChannelName::new("chat/lobby")?.as_str(), "chat/lobby");
/// assert!(ChannelName::new("chat/").is_err());
/// # Ok::<(), ssedge::log::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

/// The text is not the name of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {CHANNEL_NAME_CHARS} of A-Z, a-z, 0-9, _, ., ~, - and /, with something before and after each /"
)]
pub struct InvalidName;

impl ChannelName {
    /// The channel of this name.
    ///
    /// # Errors
    /// [`InvalidName`] if the name is against its pattern.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.~-".contains(&b);
        let is_segment = |segment: &str| !segment.is_empty() && segment.bytes().all(plain);
        let fits = name.len() <= CHANNEL_NAME_CHARS && name.split('/').all(is_segment);
        fits.then(|| Self(name.to_owned())).ok_or(InvalidName)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChannelName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl TryFrom<String> for ChannelName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(&name)
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_segments_of_plain_characters() {
        for name in
            ["a", "stock", "chat/lobby", "channels/run/42", "a/b.c~d_e-F", &"a".repeat(CHANNEL_NAME_CHARS)]
        {
            assert_eq!(ChannelName::new(name).map(String::from).as_deref(), Ok(name));
        }
        for name in
            ["", "/", "a/", "/a", "a//b", "a b", "key a", "é", "a\n", &"a".repeat(CHANNEL_NAME_CHARS + 1)]
        {
            assert_eq!(ChannelName::new(name), Err(InvalidName), "{name:?}");
        }
    }
}
