//! The simulated market: a price as a pure function of symbol and time.
//!
//! The logarithm of a price is a sum of [`Octave`]s of smooth noise, from under a second to years, each
//! 1.9 times as long as the one before. An octave's amplitude is in proportion to the square root of its
//! period, as a random walk's is to time; so over any span from a minute to months, prices wander like
//! one, though any instant costs the same to compute. Beyond the longest octave a price stays
//! within a fixed factor of its base, which is why it is positive for ever. On top comes the bounce
//! between bid and ask that every order book has, so that cheap stocks move in most seconds too.

use std::time::Duration;

use super::noise::{self, ONE, Octave};
use super::{Change, Price, Symbol};
use crate::time::UnixMillis;

/// The base price of a symbol is spread evenly, by its logarithm, over this many doublings…
const BASE_DOUBLINGS: i64 = 4;
/// …from 2¹² cents, 40.96. Much less, and the bounce would be all that is seen of a second.
const BASE_LOG2: i64 = 12 * ONE;

/// The volatility: the amplitude of a 1 ms octave, in doublings, `Q32`. It makes about 2 % in a day.
const AMPLITUDE_PER_ROOT_MS: i64 = 16_000;

/// The first period, in ms: near the shortest interval of a stream, so that quotes move at that one too.
const SHORTEST_PERIOD: u64 = 590;
/// The longest of so many octaves is more than two years.
const WANDER_OCTAVES: usize = 30;

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

/// Between bid and ask: up to 2 cents either way, another at each whole second. In cents, `Q32`.
const BOUNCE: Octave = Octave { period: 430, amplitude: 2 * ONE };

/// The price of `symbol` at `tick`: any symbol, any instant, past or future, at the same cost.
///
/// It reads its arguments alone and uses integers only, so every instance on every
/// machine gives the same answer, bit for bit.
///
/// ```
/// use ssedge::{feeds::stock::{Symbol, price_at}, time::UnixMillis};
/// let acme = Symbol::new("ACME")?;
/// assert_eq!(price_at(&acme, UnixMillis(0)), price_at(&acme, UnixMillis(0)));
/// # Ok::<(), ssedge::feeds::stock::InvalidSymbol>(())
/// ```
#[must_use]
pub fn price_at(symbol: &Symbol, tick: UnixMillis) -> Price {
    let seed = seed(symbol);
    let [wander, bounce, base] = [0, 1, 2].map(|nth| noise::draw(seed, nth));
    let base = BASE_LOG2 + BASE_DOUBLINGS * (base >> 32) as i64;
    let worth = noise::exp2(base + noise::sum(&WANDER, wander, tick));
    let cents = worth + BOUNCE.at(bounce, tick);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that [`WANDER`] can leave the base by, in doublings.
    fn reach() -> f64 {
        WANDER.iter().map(|octave| octave.amplitude as f64 / ONE as f64).sum()
    }

    /// The most that octaves can move by in a second: see [`Octave`] for the slope.
    fn most_in_a_second(octaves: &[Octave]) -> f64 {
        let most = |octave: &Octave| {
            let periods = (1_000.0 / octave.period as f64).min(1.0);
            2.0 * octave.amplitude as f64 / ONE as f64 * periods
        };
        octaves.iter().map(most).sum()
    }

    #[test]
    fn no_price_can_reach_zero_or_the_limit() {
        let base = BASE_LOG2 as f64 / ONE as f64;
        let least = (base - reach()).exp2() - BOUNCE.amplitude as f64 / ONE as f64;
        let most = base + BASE_DOUBLINGS as f64 + reach();
        assert!(least > 200.0, "{least} cents");
        assert!(most < 20.0, "2^{most} cents");
    }

    #[test]
    fn no_second_can_jump_by_two_percent() {
        let wander = most_in_a_second(&WANDER).exp2() - 1.0;
        let lowest = (BASE_LOG2 as f64 / ONE as f64 - reach()).exp2();
        // The last cent is for rounding.
        let bounce = (most_in_a_second(&[BOUNCE]) + 1.0) / lowest;
        assert!(wander < 0.001, "{wander}");
        assert!(wander + bounce < 0.02, "{wander} + {bounce}");
    }

    #[test]
    fn every_octave_fits_its_fixed_point() {
        for octave in WANDER.into_iter().chain([BOUNCE]) {
            assert!(octave.period <= 1 << 37 && octave.amplitude < 4 * ONE, "{octave:?}");
        }
    }

    #[test]
    fn lattices_do_not_coincide() {
        for (nth, longer) in WANDER.iter().enumerate() {
            for shorter in &WANDER[..nth] {
                let periods = longer.period as f64 / shorter.period as f64;
                assert!((periods - periods.round()).abs() > 1e-3 || periods > 1e3, "{longer:?} {shorter:?}");
            }
        }
    }

    /// A spline that rested or turned at its lattice points would show as calm or jumpy moments there.
    #[test]
    fn returns_at_lattice_points_are_like_any_others() {
        const POINTS: u64 = 3_000;
        let acme = Symbol::new("ACME").unwrap();
        let wander = noise::draw(seed(&acme), 0);
        let now = 1_795_341_600_000;
        for (octave, nth) in WANDER.iter().zip(0..).filter(|(octave, _)| octave.period < 86_400_000) {
            let phase = octave.phase(noise::draw(wander, nth));
            let first = now - now % octave.period - phase;
            // Over a quarter of the period, where this octave weighs most among all.
            let half = octave.period / 8;
            let spread = |after_point: u64| {
                let square = |point: u64| {
                    let at = first + point * octave.period + after_point;
                    let [before, after] =
                        [at - half, at + half].map(|tick| noise::sum(&WANDER, wander, UnixMillis(tick)));
                    ((after - before) as f64 / ONE as f64).powi(2)
                };
                (0..POINTS).map(square).sum::<f64>()
            };
            let ratio = spread(0) / spread(octave.period / 2);
            assert!((0.8..1.25).contains(&ratio), "every {} ms: {ratio}", octave.period);
        }
    }

    #[test]
    fn symbols_have_seeds_of_their_own() {
        let seeds = ["ACME", "ACMF", "BCME", "A", "AA"].map(|name| seed(&Symbol::new(name).unwrap()));
        assert_eq!(seeds[0], 0x9A6E_148B_A8E1_EECF);
        for (nth, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..nth].contains(seed));
        }
    }

    #[test]
    fn the_change_starts_at_zero_each_day() {
        let acme = Symbol::new("ACME").unwrap();
        let midnight = UnixMillis(1_795_305_600_000);
        let noon = midnight + Duration::from_hours(12);
        assert_eq!(midnight.to_string(), "2026-11-22T00:00:00.000Z");
        assert_eq!(change_at(&acme, midnight).cents(), 0);
        assert_eq!(change_at(&acme, noon), price_at(&acme, noon) - price_at(&acme, midnight));
    }
}
