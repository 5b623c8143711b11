//! The dashboard over the story of the scene, drawn as Grafana shows it with its defaults: its
//! places, units, colours and a time axis. `make plots` writes it for the docs.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels and ticks are small whole numbers"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::metrics::{Panel, panels};
use super::scene::scene;
use crate::render::root;
use crate::world::WAIT;

/// Of one unit of Grafana's grid, which has 24 columns.
const UNIT: (i32, i32) = (50, 30);
const COLUMNS: u32 = 24;
const BACKGROUND: RGBColor = RGBColor(0x11, 0x12, 0x17);
const PANEL: RGBColor = RGBColor(0x18, 0x1b, 0x1f);
const GRID: RGBColor = RGBColor(0x2a, 0x2d, 0x33);
const TEXT: RGBColor = RGBColor(0xcc, 0xcc, 0xdc);
/// Grafana's classic palette, in its order.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0x73, 0xbf, 0x69),
    RGBColor(0xf2, 0xcc, 0x0c),
    RGBColor(0x8a, 0xb8, 0xff),
    RGBColor(0xff, 0x78, 0x0a),
    RGBColor(0xf2, 0x49, 0x5c),
    RGBColor(0x57, 0x94, 0xf2),
    RGBColor(0xb8, 0x77, 0xd9),
    RGBColor(0x70, 0x5d, 0xa0),
];
/// Its names of colours, as the dashboard uses them.
const NAMED: [(&str, RGBColor); 4] = [
    ("green", RGBColor(0x73, 0xbf, 0x69)),
    ("yellow", RGBColor(0xfa, 0xde, 0x2a)),
    ("orange", RGBColor(0xff, 0x98, 0x30)),
    ("red", RGBColor(0xf2, 0x49, 0x5c)),
];
const LEGEND_ROW: i32 = 15;
/// Seconds without a point that end a line.
const GAP: f64 = 2.5;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// One line of a panel.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

impl Line {
    fn last(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, value)| *value)
    }
}

/// The time that is shown, and how to tell it: in seconds after a full ten.
struct Span {
    full_ten: f64,
    start: f64,
    end: f64,
}

impl Span {
    fn clock(&self, time: f64) -> String {
        let second = (self.full_ten + time).round() as i64;
        Timestamp::from_second(second).unwrap().strftime("%H:%M:%S").to_string()
    }
}

/// What a query says over a time.
fn lines(query: &str, legend: &str, span: &Span) -> Vec<(String, Vec<(f64, f64)>)> {
    let (from, to) = ((span.full_ten + span.start).to_string(), (span.full_ten + span.end).to_string());
    let parameters = [("query", query), ("start", from.as_str()), ("end", to.as_str()), ("step", "1")];
    let data = scene().prometheus.ask("query_range", &parameters).unwrap();
    let series = data["result"].as_array().unwrap().iter();
    let line = |series: &Value| {
        let mut name = legend.to_owned();
        for (label, value) in series["metric"].as_object().unwrap() {
            name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap());
        }
        let points = series["values"].as_array().unwrap().iter().filter_map(|point| {
            let value: f64 = point[1].as_str()?.parse().ok()?;
            value.is_finite().then_some((point[0].as_f64()? - span.full_ten, value))
        });
        (name, points.collect::<Vec<_>>())
    };
    series.map(line).filter(|(_, points)| !points.is_empty()).collect()
}

/// The lines of a panel in the colours that Grafana gives them.
fn lines_of(panel: &Panel, span: &Span) -> Vec<Line> {
    let found = panel.queries.iter().flat_map(|(query, legend)| lines(query, legend, span));
    let colour = |name: &str, number: usize| {
        let overrides = panel.definition["fieldConfig"]["overrides"].as_array().unwrap();
        let fixed = overrides.iter().find(|fixed| fixed["matcher"]["options"] == name);
        let fixed = fixed.and_then(|fixed| fixed["properties"][0]["value"]["fixedColor"].as_str());
        fixed.map_or_else(
            // The default threshold of a stat.
            || PALETTE[if panel.is_stat() { 0 } else { number % PALETTE.len() }],
            |fixed| NAMED.iter().find(|(name, _)| *name == fixed).unwrap().1,
        )
    };
    let scale = if panel.unit() == "bytes" { f64::from(1 << 20) } else { 1.0 };
    let scaled =
        |points: Vec<(f64, f64)>| points.into_iter().map(|(time, value)| (time, value / scale)).collect();
    found
        .enumerate()
        .map(|(number, (name, points))| Line { colour: colour(&name, number), name, points: scaled(points) })
        .collect()
}

/// A value with its unit, as Grafana writes it.
fn with_unit(value: f64, unit: &str) -> String {
    let short = |value: f64| {
        let text = if value.abs() < 0.1 { format!("{value:.3}") } else { format!("{value:.2}") };
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match (unit, value.abs()) {
        ("s", 0.0) => "0 s".to_owned(),
        ("s", size) if size < 1e-3 => format!("{} µs", short(value * 1e6)),
        ("s", size) if size < 1.0 => format!("{} ms", short(value * 1e3)),
        ("s", size) if size < 120.0 => format!("{} s", short(value)),
        ("s", size) if size < 7200.0 => format!("{} min", short(value / 60.0)),
        ("s", _) => format!("{} hours", short(value / 3600.0)),
        // In MiB already, so that ticks are whole numbers.
        ("bytes", _) => format!("{} MiB", short(value)),
        ("percentunit", _) => format!("{} %", short(value * 100.0)),
        ("ops", _) => format!("{} ops/s", short(value)),
        ("reqps", _) => format!("{} req/s", short(value)),
        _ => short(value),
    }
}

fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    // plotters divides by that when it writes the size into the SVG.
    ("sans-serif", f64::from(size) * 1.24).into_font().color(&colour)
}

fn draw_panel(area: &Area<'_>, panel: &Panel, lines: &[Line], span: &Span) -> Drawn {
    area.fill(&PANEL)?;
    area.draw(&Text::new(panel.title.clone(), (10, 8), font(13, TEXT)))?;
    let unit = panel.unit();
    let (_, below) = area.split_vertically(28);
    if panel.is_stat() {
        draw_stat(&below, lines, unit, span)
    } else {
        draw_series(&below, panel, lines, unit, span)
    }
}

/// The last value of each line, large, over its course.
fn draw_stat(area: &Area<'_>, lines: &[Line], unit: &str, span: &Span) -> Drawn {
    for (part, line) in area.split_evenly((1, lines.len())).iter().zip(lines) {
        let (width, height) = part.dim_in_pixel();
        let middle = (width as i32 / 2, height as i32 / 2 - 12);
        let centre = Pos::new(HPos::Center, VPos::Center);
        let most = line.points.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        let mut chart = ChartBuilder::on(part)
            .margin_top(height * 11 / 20)
            .build_cartesian_2d(span.start..span.end, 0.0..most * 1.05)?;
        let course = AreaSeries::new(line.points.iter().copied(), 0.0, line.colour.mix(0.15));
        chart.draw_series(course.border_style(line.colour))?;
        part.draw(&Text::new(with_unit(line.last(), unit), middle, font(34, line.colour).pos(centre)))?;
        if lines.len() > 1 {
            let above = (middle.0, middle.1 - 36);
            part.draw(&Text::new(line.name.clone(), above, font(13, TEXT).pos(centre)))?;
        }
    }
    Ok(())
}

fn draw_series(area: &Area<'_>, panel: &Panel, lines: &[Line], unit: &str, span: &Span) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let legend = legend(lines, width as i32);
    let rows = legend.iter().map(|(_, (_, row))| row + 1).max().unwrap_or(1);
    let (plot, below) = area.split_vertically(height as i32 - rows * LEGEND_ROW - 6);

    let is_stacked = panel.definition["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal";
    let layers = layers(lines, is_stacked);
    let tops = || layers.iter().flatten().map(|(_, _, top)| *top);
    let (least, most) = (tops().fold(0.0, f64::min), tops().fold(0.0, f64::max));
    let room = if most > least { (most - least) * 0.08 } else { 1.0 };
    let mut chart = ChartBuilder::on(&plot)
        .margin_right(14)
        .x_label_area_size(22)
        .y_label_area_size(66)
        .build_cartesian_2d(span.start..span.end, least..most + room)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .set_all_tick_mark_size(3)
        .x_labels(4)
        .y_labels(5)
        .label_style(font(11, TEXT))
        .x_label_formatter(&|time| span.clock(*time))
        .y_label_formatter(&|value| with_unit(*value, unit))
        .draw()?;
    for (line, layer) in lines.iter().zip(&layers) {
        for run in layer.chunk_by(|(before, ..), (after, ..)| after - before < GAP) {
            if is_stacked {
                let up = run.iter().map(|(time, _, top)| (*time, *top));
                let back = run.iter().rev().map(|(time, base, _)| (*time, *base));
                let between: Vec<_> = up.chain(back).collect();
                chart.draw_series([Polygon::new(between, line.colour.mix(0.3))])?;
            }
            let tops = run.iter().map(|(time, _, top)| (*time, *top));
            chart.draw_series(LineSeries::new(tops, line.colour.stroke_width(1)))?;
        }
    }
    for (line, (x, row)) in lines.iter().zip(legend).map(|(line, (_, place))| (line, place)) {
        let y = row * LEGEND_ROW + LEGEND_ROW / 2;
        below.draw(&Rectangle::new([(x, y - 1), (x + 14, y + 2)], line.colour.filled()))?;
        let style = font(11, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        below.draw(&Text::new(line.name.clone(), (x + 19, y), style))?;
    }
    Ok(())
}

/// Time, base and top of each point: the base is zero, or the top of the lines below.
fn layers(lines: &[Line], is_stacked: bool) -> Vec<Vec<(f64, f64, f64)>> {
    let mut heights: BTreeMap<i64, f64> = BTreeMap::new();
    let layer = |line: &Line| {
        let point = |(time, value): &(f64, f64)| {
            let height = heights.entry((time * 1e3) as i64).or_default();
            let base = if is_stacked { *height } else { 0.0 };
            *height += value;
            (*time, base, base + value)
        };
        line.points.iter().map(point).collect()
    };
    lines.iter().map(layer).collect()
}

/// Where the name of each line stands below the plot: from the left, and in which row.
fn legend(lines: &[Line], width: i32) -> Vec<(&str, (i32, i32))> {
    let (mut x, mut row) = (10, 0);
    let mut places = Vec::new();
    for line in lines {
        let needed = 34 + line.name.chars().count() as i32 * 6;
        if x > 10 && x + needed > width {
            (x, row) = (10, row + 1);
        }
        places.push((line.name.as_str(), (x, row)));
        x += needed;
    }
    places
}

fn draw(drawn: &[(Panel, Vec<Line>)], span: &Span) -> String {
    let place = |panel: &Panel, field: &str| panel.definition["gridPos"][field].as_i64().unwrap() as i32;
    let rows = drawn.iter().map(|(panel, _)| place(panel, "y") + place(panel, "h")).max().unwrap();
    let mut svg = String::new();
    let size = (COLUMNS * UNIT.0 as u32, (rows * UNIT.1) as u32);
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&BACKGROUND).unwrap();
        for (panel, lines) in drawn {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|field| place(panel, field));
            let corner = (x * UNIT.0 + 4, y * UNIT.1 + 4);
            let panel_area = area.clone().shrink(corner, (w * UNIT.0 - 8, h * UNIT.1 - 8));
            draw_panel(&panel_area, panel, lines, span).unwrap();
        }
        area.present().unwrap();
    }
    svg
}

#[test]
fn every_panel_can_be_drawn() {
    // Played first: what follows is about its time.
    scene();
    if is_asked() {
        // The last event of the story is to be seen.
        std::thread::sleep(Duration::from_secs(5));
    }
    let now = jiff::Zoned::now().timestamp().as_second() as f64;
    let mut span = Span { full_ten: now - now % 10.0, start: -WAIT.as_secs_f64() * 5.0, end: now % 10.0 };
    let first = lines("presign_objects", "", &span);
    let first = first.iter().filter_map(|(_, points)| points.first()).map(|(time, _)| *time);
    span.start = first.fold(f64::INFINITY, f64::min);
    // Ticks are at full tens, which the clock needs as well.
    let tens = (span.start / 10.0).floor() * 10.0;
    span = Span { full_ten: span.full_ten + tens, start: span.start - tens, end: span.end - tens };
    assert!(span.end - span.start > 5.0, "{} s are no story", span.end - span.start);
    let drawn: Vec<(Panel, Vec<Line>)> = panels()
        .into_iter()
        .map(|panel| {
            let lines = lines_of(&panel, &span);
            assert!(!lines.is_empty(), "{}", panel.title);
            (panel, lines)
        })
        .collect();
    let svg = draw(&drawn, &span);
    if is_asked() {
        std::fs::write(root().join("docs/images/dashboard.svg"), svg).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
fn is_asked() -> bool {
    std::env::var("PRESIGN_WRITE_PLOTS").is_ok()
}
