//! What the log looks like: events over time, rhythm, activity, favourites, and what became of every row.

use maud::{Markup, html};

use super::chart::{Bar, BarChart, COLOURS};
use super::days::{Days, TypeRow};
use super::number::{count, short_count, trimmed};
use super::page::{Section, figure};
use super::palette::Palette;
use super::svg::Alt;
use super::view::{Bin, Overview, Report, RowAccount, TypeSeries};

/// Width of a figure over half the column, in its own measure.
const HALF: f64 = 464.0;
/// Bars shown at most.
const BARS: usize = 24;

/// The section, unless nothing is known of the log.
pub(super) fn section(report: &Report) -> Option<Section> {
    let overview = &report.overview;
    let body = html! {
        (over_time(overview))
        div.pair {
            (histogram("Gaps between events", &overview.gaps, html! {
                b { "Rhythm. " } "How long a user waits between one event and the next, as numbers of such gaps."
            }))
            (histogram("Events per user", &overview.events_per_user, html! {
                b { "Activity. " } "Users by how many events they have; most logs have many with few."
            }))
        }
        (top_items(&overview.top_items))
        (rows(&report.rows))
    };
    let known = overview.events > 0 || !overview.top_items.is_empty() || report.rows.read > 0;
    known.then_some(Section { id: "data", heading: "The data", body })
}

fn over_time(overview: &Overview) -> Markup {
    let palette = Palette::of(overview);
    let Some(days) = Days::of(&overview.types) else { return html! {} };
    let (shown, rest) = palette.types().split_at(palette.types().len().min(COLOURS));
    let summed = summed(rest);
    let rows: Vec<TypeRow<'_>> = shown
        .iter()
        .copied()
        .chain(summed.as_ref())
        .map(|series| TypeRow { series, class: palette.class(&series.name) })
        .collect();
    figure(
        days.draw(&rows),
        html! {
            b { "Events per " (days.unit()) "." }
            " Each row has its own scale, whose top is written on the right, so that rare event types can be seen too."
            @if days.unit() != "day" { " The last column may not be a whole " (days.unit()) "." }
        },
    )
}

/// The types that have no row of their own, as one.
fn summed(rest: &[&TypeSeries]) -> Option<TypeSeries> {
    (!rest.is_empty()).then(|| TypeSeries {
        name: format!("{} more types", rest.len()),
        events: rest.iter().map(|series| series.events).sum(),
        days: rest.iter().flat_map(|series| series.days.iter().copied()).collect(),
    })
}

fn histogram(title: &str, bins: &[Bin], caption: Markup) -> Markup {
    let counted = bins.iter().any(|bin| bin.count > 0);
    html! { @if counted { (figure(counts(title, bins, HALF, 120.0), caption)) } }
}

fn counts(title: &str, bins: &[Bin], width: f64, names: f64) -> Markup {
    let most = bins.iter().max_by_key(|bin| bin.count);
    let description = most.map_or(String::new(), |most| format!("Most: {} ({})", most.label, most.count));
    let bar = |bin: &Bin| Bar {
        label: bin.label.clone(),
        value: bin.count as f64,
        word: short_count(bin.count as f64),
        ..Bar::default()
    };
    let bars = bins.iter().take(BARS).map(bar).collect();
    BarChart { alt: Alt { title, description: &description }, width, names, bars, mark: None }.draw()
}

fn top_items(items: &[Bin]) -> Markup {
    let shown = items.get(..items.len().min(10)).unwrap_or(items);
    let caption = html! { b { "Favourites. " } "The items with most events." };
    html! { @if !shown.is_empty() { (figure(counts("Top items", shown, 960.0, 320.0), caption)) } }
}

fn rows(rows: &RowAccount) -> Markup {
    let fates = [("Rejected", &rows.rejected), ("Dropped", &rows.dropped)];
    let told =
        rows.accepted + fates.iter().flat_map(|(_, bins)| bins.iter()).map(|bin| bin.count).sum::<u64>();
    let row = |what: &str, why: &str, number: u64| {
        let share = 100.0 * number as f64 / rows.read as f64;
        html! { tr { th scope="row" { (what) } td.words { (why) } td { (count(number)) } td { (trimmed(share, 2)) " %" } } }
    };
    html! {
        @if rows.read > 0 {
            table {
                caption { b { "Every row accounted for. " } "Rejected rows could not be understood; dropped ones could, and were left out." }
                thead { tr { th scope="col" { "Rows" } th.words scope="col" { "Why" } th scope="col" { "Number" } th scope="col" { "Share" } } }
                tbody {
                    (row("Accepted", "became events", rows.accepted))
                    @for (what, bins) in fates { @for bin in bins { (row(what, &bin.label, bin.count)) } }
                    @if told < rows.read { (row("Unexplained", "no reason was recorded", rows.read - told)) }
                }
            }
        }
    }
}
