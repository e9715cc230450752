//! The picture that README shows.

use crate::contestant::{CRUN, FLOOR, OXRUN};
use crate::results::Results;
use crate::sample::median;
use std::fmt::Write;

/// Rows of the picture.
const OPERATIONS: &[&str] = &[
    "run",
    "create+start+delete",
    "exec",
    "state",
    "run, Docker's configuration",
];
/// Bars of a row and their colours.
const BARS: &[(&str, &str)] = &[
    (FLOOR, "#9aa0a6"),
    (OXRUN, "#d9480f"),
    (CRUN, "#1c7ed6"),
    ("youki", "#ae3ec9"),
    ("runc", "#2f9e44"),
];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 210.0;
const BAR: f64 = 13.0;
const GAP: f64 = 12.0;

/// Draws medians of one place; every operation has a scale of its own.
#[must_use]
pub fn draw(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 40.0;
    for &operation in OPERATIONS {
        let time = |name: &str| median(&results.find(operation, false, name)?.wall());
        let bars: Vec<_> = BARS
            .iter()
            .filter_map(|&(name, colour)| Some((name, colour, time(name)?)))
            .collect();
        let longest = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
        let middle = y + BAR * 0.5 * f64::from(u8::try_from(bars.len()).unwrap_or(u8::MAX)) + 4.0;
        // Writing to a string cannot fail.
        let _ = writeln!(body, r#"<text x="8" y="{middle:.0}">{operation}</text>"#);
        for (name, colour, time) in bars {
            let length = (WIDTH - LEFT - 130.0) * time / longest;
            let (bottom, end, ms) = (y + BAR - 3.0, LEFT + length + 5.0, time / 1000.0);
            let _ = writeln!(
                body,
                r#"<rect x="{LEFT}" y="{y:.0}" width="{length:.1}" height="{:.0}" fill="{colour}"/><text x="{end:.0}" y="{bottom:.0}" class="s">{name} {ms:.1} ms</text>"#,
                BAR - 2.0
            );
            y += BAR;
        }
        y += GAP;
    }
    let place = &results.place;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0}" width="{WIDTH}" height="{y:.0}" font-family="sans-serif" font-size="13">
<style>text{{fill:#333}}.s{{font-size:11px}}@media(prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>
<text x="8" y="20" font-weight="bold">Time of a command, median ({}, kernel {}, {})</text>
{body}</svg>
"#,
        place.name, place.kernel, place.date
    )
}
