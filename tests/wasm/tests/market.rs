//! The native half of what `src/lib.rs` promises.

use ssedge::feeds::stock::{Symbol, price_at};
use ssedge::time::UnixMillis;
use ssedge_wasm_tests::check_quotes;

#[test]
fn quotes_are_bit_for_bit_those_of_the_fixture() {
    let checked = check_quotes().unwrap();
    assert!(checked >= 1_000, "only {checked} quotes");
}

/// `cargo test -p ssedge-wasm-tests -- --ignored` writes the fixture.
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
    for name in ssedge::feeds::stock::DEFAULT_SYMBOLS.into_iter().chain(OTHER_SYMBOLS) {
        let symbol = Symbol::new(name).unwrap();
        for unix_ms in INSTANTS.into_iter().chain((0..u64::BITS).map(|bit| 1 << bit)) {
            writeln!(csv, "{name},{unix_ms},{}", price_at(&symbol, UnixMillis(unix_ms)).cents()).unwrap();
        }
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/market.csv"), csv).unwrap();
}
