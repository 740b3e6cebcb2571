//! Who sends: the one that rates and bounds count for, and the keys by which a sender repeats itself safely.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::limits::IDEMPOTENCY_KEY_CHARS;

/// Bytes of a digest: with 128 bits nobody finds two texts of the same one by chance.
const DIGEST_BYTES: usize = 16;
/// Leading bits of an IPv6 address that count: a network is given at least a /64, and may use all of it.
const IPV6_PREFIX: u32 = 64;

/// Half a SHA-256 of a text, in hexadecimal: what storage holds in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// That of a text in parts.
    #[must_use]
    pub fn of<T: AsRef<str>>(parts: &[T]) -> Self {
        let mut hash = sha2::Sha256::new();
        for part in parts.iter().map(AsRef::as_ref) {
            // With its length before it no part can pretend to be two.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut digest = String::with_capacity(2 * DIGEST_BYTES);
        for byte in &hash.finalize()[..DIGEST_BYTES] {
            let _ = write!(digest, "{byte:02x}");
        }
        Self(digest)
    }

    /// One that storage gives back.
    #[must_use]
    pub const fn stored(digits: String) -> Self {
        Self(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A sender: the `sub` of a token, else the address that the platform saw. It holds only a digest of either.
///
/// ```
/// use ssedge::access::Sender;
///
/// let home = Sender::address(Some("2001:db8::1"));
/// assert_eq!(home, Sender::address(Some("2001:db8::ffff")));
/// assert_ne!(home, Sender::address(Some("2001:db8:0:1::1")));
/// assert_ne!(Sender::subject("192.0.2.1"), Sender::address(Some("192.0.2.1")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sender(Digest);

impl Sender {
    /// The holder of a token.
    #[must_use]
    pub fn subject(sub: &str) -> Self {
        Self(Digest::of(&["sub", sub]))
    }

    /// Somebody without one, by address; an IPv6 network counts as one sender. Where the platform tells no address,
    /// all are one.
    #[must_use]
    pub fn address(address: Option<&str>) -> Self {
        let network = match address.map(str::parse) {
            Some(Ok(IpAddr::V6(v6))) => match v6.to_ipv4_mapped() {
                Some(v4) => v4.to_string(),
                None => {
                    Ipv6Addr::from(u128::from(v6) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)).to_string()
                }
            },
            Some(Ok(IpAddr::V4(v4))) => v4.to_string(),
            _ => address.unwrap_or_default().to_owned(),
        };
        Self(Digest::of(&["address", &network]))
    }

    /// The digits of its digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What this sender means by the key.
    #[must_use]
    pub fn keyed(&self, key: &Key) -> Digest {
        Digest::of(&[self.as_str(), &key.0])
    }
}

/// An `Idempotency-Key`: 1 to 64 visible ASCII characters, by which a sender may post the same thing again and have it
/// stored once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// The text cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {IDEMPOTENCY_KEY_CHARS} visible ASCII characters")]
pub struct InvalidKey;

impl Key {
    /// The key of these bytes of a header.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let fits = (1..=IDEMPOTENCY_KEY_CHARS).contains(&bytes.len());
        let text =
            str::from_utf8(bytes).ok().filter(|text| fits && text.bytes().all(|b| b.is_ascii_graphic()));
        text.map(|text| Self(text.to_owned())).ok_or(InvalidKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        for good in ["a", "!~", "1e0c6a4e-0001", &"k".repeat(64)] {
            assert!(Key::new(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\t", "é", "a\u{7f}", "a\n", &"k".repeat(65)] {
            assert_eq!(Key::new(bad.as_bytes()), Err(InvalidKey), "{bad:?}");
        }
        assert_eq!(Key::new(&[0xff]), Err(InvalidKey));
    }

    #[test]
    fn a_digest_holds_nothing_of_its_text_and_keeps_parts_apart() {
        let sender = Sender::address(Some("192.0.2.77"));
        assert_eq!(sender.as_str().len(), 2 * DIGEST_BYTES);
        assert!(!format!("{sender:?}").contains("192.0.2.77"));
        assert_ne!(Digest::of(&["ab", "c"]), Digest::of(&["a", "bc"]));
    }

    #[test]
    fn an_address_is_one_sender_however_it_is_written() {
        let same = |one, other| assert_eq!(Sender::address(Some(one)), Sender::address(Some(other)));
        same("::ffff:192.0.2.1", "192.0.2.1");
        same("2001:DB8:0:0::1", "2001:db8::2");
        assert_ne!(Sender::address(Some("192.0.2.1")), Sender::address(Some("192.0.2.2")));
        assert_eq!(Sender::address(None), Sender::address(Some("")));
    }
}
