//! One user's interests: how each came to be, and where it goes.

use maud::{Markup, html};

use super::chart::{Axis, Line, LineChart};
use super::comparison::axis;
use super::number::{duration, trimmed};
use super::page::{Section, figure};
use super::scale::Scale;
use super::svg::{Alt, clipped, dot, rule, text};
use super::view::{InterestCourse, Report};

/// Interests that are drawn; further ones are listed.
const DRAWN: usize = 6;
/// Interests that are listed.
const LISTED: usize = 60;
/// Events of an interest that are drawn, the latest.
const DOTS: usize = 200;

/// The section, unless no interests are known.
pub(super) fn section(report: &Report) -> Option<Section> {
    let courses = &report.interests;
    let body = html! {
        p.soft {
            "Each event makes a user want more of the same for a while. The line is the rate at which this user acts: up to now as past "
            "events made it, from now on as it is expected to go on."
        }
        @for course in courses.iter().take(DRAWN) { div.pair { (rates(course)) (counts(course)) } }
        (list(courses))
    };
    (!courses.is_empty()).then_some(Section { id: "interests", heading: "Interests", body })
}

/// The rate over time, with the user's events at its foot.
fn rates(course: &InterestCourse) -> Markup {
    let ahead: Vec<(f64, f64)> = course.ahead.iter().map(|step| (step.days, step.per_day)).collect();
    let begin = course.past.first().map_or(-1.0, |point| point.0);
    let end = ahead.last().map_or(1.0, |point| point.0);
    let rates = course.past.iter().chain(&ahead).map(|point| point.1).filter(|rate| rate.is_finite());
    let high = rates.fold(0.0, f64::max);
    let x = days_axis(begin, end);
    let y = axis(Scale::linear(0.0, high * 1.08, 232.0, 24.0), 4, "events per day");
    let now = x.scale.place(0.0);
    let shown = course.events.iter().rev().take(DOTS).filter(|&&day| day >= begin);
    let marks = html! {
        (rule("mark", (now, 20.0), (now, 232.0)))
        (text("tick", (now, 14.0), "middle", "now"))
        @for day in shown { (dot("dot s0", (x.scale.place(*day), 232.0), 3.5, &duration(-day))) }
    };
    let lines = vec![line("s0", course.past.clone()), line("s5", ahead)];
    let alt = Alt { title: &course.label, description: "Events per day, up to now and from now on" };
    let chart = LineChart { alt, width: 460.0, height: 280.0, x, y, lines, marks };
    figure(
        chart.draw(),
        html! {
            b { (clipped(&course.label, 60)) ". " }
            (percent(course.probability)) " act on it again by then"
            @if let Some(days) = course.half_life_days { "; what past events excite halves in " (duration(days)) }
            ". Dots are events."
        },
    )
}

/// How many events come until when.
fn counts(course: &InterestCourse) -> Markup {
    let points = |value: fn(&super::view::CourseAhead) -> f64| {
        std::iter::once((0.0, 0.0))
            .chain(course.ahead.iter().map(|step| (step.days, value(step))))
            .collect::<Vec<_>>()
    };
    let end = course.ahead.last();
    let high = end.map_or(1.0, |end| end.events.hi.max(end.events.value));
    let x = days_axis(0.0, end.map_or(1.0, |end| end.days));
    let y = axis(Scale::linear(0.0, high.max(1.0) * 1.08, 232.0, 24.0), 4, "events to come");
    let lines = vec![
        line("s0", points(|step| step.events.value)),
        line("rest", points(|step| step.events.lo)),
        line("rest", points(|step| step.events.hi)),
    ];
    let alt = Alt { title: &course.label, description: "Events until each day to come, with their interval" };
    let chart = LineChart { alt, width: 460.0, height: 280.0, x, y, lines, marks: html! {} };
    let words = end.map_or_else(String::new, |end| {
        format!(
            "{} expected within {}; {} to {} in 95 of 100 courses.",
            trimmed(end.events.value, 1),
            duration(end.days),
            trimmed(end.events.lo, 0),
            trimmed(end.events.hi, 0)
        )
    });
    figure(chart.draw(), html! { b { "Events to come. " } (words) })
}

fn line(class: &str, points: Vec<(f64, f64)>) -> Line {
    Line { label: String::new(), class: class.into(), points }
}

fn days_axis(begin: f64, end: f64) -> Axis {
    axis(Scale::linear(begin, end, 44.0, 440.0), 5, "days from now")
}

fn list(courses: &[InterestCourse]) -> Markup {
    let per_day = |course: &InterestCourse| course.ahead.first().map_or(f64::NAN, |step| step.per_day);
    html! {
        div.wide { table {
            caption { b { "All interests. " } "The likeliest first." @if courses.len() > LISTED { " Not all are shown." } }
            thead { tr {
                th scope="col" { "Interest" } th scope="col" { "probability" } th scope="col" { "events per day" }
                th scope="col" { "half-life now" } th scope="col" { "last event" }
            } }
            tbody { @for course in courses.iter().take(LISTED) { tr {
                th scope="row" { (clipped(&course.label, 60)) }
                td { (percent(course.probability)) }
                td { @if per_day(course).is_finite() { (trimmed(per_day(course), 3)) } @else { "–" } }
                td { (course.half_life_days.map_or_else(|| "–".to_owned(), duration)) }
                td { (course.events.last().map_or_else(|| "–".to_owned(), |day| format!("{} ago", duration(-day)))) }
            } } }
        } }
    }
}

fn percent(share: f64) -> String {
    format!("{} %", trimmed(100.0 * share, 1))
}
