//! The end of a channel: after it nothing is appended, and no stream goes on.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::EntryId;
use crate::limits::END_REASON_CHARS;

/// Why a channel has ended: `[a-z0-9_-]{1,32}`.
///
/// ```
/// use ssedge::log::EndReason;
///
/// assert_eq!(EndReason::new("done"), Ok(EndReason::DONE));
/// assert!(EndReason::new("Done!").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndReason(Cow<'static, str>);

/// The text is not a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {END_REASON_CHARS} of a-z, 0-9, _ and -")]
pub struct InvalidReason;

impl EndReason {
    /// Its writer has written all. What a close means that gives no reason.
    pub const DONE: Self = Self(Cow::Borrowed("done"));
    /// Its writer let the lease run out.
    pub const ABANDONED: Self = Self(Cow::Borrowed("abandoned"));
    /// The body that was to close it broke off.
    pub const BROKEN: Self = Self(Cow::Borrowed("broken"));
    /// All of it was deleted.
    pub const DELETED: Self = Self(Cow::Borrowed("deleted"));

    /// The reason of this name.
    ///
    /// # Errors
    /// [`InvalidReason`] if the name is against its pattern.
    pub fn new(name: &str) -> Result<Self, InvalidReason> {
        Self::try_from(name.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EndReason {
    type Error = InvalidReason;

    fn try_from(name: String) -> Result<Self, InvalidReason> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let fits = (1..=END_REASON_CHARS).contains(&name.len()) && name.bytes().all(plain);
        fits.then(|| Self(name.into())).ok_or(InvalidReason)
    }
}

impl From<EndReason> for String {
    fn from(reason: EndReason) -> Self {
        reason.0.into_owned()
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The end, as a reader is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// The last entry before it.
    pub last: EntryId,
}
