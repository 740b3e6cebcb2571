//! The simulated market: a price as a pure function of symbol and time.
//!
//! The logarithm of a price is a sum of [`Octave`]s of smooth noise, from under a second to years, each
//! 1.9 times as long as the one before. An octave's amplitude is in proportion to the square root of its
//! period, as a random walk's is to time; so over any span from a minute to months, prices wander like
//! one, though any instant costs the same to compute. Beyond the longest octave a price stays
//! within a fixed factor of its base, which is why it is positive for ever. On top comes the bounce of a
//! few cents between bid and ask that every order book has, so that cheap stocks move each second too.

use std::time::Duration;

use super::noise::{self, ONE, Octave};
use super::{Change, Price, Symbol};
use crate::time::UnixMillis;

/// The base price of a symbol is spread evenly, by its logarithm, over this many doublings…
const BASE_DOUBLINGS: i64 = 4;
/// …from 2¹² cents, 40.96. Much less, and the bounce would be all that is seen of a second.
const BASE_LOG2: i64 = 12 * ONE;

/// The volatility: the amplitude of a 1 ms octave, in doublings, `Q32`. It makes about 2.5 % in a day.
const AMPLITUDE_PER_ROOT_MS: i64 = 7_000;

/// The first period, in ms: near the shortest interval of a stream, so that each tick moves.
const SHORTEST_PERIOD: u64 = 590;
/// The longest of so many octaves is about four years.
const WANDER_OCTAVES: usize = 31;

/// From octave to octave the amplitude grows by the root of the period, and the lattices never coincide.
const WANDER: [Octave; WANDER_OCTAVES] = {
    let mut octaves = [Octave { period: 0, amplitude: 0 }; WANDER_OCTAVES];
    let mut period = SHORTEST_PERIOD;
    let mut nth = 0;
    while nth < WANDER_OCTAVES {
        // Ten bits of fraction for the root.
        let root = (period << 20).isqrt() as i64;
        octaves[nth] = Octave { period, amplitude: (AMPLITUDE_PER_ROOT_MS * root) >> 10 };
        period = period * 19 / 10;
        nth += 1;
    }
    octaves
};

/// Bid and ask: up to three cents either way, within a second or so. In cents, `Q32`.
const BOUNCE: [Octave; 2] =
    [Octave { period: 370, amplitude: ONE }, Octave { period: 830, amplitude: ONE }];

/// The price of `symbol` at `tick`: any symbol, any instant, past or future, at the same cost.
///
/// It reads nothing but its arguments and uses integers only, so every instance on every
/// machine gives the same answer, bit for bit.
///
/// ```
/// use ssedge::{stock::{Symbol, price_at}, time::UnixMillis};
/// let acme = Symbol::new("ACME")?;
/// assert_eq!(price_at(&acme, UnixMillis(0)), price_at(&acme, UnixMillis(0)));
/// # Ok::<(), ssedge::stock::InvalidSymbol>(())
/// ```
#[must_use]
pub fn price_at(symbol: &Symbol, tick: UnixMillis) -> Price {
    let seed = seed(symbol);
    let [wander, bounce, base] = [0, 1, 2].map(|nth| noise::draw(seed, nth));
    let base = BASE_LOG2 + BASE_DOUBLINGS * (base >> 32) as i64;
    let worth = noise::exp2(base + noise::sum(&WANDER, wander, tick));
    let cents = worth + noise::sum(&BOUNCE, bounce, tick);
    Price::nearest_to_cents((cents + ONE / 2) >> 32)
}

/// How far the price of `symbol` at `tick` is from where it stood at the start of that day, 00:00 UTC.
///
/// It depends on the instant alone, so readers at different intervals see the same change.
#[must_use]
pub fn change_at(symbol: &Symbol, tick: UnixMillis) -> Change {
    const DAY: Duration = Duration::from_hours(24);
    price_at(symbol, tick) - price_at(symbol, tick.floor(DAY))
}

/// 64-bit FNV-1a of the symbol's bytes. It must never change, or every price would.
fn seed(symbol: &Symbol) -> u64 {
    symbol
        .as_str()
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
