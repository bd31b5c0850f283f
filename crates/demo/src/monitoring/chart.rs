//! Lines over minutes, as an SVG.

use std::fmt::Write as _;

/// A line.
#[derive(Clone)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// Minutes and value.
    pub points: Vec<(f64, f64)>,
}

/// A chart with its lines.
pub struct Panel {
    /// What stands above it.
    pub title: &'static str,
    /// The lines.
    pub series: Vec<Series>,
}

/// A stretch of time that is marked.
pub struct Band {
    /// Minutes.
    pub from: f64,
    /// Minutes.
    pub to: f64,
    /// What it was.
    pub label: &'static str,
}

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 160.0;
const MARGIN: f64 = 44.0;
const COLORS: [&str; 4] = ["#1a7f5a", "#c47f00", "#b3261e", "#3b5bdb"];

/// A gap that is longer than this is no line.
const LONGEST_STEP: f64 = 0.2;

/// Four charts, two beside two.
pub fn picture(panels: &[Panel; 4], bands: &[Band], minutes: f64) -> String {
    let (width, height) = (2.0 * (WIDTH + 1.5 * MARGIN), 2.0 * (HEIGHT + 2.0 * MARGIN));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (n, panel) in panels.iter().enumerate() {
        let x = MARGIN
            + if n % 2 == 1 {
                WIDTH + 1.5 * MARGIN
            } else {
                0.0
            };
        let y = MARGIN + if n >= 2 { HEIGHT + 2.0 * MARGIN } else { 0.0 };
        draw(&mut svg, panel, bands, minutes, (x, y));
    }
    svg + "</svg>"
}

fn draw(svg: &mut String, panel: &Panel, bands: &[Band], minutes: f64, (x, y): (f64, f64)) {
    let top = nice_top(panel);
    let at = |time: f64| x + WIDTH * time / minutes;
    let up = |value: f64| y + HEIGHT * (1.0 - value / top);
    text(
        svg,
        (x, y - 26.0),
        "#111111",
        &format!("<tspan font-weight=\"bold\">{}</tspan>", panel.title),
    );
    for (band, color) in bands.iter().zip(["#f8efe2", "#f3e3e1"].iter().cycle()) {
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"{color}\"/>",
            at(band.from),
            at(band.to) - at(band.from)
        );
        let start = (at(band.from) + 2.0, y + 11.0);
        text(
            svg,
            start,
            "#8a5a55",
            &format!("<tspan font-size=\"8\">{}</tspan>", band.label),
        );
    }
    for part in [0.0, 0.5, 1.0] {
        let value = top * part;
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {0:.1}h{WIDTH}\" stroke=\"#dddddd\"/>",
            up(value)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#555555\" text-anchor=\"end\">{value}</text>",
            x - 5.0,
            up(value) + 4.0
        );
    }
    let ticks = [0.0, 4.0, 8.0, 12.0, 16.0];
    for tick in ticks.into_iter().filter(|tick| *tick <= minutes) {
        text(
            svg,
            (at(tick) - 18.0, y + HEIGHT + 15.0),
            "#555555",
            &format!("{tick} min"),
        );
    }
    let mut legend = x;
    for (series, color) in panel.series.iter().zip(COLORS.iter().cycle()) {
        let _ = writeln!(
            svg,
            "<path d=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.6\"/>",
            path(series, at, up)
        );
        text(
            svg,
            (legend, y - 10.0),
            color,
            &format!("■ {}", series.name),
        );
        legend += 22.0 + 7.2 * series.name.chars().count() as f64;
    }
}

fn path(series: &Series, at: impl Fn(f64) -> f64, up: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut last = f64::NEG_INFINITY;
    for (time, value) in &series.points {
        let command = if time - last > LONGEST_STEP { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", at(*time), up(*value));
        last = *time;
    }
    path
}

fn text(svg: &mut String, (x, y): (f64, f64), color: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{color}\">{text}</text>"
    );
}

/// A round number that all values are below: 1, 2 or 5 with zeros.
fn nice_top(panel: &Panel) -> f64 {
    let points = panel.series.iter().flat_map(|series| &series.points);
    let highest = points.map(|(_, value)| *value).fold(1e-9, f64::max);
    let power = 10f64.powf(highest.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let top = factors
        .into_iter()
        .map(|factor| factor * power)
        .find(|top| *top >= highest);
    top.unwrap_or(highest)
}
