//! Plots of the dashboard's queries over the story of the scene: what a person would see in
//! Grafana, for the docs. `make plots` writes them.

use std::fmt::Write as _;

use super::metrics::panels;
use super::scene::scene;
use crate::render::root;
use crate::world::WAIT;

const COLUMNS: usize = 4;
const WIDTH: f64 = 280.0;
const HEIGHT: f64 = 190.0;
/// The area of the lines inside a plot: left, top, right, bottom.
const AREA: [f64; 4] = [44.0, 30.0, 270.0, 120.0];
const COLOURS: [&str; 8] =
    ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf"];

/// One line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// What a query says over the time of the story.
fn lines(query: &str, legend: &str, start: f64, end: f64) -> Vec<Line> {
    let (from, to) = (start.to_string(), end.to_string());
    let parameters = [("query", query), ("start", from.as_str()), ("end", to.as_str()), ("step", "1")];
    let data = scene().prometheus.ask("query_range", &parameters).unwrap();
    let series = data["result"].as_array().unwrap().iter();
    let line = |series: &serde_json::Value| {
        let mut name = legend.to_owned();
        for (label, value) in series["metric"].as_object().unwrap() {
            name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap());
        }
        let points = series["values"].as_array().unwrap().iter().filter_map(|point| {
            let value: f64 = point[1].as_str()?.parse().ok()?;
            value.is_finite().then_some((point[0].as_f64()? - start, value))
        });
        Line { name, points: points.collect() }
    };
    series.map(line).filter(|line| !line.points.is_empty()).collect()
}

fn plot(title: &str, lines: &[Line], seconds: f64) -> String {
    let [left, top, right, bottom] = AREA;
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let x = |time: f64| left + time / seconds * (right - left);
    let y = |value: f64| bottom - value / most * (bottom - top);
    let mut svg = format!(
        "<text x=\"8\" y=\"18\" font-weight=\"bold\">{title}</text>\
         <path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#999\"/>\
         <text x=\"4\" y=\"{}\">{}</text><text x=\"30\" y=\"{bottom}\">0</text>",
        top + 6.0,
        short(most)
    );
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = line.points.iter().map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value)));
        let points: Vec<String> = points.collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            points.join(" ")
        );
    }
    for (number, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate().take(8) {
        let (column, row) = ((number % 2) as f64, (number / 2) as f64);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            8.0 + column * 136.0,
            138.0 + row * 13.0,
            line.name
        );
    }
    svg
}

/// A number of three digits or so.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0}M", value / 1e6),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 0.1 => format!("{value:.1}"),
        value => format!("{:.1}m", value * 1e3),
    }
}

#[test]
fn every_panel_can_be_drawn() {
    let end = jiff::Zoned::now().timestamp().as_second() as f64;
    let first = lines("presign_objects", "", end - WAIT.as_secs_f64() * 2.0, end);
    let first = first.iter().filter_map(|line| line.points.first()).map(|(time, _)| *time);
    let seconds = WAIT.as_secs_f64() * 2.0 - first.fold(f64::INFINITY, f64::min);
    assert!(seconds > 5.0, "{seconds} s are no story");
    let mut svg = String::new();
    let panels = panels();
    for (number, (title, queries)) in panels.iter().enumerate() {
        let lines: Vec<Line> =
            queries.iter().flat_map(|(query, legend)| lines(query, legend, end - seconds, end)).collect();
        assert!(!lines.is_empty(), "{title}");
        let (column, row) = ((number % COLUMNS) as f64, (number / COLUMNS) as f64);
        let place = format!("translate({} {})", column * WIDTH, row * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"{place}\">{}</g>", plot(title, &lines, seconds));
    }
    let (width, height) = (COLUMNS as f64 * WIDTH, panels.len().div_ceil(COLUMNS) as f64 * HEIGHT);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{svg}</svg>\n"
    );
    write_if_asked(&svg);
}

#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
fn write_if_asked(svg: &str) {
    if std::env::var("PRESIGN_WRITE_PLOTS").is_ok() {
        let folder = root().join("docs/images");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("dashboard.svg"), svg).unwrap();
    }
}
