//! The chat feed: rooms, and what may be said in them.

use std::fmt;
use std::ops::RangeInclusive;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Drafts, Endpoint, Feed, Posted, Query, Reading, Target};
use crate::json::{self, InvalidBody};
use crate::log::{self, ChannelName, Draft, EntryId, Filter};
use crate::problem::Problem;
use crate::settings::{BadSetting, Variables};

/// Characters of a room's name.
pub const ROOM_CHARS: usize = 64;
/// Characters of a user's name, after trimming.
pub const USER_CHARS: usize = 40;
/// Characters of a message, after trimming.
pub const TEXT_CHARS: usize = 2_000;
/// Messages that a reader may ask for on its first connect.
pub const HISTORY: RangeInclusive<u32> = 0..=200;
/// Messages that a reader is sent on its first connect if it does not say.
pub const HISTORY_DEFAULT: u32 = 20;

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
    /// [`InvalidRoom`] if the name is against its pattern.
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

/// The feed.
#[derive(Clone, Copy, Debug)]
pub struct Chat;

/// The feed, which has no settings of its own.
///
/// # Errors
/// None.
pub fn feed(_: &Variables) -> Result<Box<dyn Feed>, BadSetting> {
    Ok(Box::new(Chat))
}

#[derive(Deserialize)]
struct Body {
    user: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
}

impl Feed for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            (Method::GET, "/api/chat", "stream of the room `lobby`"),
            (Method::POST, "/api/chat", "say something in `lobby`"),
            (Method::GET, "/api/chat/{room}", "stream of a room"),
            (Method::POST, "/api/chat/{room}", "say something in a room"),
            (Method::GET, "/api/chat/{room}/messages/{id}", "one message"),
        ]
    }

    fn anonymous(&self) -> &'static str {
        "subscribe chat/*, publish chat/*"
    }

    fn target(&self, rest: &[&str]) -> Result<Target, Problem> {
        let room = |name| Room::new(name).map_err(Problem::invalid("room"));
        match rest {
            [] => channel(&Room::default()).map(Target::Channel),
            [name] => channel(&room(name)?).map(Target::Channel),
            [name, "messages", id] => {
                let id = id.parse().map_err(|_| Problem::NotFound("no such message"))?;
                let missing = "no such message, or it is no longer kept";
                Ok(Target::Entry { channel: channel(&room(name)?)?, id, missing })
            }
            _ => Err(Problem::NotFound("no such path")),
        }
    }

    fn reading(&self, query: &Query) -> Result<Reading, Problem> {
        Ok(Reading::entries(Filter::ALL, query.number("history", &HISTORY, HISTORY_DEFAULT)?))
    }

    fn is_open_to_anonymous(&self) -> bool {
        true
    }

    /// Reads `{"user":"ada","text":"hi"}`. The holder of a token speaks in its own name, and may leave the user out.
    fn post(&self, channel: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem> {
        let not_yours = |rule: String| Problem::OtherName { field: "user", rule };
        let no_name = |e| not_yours(format!("the sub of the token is no name for a chat: it {e}"));
        let speaker = posted.sub.map(User::new).transpose().map_err(no_name)?;
        let body: Body = json::object(posted.body)?;
        let user = match (&body.user, &speaker) {
            (None, Some(speaker)) => speaker.clone(),
            (user, _) => {
                let user = json::string("user", user.as_deref())?;
                User::new(&user).map_err(InvalidBody::field("user"))?
            }
        };
        let text = json::string("text", body.text.as_deref())?;
        let text = Text::new(&text).map_err(InvalidBody::field("text"))?;
        if speaker.is_some_and(|speaker| speaker != user) {
            return Err(not_yours("must be the sub of the token, or left out".into()));
        }
        let message = log::Text::object().id("id").field("room", room_of(channel));
        Ok(Draft::new(message.field("user", &user).field("text", &text).time("time")).into())
    }

    fn list(&self) -> &'static str {
        "messages"
    }

    fn location(&self, channel: &ChannelName, id: EntryId) -> Option<String> {
        Some(format!("/api/chat/{}/messages/{id}", room_of(channel)))
    }
}

fn channel(room: &Room) -> Result<ChannelName, Problem> {
    ChannelName::new(&format!("chat/{room}")).map_err(Problem::invalid("room"))
}

fn room_of(channel: &ChannelName) -> &str {
    channel.as_str().strip_prefix("chat/").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;

    fn draft(body: &str) -> Result<Draft, Problem> {
        let drafts =
            Drafts::of_json(&Chat, &channel(&Room::default()).unwrap(), body.as_bytes(), None)?.drafts;
        Ok(drafts.into_iter().next().unwrap())
    }

    #[track_caller]
    fn check(body: &str, expected: Result<(), &str>) {
        let got = draft(body);
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
        let draft = draft(r#"{"user":"ada","text":"a\nb\u2028c\ufeff"}"#).unwrap();
        let line = draft.entry(EntryId::new(42).unwrap(), UnixMillis(1_795_341_600_000), None).body;
        assert_eq!(
            line,
            "{\"id\":\"42\",\"room\":\"lobby\",\"user\":\"ada\",\"text\":\"a\\nb\u{2028}c\u{feff}\",\
             \"time\":\"2026-11-22T10:00:00.000Z\"}"
        );
    }
}
