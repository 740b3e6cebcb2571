//! The market gives the same bits in a native build and in a wasm build: this one source is compiled as both. `tests/`
//! calls it natively, `run.mjs` in wasm.

use ssedge::feeds::stock::{Symbol, price_at};
use ssedge::time::UnixMillis;

/// Quotes as `symbol,unix_ms,cents`. After a deliberate change of the market, `write_quotes` writes it anew.
const QUOTES: &str = include_str!("../../fixtures/market.csv");

/// Computes every quote of the fixture, and answers how many there are.
///
/// # Errors
/// The first line of the fixture that is not a quote, or not the one that is computed here.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen::prelude::wasm_bindgen)]
pub fn check_quotes() -> Result<u32, String> {
    let mut checked = 0;
    for line in QUOTES.lines().skip(1) {
        let [symbol, unix_ms, cents] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("not a quote: {line}"));
        };
        let symbol = Symbol::new(symbol).map_err(|error| format!("{line}: {error}"))?;
        let unix_ms = unix_ms.parse().map_err(|error| format!("{line}: {error}"))?;
        let price = price_at(&symbol, UnixMillis(unix_ms)).cents();
        if price.to_string() != cents {
            return Err(format!("{line}: it is {price}"));
        }
        checked += 1;
    }
    Ok(checked)
}
