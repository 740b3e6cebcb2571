//! The simulated market moves like a market, over simulated years.
//!
//! Nothing here is random: samples are spread by fixed steps, so what holds today holds for ever.

use ssedge::feeds::stock::MAX_PRICE_CENTS;
use ssedge::feeds::stock::{DEFAULT_SYMBOLS, Symbol, price_at};
use ssedge::time::UnixMillis;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;
/// 2026-11-22T10:00:00Z.
const NOW: u64 = 1_795_341_600_000;

fn symbols() -> [Symbol; 8] {
    DEFAULT_SYMBOLS.map(|name| Symbol::new(name).expect("the defaults follow the rule"))
}

fn cents(symbol: &Symbol, tick: u64) -> i64 {
    price_at(symbol, UnixMillis(tick)).cents()
}

/// The natural logarithm of the price, in which a return is a difference.
fn log(symbol: &Symbol, tick: u64) -> f64 {
    (cents(symbol, tick) as f64).ln()
}

/// `count` instants over the thirty years from [`NOW`], at all times of the day.
fn instants(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |nth| NOW + nth * (30 * YEAR / count) + nth * 7_919 % DAY)
}

/// The returns over `span` that follow one another from [`NOW`] on.
fn returns(symbol: &Symbol, span: u64, count: u64) -> Vec<f64> {
    let logs: Vec<_> = (0..=count).map(|nth| log(symbol, NOW + nth * span)).collect();
    logs.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Pearson's coefficient.
fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let [left_mean, right_mean] = [left, right].map(|side| mean(side.iter().copied()));
    let joint = mean(left.iter().zip(right).map(|(x, y)| (x - left_mean) * (y - right_mean)));
    let spread = |side: &[f64], centre: f64| mean(side.iter().map(|x| (x - centre).powi(2))).sqrt();
    joint / (spread(left, left_mean) * spread(right, right_mean))
}

/// The correlation of independent series of `count` values that chance alone explains: five standard errors.
fn chance(count: u64) -> f64 {
    5.0 / (count as f64).sqrt()
}

/// The share of steps, in a run from each of `starts`, in which the cents change.
fn share_of_moves(symbol: &Symbol, starts: impl Iterator<Item = u64>, step: u64) -> f64 {
    const RUN: u64 = 50;
    let moves_from = |start| {
        let run: Vec<_> = (0..=RUN).map(|nth| cents(symbol, start + nth * step)).collect();
        mean(run.windows(2).map(|pair| f64::from(u8::from(pair[0] != pair[1]))))
    };
    mean(starts.map(moves_from))
}

/// The mean square of returns over `span`.
fn variance(span: u64) -> f64 {
    let square = |symbol: &Symbol, start| (log(symbol, start + span) - log(symbol, start)).powi(2);
    mean(symbols().map(|symbol| mean(instants(1_000).map(|start| square(&symbol, start)))))
}

/// The mean distance from the lowest to the highest logarithm in windows of `span`.
fn range(span: u64) -> f64 {
    const POINTS: u64 = 100;
    let range_from = |symbol: &Symbol, start| {
        let logs = (0..=POINTS).map(|nth| log(symbol, start + nth * span / POINTS));
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        high - low
    };
    mean(symbols().map(|symbol| mean(instants(30).map(|start| range_from(&symbol, start)))))
}

#[test]
fn any_symbol_has_a_price_at_any_tick() {
    let names = DEFAULT_SYMBOLS.into_iter().chain(["A", "Z9", "BRK.B", "ABCDEFGHIJ"]);
    for symbol in names.map(|name| Symbol::new(name).unwrap()) {
        let powers = (0..u64::BITS).flat_map(|bit| [1 << bit, (1 << bit) - 1]);
        let strides = (0..1_000).map(|nth: u64| nth.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for tick in powers.chain(strides).chain([u64::MAX]) {
            let cents = cents(&symbol, tick);
            assert!((200..MAX_PRICE_CENTS / 1_000).contains(&cents), "{symbol} at {tick}: {cents}");
        }
    }
}

#[test]
fn it_moves_in_most_seconds() {
    for symbol in symbols() {
        let seconds = share_of_moves(&symbol, instants(60), SECOND);
        assert!(seconds >= 0.6, "{symbol} moves in {seconds} of all seconds");
        let quarters = share_of_moves(&symbol, instants(60), 250);
        assert!(quarters >= 0.35, "{symbol} moves in {quarters} of all quarters of a second");
    }
}

#[test]
fn it_moves_in_most_seconds_at_its_cheapest_too() {
    for symbol in symbols() {
        let cheapest = instants(1_000).min_by_key(|&tick| cents(&symbol, tick)).unwrap();
        let seconds = share_of_moves(&symbol, (0..40).map(|nth| cheapest + nth * MINUTE), SECOND);
        assert!(seconds >= 0.6, "{symbol} moves in {seconds} of the seconds from {cheapest}");
    }
}

#[test]
fn no_second_jumps_and_no_millisecond_breaks() {
    for symbol in symbols() {
        for tick in instants(20_000) {
            let [now, next, second] = [0, 1, SECOND].map(|later| cents(&symbol, tick + later));
            assert!((next - now).abs() <= 1, "{symbol} at {tick}");
            assert!((second - now).abs() * 100 < now * 2, "{symbol} at {tick}");
        }
    }
}

#[test]
fn symbols_are_no_copies_of_each_other() {
    const COUNT: u64 = 3_000;
    for span in [SECOND, HOUR, DAY] {
        let series = symbols().map(|symbol| returns(&symbol, span, COUNT));
        for (nth, left) in series.iter().enumerate() {
            for (other, right) in series[..nth].iter().enumerate() {
                let r = correlation(left, right);
                let names = [DEFAULT_SYMBOLS[nth], DEFAULT_SYMBOLS[other]];
                assert!(r.abs() < chance(COUNT), "{names:?} over {span} ms: {r}");
            }
        }
    }
}

/// From spans beside which the bounce is small to those at which the longest octave begins to tell.
#[test]
fn variance_grows_with_time_as_a_random_walks_does() {
    let per_minute = variance(10 * MINUTE) / 10.0;
    for span in [30 * MINUTE, HOUR, 4 * HOUR, DAY, 7 * DAY, MONTH] {
        let ratio = variance(span) / (per_minute * (span / MINUTE) as f64);
        assert!((0.75..1.3).contains(&ratio), "over {span} ms: {ratio}");
    }
}

#[test]
fn a_day_is_as_lively_as_a_day_of_trading() {
    let day = variance(DAY).sqrt();
    assert!((0.015..0.025).contains(&day), "{day}");
}

#[test]
fn prices_wander_further_in_a_longer_time() {
    let spans = [HOUR, DAY, MONTH, YEAR];
    let ranges = spans.map(range);
    for (spans, ranges) in spans.windows(2).zip(ranges.windows(2)) {
        let growth = ranges[1] / ranges[0] / ((spans[1] / spans[0]) as f64).sqrt();
        assert!((0.75..1.25).contains(&growth), "from {} to {} ms: {growth}", spans[0], spans[1]);
    }
}

/// A period that shows would correlate returns, or their sizes, with those some steps later.
#[test]
fn returns_tell_nothing_of_later_ones() {
    const COUNT: u64 = 3_000;
    for symbol in symbols() {
        for span in [HOUR, DAY] {
            let returns = returns(&symbol, span, COUNT);
            let sizes: Vec<_> = returns.iter().map(|r| r.abs()).collect();
            for (series, lag) in [&returns, &sizes].into_iter().flat_map(|s| (1..60).map(move |lag| (s, lag)))
            {
                let r = correlation(&series[lag..], &series[..series.len() - lag]);
                assert!(r.abs() < chance(COUNT), "{symbol}: {lag} times {span} ms: {r}");
            }
        }
    }
}

#[test]
fn returns_are_neither_even_nor_full_of_shocks() {
    for symbol in symbols() {
        for span in [SECOND, MINUTE, HOUR, DAY] {
            let returns = returns(&symbol, span, 3_000);
            let moment = |power| mean(returns.iter().map(|r| r.powi(power)));
            let kurtosis = moment(4) / moment(2).powi(2);
            assert!((2.3..4.0).contains(&kurtosis), "{symbol} over {span} ms: {kurtosis}");
        }
    }
}
