//! Two plots as SVG, drawn by hand: a line needs no library.

use std::fmt::Write as _;

use super::result::Fleet;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
/// Left, right, top and bottom of the frame.
const FRAME: [f64; 4] = [70.0, WIDTH - 20.0, 40.0, HEIGHT - 50.0];

/// A line: its name, colour and points.
struct Line {
    name: String,
    colour: &'static str,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Objects issued over time, beside what the ceiling would have done.
pub(crate) fn issuance(fleets: &[Fleet]) -> String {
    let largest = fleets.last().unwrap();
    let (width, rate) = (largest.issuance.ceiling().width, largest.issuance.ceiling().rate());
    let seconds = largest.issuance.seconds.min(largest.objects as f64 / rate);
    let issued = largest.issuance.timeline.iter().map(|(at, done, _)| (*at, *done as f64)).collect();
    let lines = [
        Line { name: "issued".to_owned(), colour: "#1668b8", dashed: false, points: issued },
        Line {
            name: format!("the ceiling: a plain client, {width} at a time"),
            colour: "#888888",
            dashed: true,
            points: vec![(0.0, 0.0), (seconds, seconds * rate)],
        },
    ];
    draw("PresignedUrls issued over time", "seconds", "objects", &lines)
}

/// Memory while the largest fleet is issued, and at rest for each size.
pub(crate) fn memory(fleets: &[Fleet]) -> String {
    let largest = fleets.last().unwrap();
    let mib = |kib: u64| kib as f64 / 1024.0;
    let growing = largest.issuance.timeline.iter().map(|(_, done, kib)| (*done as f64, mib(*kib))).collect();
    let rest = |kib: fn(&Fleet) -> u64| {
        let empty = (0.0, mib(largest.empty_kib));
        let at = fleets.iter().map(|fleet| (fleet.objects as f64, mib(kib(fleet))));
        std::iter::once(empty).chain(at).collect()
    };
    let lines = [
        Line { name: "while it issues".to_owned(), colour: "#d08a1d", dashed: false, points: growing },
        Line {
            name: "at rest after it".to_owned(),
            colour: "#1668b8",
            dashed: false,
            points: rest(|fleet| fleet.issued_kib),
        },
        Line {
            name: "at rest after a start".to_owned(),
            colour: "#2b8a3e",
            dashed: true,
            points: rest(|fleet| fleet.started_kib),
        },
    ];
    draw("Resident memory against objects", "objects", "MiB", &lines)
}

fn draw(title: &str, across: &str, up: &str, lines: &[Line]) -> String {
    let [left, right, top, bottom] = FRAME;
    let most = |pick: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| &line.points).map(pick).fold(f64::MIN_POSITIVE, f64::max)
    };
    let (most_x, most_y) = (round_up(most(|point| point.0)), round_up(most(|point| point.1)));
    let x = |value: f64| left + (right - left) * value / most_x;
    let y = |value: f64| bottom - (bottom - top) * value / most_y;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n<text x=\"{left}\" y=\"22\" font-size=\"15\" fill=\"#222222\">{title}</text>\n"
    );
    for step in 0..=4 {
        let anchor = if step == 4 { "end" } else { "middle" };
        let (at_x, at_y) = (most_x * f64::from(step) / 4.0, most_y * f64::from(step) / 4.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {0:.1}H{right}\" stroke=\"#dddddd\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\" fill=\"#444444\">{at_y}</text><text x=\"{3:.1}\" y=\"{4}\" text-anchor=\"{anchor}\" fill=\"#444444\">{at_x}</text>",
            y(at_y),
            left - 8.0,
            y(at_y) + 4.0,
            x(at_x),
            bottom + 18.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\" fill=\"#444444\">{across}</text><text x=\"{left}\" y=\"{2}\" text-anchor=\"end\" fill=\"#444444\">{up}</text>",
        f64::midpoint(left, right),
        bottom + 38.0,
        top - 8.0,
    );
    for (index, line) in lines.iter().enumerate() {
        let points: String =
            line.points.iter().map(|point| format!("{:.1},{:.1} ", x(point.0), y(point.1))).collect();
        let dashes = if line.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let (colour, name) = (line.colour, &line.name);
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/><text x=\"{1}\" y=\"{2}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>",
            points.trim_end(),
            right - 8.0,
            bottom - 12.0 - 18.0 * (lines.len() - 1 - index) as f64,
        );
    }
    svg + "</svg>\n"
}

/// The next of 1, 2, 4, 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|edge| *edge >= value)
        .unwrap_or(value)
}
