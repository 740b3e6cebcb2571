//! Events: topics.

use ssedge::feeds::events::{HISTORY, TOPIC_CHARS, TOPICS, Topic};
use ssedge::limits::{INTERVAL_DEFAULT_MS, INTERVAL_MS, SNAPSHOT_ENTRIES};
use ssedge_tests::document::{check_texts, openapi};

use crate::check_words;

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    check_texts("Topic", TOPIC_CHARS, |text| Topic::new(text).is_ok());
}

#[test]
fn the_documents_have_the_bounds_of_the_code() {
    let document = openapi();
    assert_eq!(document["components"]["parameters"]["topics"]["schema"]["maxItems"], TOPICS);
    let notifications = &document["components"]["schemas"]["EventsSnapshot"]["properties"]["notifications"];
    assert_eq!(notifications["maxItems"], SNAPSHOT_ENTRIES);
    let (low, high) = (INTERVAL_MS.start(), INTERVAL_MS.end());
    check_words(&[
        format!("`topics` (at most {TOPICS}, by default all)"),
        format!("`tick` ({low} to {high} ms, or `off`; by default {INTERVAL_DEFAULT_MS})"),
        format!("`history` ({} to {}, by default 0)", HISTORY.start(), HISTORY.end()),
        format!("A name is 1 to {TOPIC_CHARS} of"),
    ]);
}
