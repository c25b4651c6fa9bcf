//! The plot: bars of CPU per record with their ranges, or with `--rate` latencies by percentile.
//!
//! An SVG with text as text: no font is needed to write it.

use std::path::Path;

use facteur_peers::Outcome;
use plotters::prelude::*;

use crate::figures::{Figures, quantile};

const WIDTH: u32 = 900;
const BAR_HEIGHT: u32 = 34;
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(140, 86, 75),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
];
/// Latencies are drawn up to this many nines: five are the thousandth part of a per cent.
const NINES: f64 = 4.0;
const STEPS_PER_NINE: u32 = 40;

/// # Errors
/// Nothing was measured, or the file cannot be written.
pub fn draw(path: &Path, title: &str, figures: &[Figures]) -> Outcome<()> {
    if figures.is_empty() {
        return Err("--plot: nothing was measured".into());
    }
    let drawn = if figures.iter().any(|it| it.latencies_us.is_some()) {
        latencies(path, title, figures)
    } else {
        bars(path, title, figures)
    };
    drawn.map_err(|error| format!("--plot {}: {error}", path.display()).into())
}

fn bars(path: &Path, title: &str, figures: &[Figures]) -> Outcome<()> {
    let height = 130 + BAR_HEIGHT * u32::try_from(figures.len())?;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let most = figures.iter().map(|it| it.cpu_ns.most).fold(1.0, f64::max) * 1.12;
    let count = figures.len();
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .caption(title, ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(250)
        .build_cartesian_2d(0.0..most, (0..count - 1).into_segmented())?;
    // From top to bottom in the order of the table.
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => {
            figures.get(count - 1 - place).map_or_else(String::new, |it| it.label.clone())
        }
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .max_light_lines(1)
        .label_style(("sans-serif", 16))
        .axis_desc_style(("sans-serif", 16))
        .x_desc("ns of CPU per record: median, and range over the rounds (less is better)")
        .x_label_formatter(&|ns| format!("{ns:.0}"))
        .y_labels(count)
        .y_label_formatter(&label)
        .draw()?;
    for (place, it) in figures.iter().rev().enumerate() {
        let colour = COLOURS[usize::from(it.name != "facteur")];
        let spread = it.cpu_ns;
        let (low, high) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
        let mut bar = Rectangle::new([(0.0, low), (spread.median, high)], colour.mix(0.75).filled());
        bar.set_margin(6, 6, 0, 0);
        let at = |ns: f64| (ns, SegmentValue::CenterOf(place));
        chart.draw_series([bar])?;
        chart.draw_series([PathElement::new([at(spread.least), at(spread.most)], BLACK)])?;
        chart.draw_series([EmptyElement::at(at(spread.most))
            + Text::new(format!("{:.0}", spread.median), (6, -6), ("sans-serif", 16))])?;
    }
    Ok(root.present()?)
}

fn latencies(path: &Path, title: &str, figures: &[Figures]) -> Outcome<()> {
    let root = SVGBackend::new(path, (WIDTH, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let ms = |it: &Figures, share: f64| f64::from(quantile(&it.all_latencies_us, share)) / 1000.0;
    let share = |nines: f64| 1.0 - 10_f64.powf(-nines);
    let most = figures.iter().map(|it| ms(it, share(NINES))).fold(0.1, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .caption(title, ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..NINES, 0.0..most)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .label_style(("sans-serif", 16))
        .axis_desc_style(("sans-serif", 16))
        .x_desc("percentile of all rounds together")
        .y_desc("latency from the time at which a record ought to have been sent, ms")
        .x_labels(5)
        .x_label_formatter(&|nines| format!("{}", (share(*nines) * 1e6).round() / 1e4))
        .draw()?;
    for (place, it) in figures.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let steps = 0..=(NINES as u32 * STEPS_PER_NINE);
        let line = steps.map(|step| {
            let nines = f64::from(step) / f64::from(STEPS_PER_NINE);
            (nines, ms(it, share(nines)))
        });
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(it.label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font(("sans-serif", 16))
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(root.present()?)
}
