//! The chat feed: rooms, and what may be said in them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::{self, InvalidBody};
use crate::limits::{ROOM_CHARS, TEXT_CHARS, USER_CHARS};
use crate::log::{self, Draft};

/// The room of a URL that names none.
pub const LOBBY: &str = "lobby";

/// A room's name: `[a-z0-9][a-z0-9_-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Room(String);

/// The text is not a room's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {ROOM_CHARS} of a-z, 0-9, _ and -, the first a letter or digit")]
pub struct InvalidRoom;

impl Room {
    /// The room of this name.
    ///
    /// # Errors
    /// [`InvalidRoom`] where the name is against its pattern.
    pub fn new(name: &str) -> Result<Self, InvalidRoom> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let begins = name.bytes().next().is_some_and(plain);
        let goes_on = name.bytes().all(|b| plain(b) || b == b'_' || b == b'-');
        (begins && goes_on && name.len() <= ROOM_CHARS).then(|| Self(name.to_owned())).ok_or(InvalidRoom)
    }
}

impl TryFrom<String> for Room {
    type Error = InvalidRoom;

    fn try_from(name: String) -> Result<Self, InvalidRoom> {
        Self::new(&name)
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(LOBBY.to_owned())
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who speaks: 1 to [`USER_CHARS`] characters after trimming, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct User(String);

/// What is said: 1 to [`TEXT_CHARS`] characters after trimming, no control characters but `\n` and `\t`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Text(String);

/// Why a name or a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Too short or too long.
    #[error("must be 1 to {max} characters after trimming, not {got}")]
    Length {
        /// The longest that is allowed.
        max: usize,
        /// What came.
        got: usize,
    },
    /// It holds a control character, at this place.
    #[error("must not have control characters, but character {at} is U+{code:04X}")]
    Control {
        /// From 1, after trimming.
        at: usize,
        /// The character.
        code: u32,
    },
}

fn checked(text: &str, max: usize, allowed: &[char]) -> Result<String, InvalidText> {
    let text = text.trim();
    let got = text.chars().count();
    if got == 0 || got > max {
        return Err(InvalidText::Length { max, got });
    }
    match text.chars().enumerate().find(|(_, c)| c.is_control() && !allowed.contains(c)) {
        Some((at, c)) => Err(InvalidText::Control { at: at + 1, code: c.into() }),
        None => Ok(text.to_owned()),
    }
}

impl User {
    /// The trimmed name.
    ///
    /// # Errors
    /// [`InvalidText`] against the length or with a control character.
    pub fn new(name: &str) -> Result<Self, InvalidText> {
        checked(name, USER_CHARS, &[]).map(Self)
    }
}

impl Text {
    /// The trimmed text.
    ///
    /// # Errors
    /// [`InvalidText`] against the length or with a control character other than `\n` and `\t`.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        checked(text, TEXT_CHARS, &['\n', '\t']).map(Self)
    }
}

impl TryFrom<String> for User {
    type Error = InvalidText;

    fn try_from(name: String) -> Result<Self, InvalidText> {
        Self::new(&name)
    }
}

impl TryFrom<String> for Text {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        Self::new(&text)
    }
}

/// A message before its room gave it an id and a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatDraft {
    /// The room.
    pub room: Room,
    /// Who speaks.
    pub user: User,
    /// What is said.
    pub text: Text,
}

#[derive(Deserialize)]
struct Body {
    user: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
}

impl ChatDraft {
    /// Reads the body of a POST: `{"user":"ada","text":"hi"}`, where the user may be left out if there is a `speaker`.
    ///
    /// # Errors
    /// [`InvalidBody`] where it is no JSON object or a field is against its rule.
    pub fn parse(room: Room, body: &[u8], speaker: Option<User>) -> Result<Self, InvalidBody> {
        let body: Body = json::object(body)?;
        let user = match (&body.user, speaker) {
            (None, Some(speaker)) => speaker,
            (user, _) => {
                let user = json::string("user", user.as_deref())?;
                User::new(&user).map_err(InvalidBody::field("user"))?
            }
        };
        let text = json::string("text", body.text.as_deref())?;
        Ok(Self { room, user, text: Text::new(&text).map_err(InvalidBody::field("text"))? })
    }

    /// The message: `{"id":"42","room":"lobby","user":"ada","text":"hi","time":"…"}`.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let Self { room, user, text } = self;
        let message = log::Text::object().id("id").field("room", room);
        Draft::new(message.field("user", user).field("text", text).time("time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;
    use crate::time::UnixMillis;

    #[track_caller]
    fn check(body: &str, expected: Result<(), &str>) {
        let got = ChatDraft::parse(Room::default(), body.as_bytes(), None);
        assert_eq!(
            got.map(|_| ()).map_err(|e| e.to_string()).as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{body}"
        );
    }

    #[test]
    fn names_the_field_the_rule_and_the_limit() {
        check(r#"{"user":"ada","text":"hi"}"#, Ok(()));
        check(r#"{"user":" ada ","text":"a\n\tb"}"#, Ok(()));
        check(r#"{"user":"ada"}"#, Err("text: is missing; it must be a string"));
        check(r#"{"user":1,"text":"hi"}"#, Err("user: must be a string"));
        check(r#"{"user":null,"text":"hi"}"#, Err("user: is missing; it must be a string"));
        check(r#"{"user":"ada","text":"\udc00"}"#, Err("text: must not have half a surrogate pair"));
        for key in ["RawValue", "Number"] {
            let own = format!(r#"{{"$serde_json::private::{key}":"\"1\""}}"#);
            check(&format!(r#"{{"user":{own},"text":"hi"}}"#), Err("user: must be a string"));
            check(&format!(r#"{{"user":"ada","text":{own}}}"#), Err("text: must be a string"));
        }
        check(r#"{"user":"  ","text":"hi"}"#, Err("user: must be 1 to 40 characters after trimming, not 0"));
        check(
            r#"{"user":"a\u0000b","text":"hi"}"#,
            Err("user: must not have control characters, but character 2 is U+0000"),
        );
        check(
            r#"{"user":"ada","text":"a\r\nb"}"#,
            Err("text: must not have control characters, but character 2 is U+000D"),
        );
        check(
            r#"{"user":"ada","text":"a\u0085b"}"#,
            Err("text: must not have control characters, but character 2 is U+0085"),
        );
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert!(Text::new(&"😀".repeat(TEXT_CHARS)).is_ok());
        assert_eq!(
            Text::new(&"😀".repeat(TEXT_CHARS + 1)),
            Err(InvalidText::Length { max: TEXT_CHARS, got: TEXT_CHARS + 1 })
        );
        assert!(User::new(&"é".repeat(USER_CHARS)).is_ok());
        assert!(User::new(&"é".repeat(USER_CHARS + 1)).is_err());
    }

    #[test]
    fn rooms_keep_to_their_pattern() {
        for name in ["a", "0", "lobby", "a_b-c", &"a".repeat(ROOM_CHARS)] {
            assert!(Room::new(name).is_ok(), "{name}");
        }
        for name in ["", "_a", "-a", "A", "a b", "a/b", "a.b", "é", "..", &"a".repeat(ROOM_CHARS + 1)] {
            assert!(Room::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_it_says() {
        let draft =
            ChatDraft::parse(Room::default(), br#"{"user":"ada","text":"a\nb\u2028c\ufeff"}"#, None).unwrap();
        let line = draft.draft().entry(EntryId::new(42).unwrap(), UnixMillis(1_795_341_600_000), None).body;
        assert_eq!(
            line,
            "{\"id\":\"42\",\"room\":\"lobby\",\"user\":\"ada\",\"text\":\"a\\nb\u{2028}c\u{feff}\",\
             \"time\":\"2026-11-22T10:00:00.000Z\"}"
        );
    }
}
