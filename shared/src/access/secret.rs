//! The keys that tokens are signed with.

use std::fmt;

use crate::limits::AUTH_SECRET_BYTES;

/// A key of tokens. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The key is too short to be safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {AUTH_SECRET_BYTES} bytes")]
pub struct InvalidSecret;

impl Secret {
    /// The key of this text.
    ///
    /// # Errors
    /// [`InvalidSecret`] below [`AUTH_SECRET_BYTES`].
    pub fn new(key: String) -> Result<Self, InvalidSecret> {
        if key.len() < AUTH_SECRET_BYTES { Err(InvalidSecret) } else { Ok(Self(key)) }
    }

    /// The key: the bytes of the text.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
