//! Quotes as they are published, computed and sent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Change, Price, Symbol, change_at, price_at};
use crate::json::{self, InvalidBody};
use crate::log::{Draft, Text};
use crate::sse::Event;
use crate::time::UnixMillis;

#[derive(Deserialize)]
struct Body {
    symbol: Option<Box<RawValue>>,
    price: Option<Box<RawValue>>,
}

/// What readers see of a quote, in the stream and in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote<'a> {
    symbol: &'a Symbol,
    price: Price,
    change: Change,
    time: UnixMillis,
    #[serde(skip_serializing_if = "is_zero")]
    skipped: u64,
}

const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Reads the body of a POST: `{"symbol":"ACME","price":189.34}`; the symbol must be one of `listed`. What becomes of it is
/// `{"symbol":"ACME","price":189.34,"change":-0.12,"time":"…"}`, where the change is that from the quote before, 0 if none
/// is kept.
///
/// # Errors
/// [`InvalidBody`] if it is not a JSON object or a field is against its rule.
pub(super) fn draft(listed: &[Symbol], body: &[u8]) -> Result<Draft, InvalidBody> {
    let body: Body = json::object(body)?;
    let symbol = json::string("symbol", body.symbol.as_deref())?;
    // Raw, as `json::string` has it.
    let price = match body.price.as_deref().map(RawValue::get) {
        Some(number) if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            Price::parse_decimal(number).map_err(InvalidBody::field("price"))?
        }
        _ => return Err(InvalidBody::field("price")("must be a number such as 189.34")),
    };
    let symbol = listed_symbol(listed, &symbol).map_err(InvalidBody::field("symbol"))?;
    let quote = Text::object().field("symbol", &symbol).field("price", &price).change("change").time("time");
    Ok(Draft::new(quote).with_key(symbol.as_str()).with_value(price.cents()))
}

/// The symbol of this name, if it is listed.
///
/// # Errors
/// A sentence that names those that are.
pub fn listed_symbol(listed: &[Symbol], name: &str) -> Result<Symbol, String> {
    listed.iter().find(|symbol| symbol.as_str() == name).cloned().ok_or_else(|| {
        let names: Vec<_> = listed.iter().map(Symbol::as_str).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// The simulated quote of one symbol.
#[must_use]
pub fn quote_at(symbol: &Symbol, tick: UnixMillis, skipped: u64) -> Quote<'_> {
    Quote { symbol, price: price_at(symbol, tick), change: change_at(symbol, tick), time: tick, skipped }
}

/// One tick of the simulated market: a block per symbol, of which the last carries the tick's time as its id, so
/// that a tick counts as seen only when all of it was.
#[must_use]
pub fn market_tick(symbols: &[Symbol], tick: UnixMillis, skipped: u64) -> Bytes {
    let mut out = Vec::new();
    for (at, symbol) in symbols.iter().enumerate() {
        let event = Event::new().json(&json::line(&quote_at(symbol, tick, skipped)));
        let last = at + 1 == symbols.len();
        if last { event.id(tick.0.into()) } else { event }.encode(&mut out);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;

    fn listed() -> Vec<Symbol> {
        ["ACME", "GLBX"].map(|s| Symbol::new(s).unwrap()).into()
    }

    #[track_caller]
    fn check(body: &str, expected: Result<&str, &str>) {
        let got = draft(&listed(), body.as_bytes())
            .map(|draft| draft.entry(EntryId::BEGINNING, UnixMillis(0), Some(18_946)).body)
            .map_err(|e| e.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{body}");
    }

    #[test]
    fn a_published_quote_changes_from_the_one_before() {
        check(
            r#"{"symbol":"ACME","price":189.34}"#,
            Ok(r#"{"symbol":"ACME","price":189.34,"change":-0.12,"time":"1970-01-01T00:00:00.000Z"}"#),
        );
    }

    #[test]
    fn names_the_field_and_the_rule() {
        check(r#"{"symbol":"XXX","price":1}"#, Err("symbol: must be one of ACME, GLBX"));
        check(r#"{"symbol":"ACME","price":"1"}"#, Err("price: must be a number such as 189.34"));
        check(r#"{"symbol":"ACME","price":0.001}"#, Err("price: a price has at most 2 decimals"));
        check(r#"{"symbol":"ACME"}"#, Err("price: must be a number such as 189.34"));
        check(
            r#"{"symbol":"ACME","price":{"$serde_json::private::Number":"1"}}"#,
            Err("price: must be a number such as 189.34"),
        );
    }

    #[test]
    fn only_the_last_quote_of_a_tick_carries_the_id() {
        let tick = market_tick(&listed(), UnixMillis(1_795_341_600_000), 3);
        let text = std::str::from_utf8(&tick).unwrap();
        let blocks: Vec<_> = text.split_terminator("\n\n").collect();
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].starts_with("data: {\"symbol\":\"ACME\","), "{text}");
        assert!(blocks[1].starts_with("id: 1795341600000\ndata: {\"symbol\":\"GLBX\","), "{text}");
        assert!(blocks.iter().all(|block| block.ends_with(",\"skipped\":3}")), "{text}");
    }
}
