//! What is special to one feed of the table, a file per feed: its parts of the documents against its own code.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

mod channels;
mod chat;
mod events;
mod stock;

use std::fs;

use ssedge_tests::host::root;

/// docs/api.md must say each of these.
#[track_caller]
fn check_words(words: &[String]) {
    let api = fs::read_to_string(root().join("docs/api.md")).unwrap();
    for words in words {
        assert!(api.contains(words), "docs/api.md does not say {words:?}");
    }
}
