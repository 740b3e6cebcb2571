//! Channels of one's own: names, keys, and how much may be posted.

use reqwest::Url;
use ssedge::feeds::channels::{
    HISTORY, KEEP_SECS, KEY_CHARS, KEYS, LEASE_SECS, NAME_CHARS, SEGMENT_CHARS, SEGMENTS,
};
use ssedge::feeds::{Feeds, Query};
use ssedge::limits::{
    END_REASON_CHARS, ENTRY_BYTES, POST_BYTES, POST_ENTRIES, SNAPSHOT_BYTES, SNAPSHOT_DATA,
};
use ssedge::log::EndReason;
use ssedge::settings::Variables;
use ssedge_tests::document::{check_texts, openapi};

use crate::check_words;

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    let feeds = Feeds::read(&Variables::new(&|_| None)).unwrap();
    let channels = feeds.named("channels").unwrap();
    check_texts("Segment", SEGMENT_CHARS, |text| channels.target(&[text]).is_ok());
    check_texts("Key", KEY_CHARS, |text| {
        let url = Url::parse_with_params("http://ssedge/", [("keys", text)]).unwrap();
        channels.reading(&Query::new(url.query())).is_ok()
    });
    check_texts("Reason", END_REASON_CHARS, |text| EndReason::new(text).is_ok());
}

#[test]
fn the_documents_have_the_bounds_of_the_code() {
    let document = openapi();
    let schemas = &document["components"]["schemas"];
    assert_eq!(document["components"]["parameters"]["keys"]["schema"]["maxItems"], KEYS);
    assert_eq!(schemas["Appended"]["properties"]["count"]["maximum"], POST_ENTRIES);
    assert_eq!(schemas["ChannelSnapshot"]["properties"]["entries"]["maxItems"], SNAPSHOT_DATA);
    let of_entry = format!("at most {ENTRY_BYTES} bytes");
    for what in
        [&schemas["AnyJson"]["description"], &schemas["PostedEvent"]["properties"]["data"]["description"]]
    {
        assert!(what.as_str().unwrap().to_lowercase().contains(&of_entry), "{what}");
    }
    let words = format!("1 to {SEGMENTS} segments with `/` between them");
    let name = &document["components"]["parameters"]["channelName"]["description"];
    assert!(name.as_str().unwrap().contains(&format!("{words}, at most {NAME_CHARS} characters")), "{name}");
    check_words(&[
        words,
        format!("a name has at most {NAME_CHARS} characters"),
        format!(
            "An entry has at most {ENTRY_BYTES} bytes, a request at most {POST_BYTES} bytes and {POST_ENTRIES} entries"
        ),
        format!("`history` ({} to {}, or `all`; by default 0)", HISTORY.start(), HISTORY.end()),
        format!("`keys` (at most {KEYS}, by default all)"),
        format!("`lease` ({} to {} seconds)", LEASE_SECS.start(), LEASE_SECS.end()),
        format!("`keep` ({KEEP_SECS} seconds to HISTORY_SECS)"),
        format!("{SNAPSHOT_DATA} entries and {SNAPSHOT_BYTES} bytes of data"),
        format!("`reason` (1 to {END_REASON_CHARS} of"),
    ]);
}
