//! The market gives the same bits in a native build and in a wasm build: this one source runs as both.
//!
//! In wasm: `cargo test -p ssedge-wasm-tests --target wasm32-unknown-unknown`, with
//! `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER` set to `wasm-bindgen-test-runner`.

use ssedge::stock::{Symbol, price_at};
use ssedge::time::UnixMillis;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// Quotes as `symbol,unix_ms,cents`. After a deliberate change of the market, `write_quotes` writes it anew.
const QUOTES: &str = include_str!("../../fixtures/market.csv");

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn quotes_are_bit_for_bit_those_of_the_fixture() {
    let mut checked = 0;
    for line in QUOTES.lines().skip(1) {
        let [symbol, unix_ms, cents] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("not a quote: {line}");
        };
        let price = price_at(&Symbol::new(symbol).unwrap(), UnixMillis(unix_ms.parse().unwrap()));
        assert_eq!(price.cents(), cents.parse::<i64>().unwrap(), "{line}");
        checked += 1;
    }
    assert!(checked >= 1_000, "only {checked} quotes");
}

/// `cargo test -p ssedge-wasm-tests -- --ignored` writes the fixture.
#[cfg(not(target_arch = "wasm32"))]
#[test]
#[ignore = "overwrites the fixture"]
fn write_quotes() {
    use std::fmt::Write;

    const OTHER_SYMBOLS: [&str; 6] = ["A", "Z9", "A.A", "BRK.B", "Q0.1.2.3.4", "ABCDEFGHIJ"];
    /// 1970, 2026, 2100, and where integers end.
    const INSTANTS: [u64; 16] = [
        0,
        250,
        999,
        86_400_000,
        1_795_341_600_000,
        1_795_341_600_250,
        1_795_341_601_000,
        1_795_341_659_999,
        1_795_392_000_000,
        4_102_444_799_999,
        4_102_444_800_000,
        4_102_444_801_000,
        i64::MAX as u64,
        u64::MAX - 86_400_000,
        u64::MAX - 1,
        u64::MAX,
    ];

    let mut csv = String::from("symbol,unix_ms,cents\n");
    for name in ssedge::stock::DEFAULT_SYMBOLS.into_iter().chain(OTHER_SYMBOLS) {
        let symbol = Symbol::new(name).unwrap();
        for unix_ms in INSTANTS.into_iter().chain((0..u64::BITS).map(|bit| 1 << bit)) {
            writeln!(csv, "{name},{unix_ms},{}", price_at(&symbol, UnixMillis(unix_ms)).cents()).unwrap();
        }
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/market.csv"), csv).unwrap();
}
