//! Smooth noise on integers: the same bits on every machine, any instant at the same cost.
//!
//! Numbers are fixed point; `Q32` means that 1 is written as 2³².

use crate::time::UnixMillis;

/// 1 as a `Q32`.
pub(super) const ONE: i64 = 1 << 32;

/// The fraction bits of a place between two lattice points. With 26, the longest [`Octave`] period that
/// fits is 2³⁷ ms, more than four years.
const PLACE_BITS: u32 = 26;
/// The fraction bits of a lattice value: what an `i64` has left beside an amplitude.
const VALUE_BITS: u32 = 29;
/// The odd integer nearest to 2⁶⁴ / φ, the step of `SplitMix64`.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One octave: a random value from -1 to 1 at every lattice point, a cubic B-spline between them.
///
/// The spline passes *near* its points. That is what hides the lattice: it neither rests nor turns at a
/// point, and its spread and its slope are almost the same everywhere. It never leaves ±`amplitude`, and
/// within one `period` it moves by at most twice that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octave {
    /// Milliseconds from one lattice point to the next, at most 2³⁷.
    pub(super) period: u64,
    /// What a lattice value of 1 means, `Q32`, less than 4.
    pub(super) amplitude: i64,
}

impl Octave {
    /// The octave's value at `tick`, `Q32`. Another `seed` is another lattice, with another phase.
    pub(super) fn at(self, seed: u64, tick: UnixMillis) -> i64 {
        let (mut point, mut rest) = (tick.0 / self.period, tick.0 % self.period + self.phase(seed));
        if rest >= self.period {
            point += 1;
            rest -= self.period;
        }
        let place = ((rest << PLACE_BITS) / self.period) as i64;
        let values = [0, 1, 2, 3].map(|nth| lattice(seed, point.wrapping_add(nth)));
        (b_spline(values, place) * self.amplitude) >> VALUE_BITS
    }

    /// How many milliseconds before the epoch a lattice point lies.
    pub(super) const fn phase(self, seed: u64) -> u64 {
        ((seed >> (u64::BITS - PLACE_BITS)) * self.period) >> PLACE_BITS
    }
}

/// The sum of `octaves` at `tick`, each with a seed of its own drawn from `seed`.
pub(super) fn sum(octaves: &[Octave], seed: u64, tick: UnixMillis) -> i64 {
    octaves.iter().zip(0..).map(|(octave, nth)| octave.at(draw(seed, nth), tick)).sum()
}

/// Number `nth` of the `SplitMix64` sequence that starts at `seed`.
pub(super) const fn draw(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add(STEP.wrapping_mul(nth.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A value from -1 to 1, uniform, with [`VALUE_BITS`].
const fn lattice(seed: u64, point: u64) -> i64 {
    (draw(seed, point) >> (u64::BITS - 1 - VALUE_BITS)) as i64 - (1 << VALUE_BITS)
}

/// The uniform cubic B-spline through four neighbours, at a `place` between the middle two.
const fn b_spline(values: [i64; 4], place: i64) -> i64 {
    let one = 1 << PLACE_BITS;
    let square = (place * place) >> PLACE_BITS;
    let cube = (square * place) >> PLACE_BITS;
    // Six times the weights, so that they are integers.
    let first = one - 3 * place + 3 * square - cube;
    let second = 4 * one - 6 * square + 3 * cube;
    let third = 6 * one - first - second - cube;
    (first * values[0] + second * values[1] + third * values[2] + cube * values[3]) / (6 * one)
}

/// 2 to the power of `x`, both `Q32`, for `x` from 0 to 30; off by less than 10⁻⁸ of the result.
pub(super) const fn exp2(x: i64) -> i64 {
    /// The natural logarithm of 2, `Q32`.
    const LN_2: u64 = 2_977_044_472;
    /// Terms of the Taylor series; the next one is less than 10⁻¹⁰.
    const TERMS: u64 = 11;

    let fraction = (((x % ONE) as u64) * LN_2) >> 32;
    let (mut term, mut sum, mut nth) = (ONE as u64, ONE as u64, 1);
    while nth < TERMS {
        term = ((term * fraction) >> 32) / nth;
        sum += term;
        nth += 1;
    }
    (sum as i64) << (x / ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTAVE: Octave = Octave { period: 1_000, amplitude: ONE };

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    }

    fn value(seed: u64, tick: u64) -> f64 {
        OCTAVE.at(seed, UnixMillis(tick)) as f64 / ONE as f64
    }

    #[test]
    fn an_octave_keeps_its_bounds() {
        let slope = 2 * ONE / OCTAVE.period as i64;
        let rounding = ONE >> 20;
        for tick in (0..200_000).chain(1_795_341_600_000..1_795_341_610_000) {
            let [now, next] = [0, 1].map(|later| OCTAVE.at(7, UnixMillis(tick + later)));
            assert!(now.abs() <= ONE + rounding, "at {tick}");
            assert!((next - now).abs() <= slope + rounding, "after {tick}");
        }
    }

    #[test]
    fn a_lattice_point_cannot_be_told_by_what_happens_there() {
        let spread_and_slope = |after_point: u64| {
            let ticks = (1..50_000).map(|point| point * 1_000 + after_point - OCTAVE.phase(7));
            let slopes = ticks.clone().map(|tick| value(7, tick + 50) - value(7, tick - 50));
            (mean(ticks.map(|tick| value(7, tick).powi(2))), mean(slopes.map(|slope| slope.powi(2))))
        };
        let (spread_at, slope_at) = spread_and_slope(0);
        let (spread_between, slope_between) = spread_and_slope(500);
        assert!((0.9..1.2).contains(&(spread_at / spread_between)), "{spread_at} {spread_between}");
        assert!((0.5..1.5).contains(&(slope_at / slope_between)), "{slope_at} {slope_between}");
    }

    #[test]
    fn lattices_are_independent() {
        const POINTS: u64 = 20_000;
        // Five standard errors of the correlation of independent values.
        let most = 5.0 / (POINTS as f64).sqrt();
        let at = |seed, point| lattice(seed, point) as f64 / f64::from(1 << VALUE_BITS);
        let correlation =
            |a, b, shift| 3.0 * mean((0..POINTS).map(|point| at(a, point) * at(b, point + shift)));
        for a in 0..12 {
            assert!((correlation(a, a, 0) - 1.0).abs() < most, "seed {a} is not uniform");
            assert!(correlation(a, a, 1).abs() < most, "neighbours of seed {a}");
            for b in 0..a {
                let [nearby, drawn] = [[a, b], [draw(5, a), draw(5, b)]].map(|[a, b]| correlation(a, b, 0));
                assert!(nearby.abs() < most && drawn.abs() < most, "seeds {a} and {b}: {nearby} {drawn}");
            }
        }
    }

    #[test]
    fn octaves_of_one_sum_are_independent() {
        let spread = |octaves: &[Octave]| {
            let total = |tick| sum(octaves, 7, UnixMillis(tick)) as f64 / ONE as f64;
            mean((0..5_000).map(|nth| total(nth * 1_000).powi(2)))
        };
        let ratio = spread(&[OCTAVE; 2]) / spread(&[OCTAVE]);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn exp2_is_as_precise_as_it_says() {
        for nth in 0..30_000 {
            let x = nth * ONE / 1_000 + nth;
            let exact = (x as f64 / ONE as f64).exp2();
            let error = (exp2(x) as f64 / ONE as f64 - exact) / exact;
            assert!(error.abs() < 1e-8, "2^{} is off by {error:e}", x as f64 / ONE as f64);
        }
        assert_eq!(exp2(0), ONE);
        assert_eq!(exp2(29 * ONE), ONE << 29);
    }
}
