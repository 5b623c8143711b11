//! The two plots of `docs/performance.md`, drawn from the figures beside them.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels and ticks are small whole numbers"
)]

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::table::thousands;

const SIZE: (u32, u32) = (900, 420);
/// More points than that are not seen.
const POINTS: usize = 60;
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const BLUE: RGBColor = RGBColor(0x16, 0x68, 0xb8);
const GREY: RGBColor = RGBColor(0x77, 0x77, 0x77);
const ORANGE: RGBColor = RGBColor(0xb8, 0x6e, 0x00);
const GREEN: RGBColor = RGBColor(0x2b, 0x8a, 0x3e);

/// A line: its name, colour and points.
struct PlottedLine {
    name: String,
    colour: RGBColor,
    is_dashed: bool,
    points: Vec<(f64, f64)>,
}

/// What surrounds the lines.
struct Frame {
    title: &'static str,
    across: &'static str,
    up: &'static str,
}

/// Objects issued over time, beside what the ceiling would have done.
pub(crate) fn issuance(fleets: &[Value]) -> String {
    let largest = fleets.last().unwrap();
    let (width, rate) = ceiling(largest);
    let issued = timeline(largest, |point| (number(&point[0]), number(&point[1])));
    let seconds = issued.last().unwrap().0.min(number(&largest["objects"]) / rate);
    let lines = [
        PlottedLine {
            name: format!("a plain client, {width} at a time (the ceiling)"),
            colour: GREY,
            is_dashed: true,
            points: (0..=2).map(|step| seconds / 2.0 * f64::from(step)).map(|at| (at, at * rate)).collect(),
        },
        PlottedLine { name: "the operator".to_owned(), colour: BLUE, is_dashed: false, points: issued },
    ];
    let frame = Frame { title: "PresignedUrls issued over time", across: "seconds", up: "URLs issued" };
    draw(&frame, &lines, None)
}

/// Memory while the largest fleet is issued, and at rest for each size.
pub(crate) fn memory(fleets: &[Value]) -> String {
    let largest = fleets.last().unwrap();
    let mib = |kib: &Value| number(kib) / 1024.0;
    let growing = timeline(largest, |point| (number(&point[1]), mib(&point[2])));
    let objects = thousands(largest["objects"].as_u64().unwrap() as usize);
    let first = *growing.first().unwrap();
    let note = format!("{:.0} MiB: {objects} objects are listed", first.1);
    let rest = |figure: &str| {
        let empty = (0.0, mib(&largest["empty_kib"]));
        let sizes = fleets.iter().map(|fleet| (number(&fleet["objects"]), mib(&fleet[figure])));
        std::iter::once(empty).chain(sizes).collect()
    };
    let lines = [
        PlottedLine {
            name: format!("while it issues {objects}"),
            colour: ORANGE,
            is_dashed: false,
            points: growing,
        },
        PlottedLine {
            name: "at rest after issuing".to_owned(),
            colour: BLUE,
            is_dashed: false,
            points: rest("issued_kib"),
        },
        PlottedLine {
            name: "at rest after a start".to_owned(),
            colour: GREEN,
            is_dashed: true,
            points: rest("started_kib"),
        },
    ];
    let across = "URLs issued so far (orange) · objects in the fleet (blue, green)";
    let frame = Frame { title: "Resident memory of the operator", across, up: "MiB" };
    draw(&frame, &lines, Some((first, &note)))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Some of the points that were measured during the issuance.
fn timeline(fleet: &Value, point: impl Fn(&Value) -> (f64, f64)) -> Vec<(f64, f64)> {
    let all = fleet["issuance"]["timeline"].as_array().unwrap();
    let step = all.len().div_ceil(POINTS);
    let last = all.last().into_iter().filter(|_| !(all.len() - 1).is_multiple_of(step));
    all.iter().step_by(step).chain(last).map(point).collect()
}

/// Width and objects a second of the plain client at its best.
fn ceiling(fleet: &Value) -> (u64, f64) {
    let turns = fleet["issuance"]["turns"].as_array().unwrap();
    let rates = turns
        .iter()
        .map(|side| (side["width"].as_u64().unwrap(), number(&side["objects"]) / number(&side["seconds"])));
    rates.filter(|(width, _)| *width > 0).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

fn draw(frame: &Frame, lines: &[PlottedLine], note: Option<((f64, f64), &str)>) -> String {
    let mut svg = String::new();
    draw_into(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), frame, lines, note).unwrap();
    svg
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_into(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    frame: &Frame,
    lines: &[PlottedLine],
    note: Option<((f64, f64), &str)>,
) -> Drawn {
    let most = |pick: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| &line.points).map(pick).fold(f64::MIN_POSITIVE, f64::max)
    };
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(frame.title, ("sans-serif", 20).into_font().color(&TEXT))
        .margin(12)
        // The last number below the axis stands out on the right.
        .margin_right(36)
        .x_label_area_size(48)
        .y_label_area_size(82)
        .build_cartesian_2d(0.0..most(|point| point.0), 0.0..most(|point| point.1) * 1.05)?;
    let label = |value: &f64| thousands(value.round() as usize);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
        .axis_style(RGBColor(0x99, 0x99, 0x99))
        .label_style(("sans-serif", 15).into_font().color(&TEXT))
        .x_desc(frame.across)
        .y_desc(frame.up)
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    for line in lines {
        let style = line.colour.stroke_width(2);
        let points = line.points.iter().copied();
        let drawn = if line.is_dashed {
            chart.draw_series(DashedLineSeries::new(points, 7, 5, style))?
        } else {
            chart.draw_series(LineSeries::new(points, style))?
        };
        drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 15).into_font().color(&TEXT))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    if let Some((point, text)) = note {
        let (x, y) = chart.backend_coord(&point);
        area.draw(&Circle::new((x, y), 4, ORANGE.filled()))?;
        area.draw(&PathElement::new([(x, y), (x + 8, y - 58)], ORANGE))?;
        let style = ("sans-serif", 16).into_font().color(&ORANGE).pos(Pos::new(HPos::Left, VPos::Bottom));
        area.draw(&Text::new(text.to_owned(), (x + 10, y - 60), style))?;
    }
    area.present()?;
    Ok(())
}
