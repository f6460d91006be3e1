//! Line plots as SVG, with both axes logarithmic, readable on light and on dark pages.

use std::fmt::Write as _;

/// Colours of the series, in turns; they stand out from white and from black.
const COLOURS: [&str; 8] =
    ["#2f81f7", "#e36209", "#2da44e", "#bf5af2", "#d1242f", "#9a8700", "#1b9e9e", "#8b949e"];

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// A plot of lines.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub title: String,
    /// What the x axis counts.
    pub x: String,
    /// What the y axis counts.
    pub y: String,
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub name: String,
    /// Both coordinates are positive.
    pub points: Vec<(f64, f64)>,
}

/// One axis: the powers of ten that it spans.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    start: f64,
    length: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, start: f64, length: f64) -> Self {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        if low.is_finite() {
            Self { low, high: high.max(low + 1.0), start, length }
        } else {
            Self { low: 0.0, high: 1.0, start, length }
        }
    }

    fn at(&self, value: f64) -> f64 {
        self.start + (value.log10() - self.low) / (self.high - self.low) * self.length
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        (0_u8..=18).map(move |step| low + f64::from(step)).filter(move |log| *log <= high)
    }
}

impl Plot {
    /// The plot as a document of its own.
    pub(super) fn to_svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::over(points().map(|point| point.0), LEFT, WIDTH - LEFT - RIGHT);
        let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT);
        let mut out = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>{}</title>
<style>
text {{ font: 12px sans-serif; fill: #1f2328; }}
.title {{ font-size: 15px; font-weight: bold; }}
.grid {{ stroke: #8b949e; stroke-opacity: 0.35; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3; }} }}
</style>
"#,
            escape(&self.title)
        );
        text(&mut out, (LEFT, 22.0), "class=\"title\"", &self.title);
        self.draw_axes(&mut out, &x, &y);
        for (index, series) in self.series.iter().enumerate() {
            draw_series(&mut out, &x, &y, index, series);
        }
        out.push_str("</svg>\n");
        out
    }

    fn draw_axes(&self, out: &mut String, x: &Axis, y: &Axis) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for log in x.ticks() {
            let at = x.at(10_f64.powf(log));
            line(out, (at, TOP), (at, bottom));
            let label = super::figures::tick(10_f64.powf(log));
            text(out, (at, bottom + 18.0), "text-anchor=\"middle\"", &label);
        }
        for log in y.ticks() {
            let at = y.at(10_f64.powf(log));
            line(out, (LEFT, at), (right, at));
            let label = super::figures::tick(10_f64.powf(log));
            text(out, (LEFT - 8.0, at + 4.0), "text-anchor=\"end\"", &label);
        }
        let middle = f64::midpoint(LEFT, right);
        text(out, (middle, bottom + 38.0), "text-anchor=\"middle\"", &self.x);
        text(out, (6.0, TOP - 6.0), "", &self.y);
    }
}

fn draw_series(out: &mut String, x: &Axis, y: &Axis, index: usize, series: &Series) {
    let colour = COLOURS[index % COLOURS.len()];
    // A second round through the colours is told apart by its dashes.
    let dashes = if index < COLOURS.len() { "" } else { " stroke-dasharray=\"5 4\"" };
    let mut path = String::new();
    for (number, point) in series.points.iter().enumerate() {
        let (at_x, at_y) = (x.at(point.0), y.at(point.1));
        let step = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{step}{at_x:.1} {at_y:.1}");
        let _ = writeln!(out, r#"<circle cx="{at_x:.1}" cy="{at_y:.1}" r="3" fill="{colour}"/>"#);
    }
    let stroke = format!("stroke=\"{colour}\" stroke-width=\"2\"{dashes}");
    let _ = writeln!(out, r#"<path d="{path}" fill="none" {stroke}/>"#);
    let (left, level) = (WIDTH - RIGHT + 16.0, f64::from(u8::try_from(index).unwrap_or(u8::MAX)));
    let level = TOP + 8.0 + 19.0 * level;
    let _ = writeln!(out, r#"<path d="M{left} {level}h22" fill="none" {stroke}/>"#);
    text(out, (left + 28.0, level + 4.0), "", &series.name);
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        r#"<line class="grid" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
    );
}

fn text(out: &mut String, at: (f64, f64), attributes: &str, content: &str) {
    let (x, y) = at;
    let content = escape(content);
    let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{content}</text>"#);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
