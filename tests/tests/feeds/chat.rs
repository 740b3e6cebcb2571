//! Chat: names of rooms and users, and texts.

use ssedge::feeds::chat::{HISTORY, HISTORY_DEFAULT, ROOM_CHARS, Room, TEXT_CHARS, Text, USER_CHARS, User};
use ssedge::limits::SNAPSHOT_ENTRIES;
use ssedge_tests::document::{check_texts, openapi};

use crate::check_words;

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    check_texts("User", USER_CHARS, |text| User::new(text).is_ok());
    check_texts("Text", TEXT_CHARS, |text| Text::new(text).is_ok());
    check_texts("Room", ROOM_CHARS, |text| Room::new(text).is_ok());
}

#[test]
fn the_documents_have_the_bounds_of_the_code() {
    let document = openapi();
    let messages = &document["components"]["schemas"]["ChatSnapshot"]["properties"]["messages"];
    assert_eq!(messages["maxItems"], SNAPSHOT_ENTRIES);
    check_words(&[
        format!("matches `[a-z0-9][a-z0-9_-]{{0,{}}}`", ROOM_CHARS - 1),
        format!("a text has 1 to {TEXT_CHARS} characters and a user 1 to {USER_CHARS}"),
        format!("`history` ({} to {}, by default {HISTORY_DEFAULT})", HISTORY.start(), HISTORY.end()),
    ]);
}
