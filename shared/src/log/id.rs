//! Ids of entries, and the cursors that readers bring.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{ECHO_CHARS, ID_MAX};
use crate::sse::EventId;

/// The id of an entry, or the cursor of a reader: the id after which it wants to go on.
///
/// In one channel the ids are consecutive; in JSON an id is a string of decimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntryId(u64);

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a decimal number from 0 to {ID_MAX}")]
pub struct InvalidId;

impl EntryId {
    /// Before every entry: the cursor of a channel that is empty.
    pub const BEGINNING: Self = Self(0);

    /// The id of this number.
    ///
    /// # Errors
    /// [`InvalidId`] over [`ID_MAX`].
    pub const fn new(id: u64) -> Result<Self, InvalidId> {
        if id <= ID_MAX { Ok(Self(id)) } else { Err(InvalidId) }
    }

    /// The number, at most [`ID_MAX`].
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The id that follows, which stays at [`ID_MAX`].
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < ID_MAX { self.0 + 1 } else { ID_MAX })
    }

    /// The id `n` behind this one, at most [`ID_MAX`].
    #[must_use]
    pub const fn forward(self, n: u64) -> Self {
        let id = self.0.saturating_add(n);
        Self(if id < ID_MAX { id } else { ID_MAX })
    }

    /// The id `n` before this one, which stays at [`Self::BEGINNING`].
    #[must_use]
    pub const fn back(self, n: u64) -> Self {
        Self(self.0.saturating_sub(n))
    }
}

impl std::str::FromStr for EntryId {
    type Err = InvalidId;

    /// Takes the digits as they are written by `Display`: no sign, no space, no leading zero.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        canonical.then(|| text.parse().ok()).flatten().ok_or(InvalidId).and_then(Self::new)
    }
}

impl TryFrom<String> for EntryId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.0.to_string()
    }
}

impl From<EntryId> for EventId {
    fn from(id: EntryId) -> Self {
        Self::from(id.0)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cursor as a reader brought it, which may be anything: a bad one is a gap, never a refusal, because
/// `EventSource` gives up for good on a 4xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Requested(String);

impl Requested {
    /// Takes what came, cut to [`ECHO_CHARS`]; a longer text cannot be an id.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().take(ECHO_CHARS).collect())
    }

    /// What came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EntryId> for Requested {
    fn from(id: EntryId) -> Self {
        Self(id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for text in ["0", "1", "42", "9007199254740991"] {
            assert_eq!(text.parse::<EntryId>().unwrap().to_string(), text);
        }
        for text in ["", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "0x1", "9007199254740992", "١"] {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn a_requested_cursor_is_cut_by_characters() {
        let long = "é".repeat(ECHO_CHARS + 1);
        assert_eq!(Requested::new(&long).as_str().chars().count(), ECHO_CHARS);
    }
}
