//! The report is one sound page whatever it is given: hostile names, no data, too much data, figures that are none.

use wane::eval::report::{
    Bin, CourseAhead, Curve, DriftCourse, ExampleUser, InterestCourse, Law, Model, Overview, Part, PastEvent,
    Reason, Recommendation, Remark, Report, ReturnCell, RowAccount, TruthRow, TypeSeries, render,
};
use wane::eval::{Bin as Reliability, Estimate, ForecastResult, Severity};
use wane::events::Timestamp;

/// Names as a shop's database may hold them.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & ]]> --> 日本語 \u{0}\u{202e}é🦀";

/// Elements of HTML that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// Panics unless every element is closed in its turn, and returns the number of elements.
fn check_balance(page: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut elements = 0;
    for tag in page.split('<').skip(1).map(|rest| rest.split_once('>').expect("a `<` without a `>`").0) {
        let name = tag.split_whitespace().next().expect("a `<` before a space");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of turn");
        } else if !name.starts_with('!') && !VOID.contains(&name) {
            open.push(name);
            elements += 1;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "an attribute without an end: {tag}");
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    elements
}

fn check(report: &Report) -> String {
    let page = render(report);
    check_balance(&page);
    for forbidden in ["<script", "<img", "src=", "href=\"http", "url(", "@import", "NaN", ">inf", "=\"inf"] {
        let found = page.find(forbidden).map(|at| page[at..].chars().take(80).collect::<String>());
        assert_eq!(found.filter(|_| !hostile(report) || forbidden != "src="), None, "{forbidden}");
    }
    page
}

/// Hostile names may be read on the page, as text.
fn hostile(report: &Report) -> bool {
    report.title == HOSTILE
}

fn estimate(value: f64) -> Estimate {
    Estimate { value, lo: value - 0.01, hi: value + 0.01 }
}

fn model(name: &str, value: f64) -> Model {
    let metrics = vec![("ndcg@10".to_owned(), estimate(value)), ("hr@5".to_owned(), estimate(value * 2.0))];
    Model {
        name: name.into(),
        fit_seconds: value,
        predict_us: 20.0,
        metrics: metrics.clone(),
        difference: vec![("ndcg@10".into(), estimate(value / 2.0))],
        parts: vec![Part { name: name.into(), targets: 3, metrics }],
        curves: vec![Curve { metric: "ndcg".into(), points: vec![(1, value), (2, f64::NAN), (20, value)] }],
    }
}

fn user(name: &str, events: usize) -> ExampleUser {
    let as_of = Timestamp::from_millis(1_700_000_000_000);
    let past = |n: usize| PastEvent {
        item: name.into(),
        event_type: format!("{name}{}", n % 9),
        time: as_of.plus_days(-(n as f64)),
    };
    let reason = |share| Reason { label: name.into(), event_type: name.into(), share };
    ExampleUser {
        user: name.into(),
        as_of,
        model: name.into(),
        history: (0..events).map(past).collect(),
        recommendations: vec![Recommendation {
            item: name.into(),
            score: 1.5,
            reasons: vec![reason(2.0), reason(-1.0), reason(f64::NAN), reason(0.1)],
            remainders: vec![(name.into(), 0.4)],
        }],
    }
}

/// A cell with a half-life that may be no number, an interval without an upper end, and hardly a curve.
fn returns(name: &str, half_life: f64) -> ReturnCell {
    ReturnCell {
        label: name.into(),
        gaps: 40,
        half_life: Estimate { value: half_life, lo: half_life / 2.0, hi: f64::INFINITY },
        never: Some(0.2),
        law: name.into(),
        counted: vec![(0.0, 1.0, 1.0, 1.0), (3.0, 0.5, 0.4, f64::NAN)],
        by_law: vec![(0.0, 1.0), (3.0, 0.6)],
        drift: Some(DriftCourse {
            p_value: f64::NAN,
            paces: vec![(
                (Timestamp::from_millis(0), Timestamp::from_millis(0)),
                Estimate { value: half_life, lo: 0.0, hi: f64::INFINITY },
            )],
        }),
    }
}

fn course(name: &str, days: f64) -> InterestCourse {
    let ahead = |step: u32| CourseAhead {
        days: days * f64::from(step),
        per_day: 0.4,
        events: Estimate { value: 0.4 * f64::from(step), lo: 0.0, hi: f64::from(step) },
    };
    InterestCourse {
        label: name.into(),
        probability: 0.3,
        half_life_days: Some(days),
        past: vec![(-days, 0.1), (0.0, 0.5)],
        ahead: (1..5).map(ahead).collect(),
        events: vec![-days, -0.01],
    }
}

fn forecast(name: &str) -> ForecastResult {
    let bin = |share: f64| Reliability { probability: share, came: share * 1.1, pairs: 9, by_chance: 0.1 };
    ForecastResult {
        model: name.into(),
        brier: estimate(0.06),
        log_likelihood: estimate(-0.2),
        ece: 0.01,
        ece_by_chance: 0.002,
        auc: 0.8,
        brier_difference: None,
        log_likelihood_difference: Some(Estimate { value: 0.1, lo: f64::NAN, hi: f64::NAN }),
        reliability: vec![bin(0.01), bin(0.2)],
    }
}

/// A report with this name in every place that takes one.
fn full(name: &str, models: usize, types: usize) -> Report {
    let bin = |count| Bin { label: name.into(), count };
    let series = |n: usize| TypeSeries {
        name: format!("{name}{n}"),
        events: n as u64,
        days: vec![(Timestamp::from_millis(n as i64 * 86_400_000), n as u64)],
    };
    Report {
        title: name.into(),
        files: vec![name.into(); 9],
        protocol: vec![name.into()],
        overview: Overview {
            events: 10,
            users: 2,
            items: 3,
            span: Some((Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))),
            types: (0..types).map(series).collect(),
            gaps: vec![bin(3), bin(0)],
            events_per_user: Bin::doubling([1, 5, 9]),
            top_items: vec![bin(7); 12],
        },
        rows: RowAccount { read: 20, accepted: 10, rejected: vec![bin(4)], dropped: vec![bin(5)] },
        leakage: vec![Remark { severity: Severity::Leak, sentence: name.into() }],
        main_metric: String::new(),
        reference: Some(format!("{name}1")),
        models: (0..models).map(|n| model(&format!("{name}{n}"), 0.3 / (n + 1) as f64)).collect(),
        laws: vec![Law { label: name.into(), half_life_days: 2.0, points: vec![(0.0, 1.0), (2.0, 0.5)] }; 20],
        truth: vec![TruthRow { label: name.into(), fitted: estimate(1.0), truth: 1.1 }],
        returns: vec![returns(name, 2.0), returns(name, f64::NAN), returns(name, f64::INFINITY)],
        interests: vec![course(name, 3.0), InterestCourse { label: name.into(), ..Default::default() }],
        forecasts: vec![forecast(name); 3],
        users: vec![user(name, 500), user(name, 0)],
        settings: vec![(name.into(), name.into())],
    }
}

#[test]
fn a_report_with_everything_is_sound() {
    let page = check(&full("plain", 3, 4));
    for heading in [
        "Result",
        "How soon users come back",
        "Interests",
        "How reliable forecasts are",
        "The data",
        "Leakage check",
        "Models compared",
        "How interest decays",
        "Example users",
    ] {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    assert!(page.contains(
        "plain0</strong> ranks best: its NDCG@10 of 0.3000 is <strong>100 %</strong> above plain1"
    ));
    assert!(page.contains("no reason was recorded"), "the row that nobody accounts for is named");
    assert_eq!(page.matches("<svg").count(), page.matches("</desc>").count(), "every figure is described");
    assert_eq!(page, render(&full("plain", 3, 4)), "the same data make the same page");
}

#[test]
fn hostile_names_stay_text() {
    let page = check(&full(HOSTILE, 3, 3));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains("onerror=\"") && !page.contains("<img"));
    assert!(!page.contains(['\u{0}', '\u{202e}']), "a name must not turn the text around it");
}

#[test]
fn long_names_are_cut() {
    let page = check(&full(&"long name ".repeat(50), 2, 2));
    assert!(page.contains('…'));
}

#[test]
fn too_many_of_everything() {
    let page = check(&full("many", 30, 40));
    assert!(page.contains("32 more types"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn nothing_at_all() {
    let page = check(&Report::default());
    assert!(page.contains("No model was judged by NDCG@10."));
    check(&Report { models: vec![Model::default()], users: vec![user("", 0)], ..Report::default() });
    check(&Report { rows: RowAccount { read: 1, ..RowAccount::default() }, ..Report::default() });
}

#[test]
fn one_model_on_one_day() {
    let mut report = full("one", 1, 1);
    report.reference = None;
    assert!(check(&report).contains("one0</strong> reaches NDCG@10 of 0.3000"));
}

#[test]
fn what_is_not_a_number_is_a_dash() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut report = full("bad", 3, 2);
        let estimate = Estimate { value: bad, lo: bad, hi: bad };
        report.models[1].metrics[0].1 = estimate;
        report.models[1].difference[0].1 = estimate;
        report.models[1].fit_seconds = bad;
        report.models[2].curves[0].points = vec![(1, bad), (2, bad)];
        report.truth[0] = TruthRow { label: "law".into(), fitted: estimate, truth: bad };
        report.laws[0] =
            Law { label: "law".into(), half_life_days: bad, points: vec![(bad, bad), (1.0, bad)] };
        report.users[0].recommendations[0].score = bad;
        report.users[0].recommendations[0].reasons[0].share = bad;
        assert!(check(&report).contains("<td>–</td>"));
    }
}

#[test]
fn times_at_the_ends_of_the_calendar() {
    let mut report = full("ends", 2, 2);
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    report.overview.span = Some((first, last));
    report.overview.types[0].days = vec![(first, 1), (last, u64::MAX)];
    report.users[0].history[0].time = first;
    report.users[0].history[1].time = last;
    check(&report);
}
