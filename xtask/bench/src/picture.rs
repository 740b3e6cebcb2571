//! Pictures: a bar for each system, as long as its median, with a line from the least to the most.

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figure::Figure;
use crate::load::Load;
use crate::report::Report;
use crate::system::System;

/// Pixels.
const WIDTH: i32 = 720;
const HEAD: i32 = 34;
const ROW: i32 = 26;
const BAR: i32 = 16;
/// Where bars begin, and how long the longest is.
const LEFT: i32 = 120;
const LONGEST: f64 = 500.0;
/// Read on white and on black alike.
const TEXT: RGBColor = RGBColor(125, 125, 125);
const OTHERS: RGBColor = RGBColor(160, 170, 180);
const OURS: RGBColor = RGBColor(243, 128, 32);

/// Draws one figure of a load.
///
/// # Errors
/// When it cannot be drawn.
pub fn bars(report: &Report, load: Load, figure: Figure, title: &str) -> Result<String> {
    let of = |system: System| Some((system, report.spread(load, figure, system)?));
    let rows: Vec<_> = System::ALL.into_iter().filter_map(of).collect();
    let most = rows.iter().map(|(_, spread)| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let end = |value: f64| LEFT + (value / most * LONGEST).round() as i32;
    let height = HEAD + ROW * i32::try_from(rows.len())?;

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH.cast_unsigned(), height.cast_unsigned()))
            .into_drawing_area();
        let font = |size: f64| TextStyle::from(("sans-serif", size).into_font()).color(&TEXT);
        let left = |style: TextStyle<'static>| style.pos(Pos::new(HPos::Left, VPos::Center));
        let right = font(13.0).pos(Pos::new(HPos::Right, VPos::Center));
        let drawn = || "the picture cannot be drawn";
        area.draw(&Text::new(title, (4, HEAD / 2), left(font(15.0)))).ok().with_context(drawn)?;
        for (nth, (system, spread)) in (0..).zip(&rows) {
            let middle = HEAD + ROW * nth + ROW / 2;
            let color = if *system == System::Ssedge { OURS } else { OTHERS };
            let bar = [(LEFT, middle - BAR / 2), (end(spread.median), middle + BAR / 2)];
            let range = vec![(end(spread.min), middle), (end(spread.max), middle)];
            let label = (end(spread.max) + 8, middle);
            area.draw(&Text::new(system.name(), (LEFT - 8, middle), right.clone()))
                .ok()
                .with_context(drawn)?;
            area.draw(&Rectangle::new(bar, color.filled())).ok().with_context(drawn)?;
            area.draw(&PathElement::new(range, TEXT)).ok().with_context(drawn)?;
            let value = Figure::show(spread.median);
            area.draw(&Text::new(value, label, left(font(13.0)))).ok().with_context(drawn)?;
        }
        area.present().ok().with_context(drawn)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::bars;
    use crate::figure::Figure;
    use crate::load::Load;
    use crate::report::tests::report;

    #[test]
    fn each_system_has_a_bar_as_long_as_its_median() {
        let svg = bars(&report(), Load::Paced, Figure::P99, "a title").unwrap();
        assert!(svg.contains("a title") && svg.contains("ssedge") && svg.contains("hono-do"), "{svg}");
        // The longest line is to 6.0, in 500 pixels.
        for width in ["width=\"167\"", "width=\"333\""] {
            assert!(svg.contains(width), "{width}: {svg}");
        }
    }
}
