//! Stock: symbols and prices.

use ssedge::feeds::stock::{MAX_PRICE_CENTS, MAX_SYMBOL_LEN, Price, SYMBOLS, Symbol, TICKS};
use ssedge::feeds::{Drafts, Feeds};
use ssedge::limits::{INTERVAL_DEFAULT_MS, INTERVAL_MS};
use ssedge::log::ChannelName;
use ssedge::route::openapi::DOCUMENT;
use ssedge::settings::Variables;
use ssedge_tests::document::{Document, check_texts, openapi};

use crate::check_words;

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    check_texts("Symbol", MAX_SYMBOL_LEN, |text| Symbol::new(text).is_ok());
}

#[test]
fn the_documents_have_the_bounds_of_the_code() {
    let document = openapi();
    assert_eq!(document["components"]["parameters"]["symbols"]["schema"]["maxItems"], SYMBOLS);
    let price = &document["components"]["schemas"]["Price"];
    let [least, most] = [1, MAX_PRICE_CENTS].map(|cents| Price::from_cents(cents).unwrap().to_string());
    assert_eq!((price["minimum"].to_string(), price["maximum"].to_string()), (least, most));
    assert!(DOCUMENT.contains(&format!("more than {TICKS} ticks")));
    let (low, high) = (INTERVAL_MS.start(), INTERVAL_MS.end());
    check_words(&[
        format!("`interval` ({low} to {high} ms, by default {INTERVAL_DEFAULT_MS})"),
        format!("`history` (0 to {TICKS} ticks, by default 0)"),
        format!("more than {TICKS} ticks old"),
    ]);
}

#[test]
fn a_schema_takes_the_prices_that_the_code_takes() {
    let feeds = Feeds::read(&Variables::new(&|_| None)).unwrap();
    let (stock, channel) = (feeds.named("stock").unwrap(), ChannelName::new("stock").unwrap());
    let mut document = Document::openapi();
    let most = Price::from_cents(MAX_PRICE_CENTS).unwrap().to_string();
    for price in
        ["0", "0.00", "0.009", "0.01", "1", "1.5", "189.34", &most, "10000000000000", "-1", "\"1\"", "null"]
    {
        let body = format!(r#"{{"symbol":"ACME","price":{price}}}"#);
        let by_schema =
            document.validate("/components/schemas/QuoteDraft", &serde_json::from_str(&body).unwrap());
        let by_code = Drafts::of_json(stock, &channel, body.as_bytes(), None);
        assert_eq!(by_schema.is_ok(), by_code.is_ok(), "{body}: {by_schema:?}");
    }
}
