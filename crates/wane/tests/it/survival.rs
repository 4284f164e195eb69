//! Return of interest beside lifelines (fixtures/survival.py), and on laws whose truth is known.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use wane::decay::survival::{
    Gaps, ReturnLaw, Unfit, best_law, fit_law, kaplan_meier, left_at, log_rank, median,
};
use wane::events::MILLIS_PER_DAY;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/survival.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::INFINITY)).collect()
}

fn gaps(set: &Value) -> Gaps {
    let seen = set["seen"].as_array().unwrap().iter().map(|seen| seen.as_bool().unwrap());
    Gaps::new(numbers(&set["millis"]).into_iter().map(|millis| millis as i64).zip(seen))
}

fn near(what: &str, own: f64, theirs: f64, relative: f64) {
    assert!((own - theirs).abs() <= relative * theirs.abs(), "{what}: {own} is not {theirs}");
}

#[test]
fn the_curve_is_that_of_lifelines() {
    for (name, set) in fixture()["sets"].as_object().unwrap() {
        let curve = kaplan_meier(&gaps(set));
        let theirs = &set["curve"];
        assert_eq!(curve.len() - 1, theirs["days"].as_array().unwrap().len(), "{name}");
        let columns = ["days", "share", "low", "high"].map(|column| numbers(&theirs[column]));
        for (place, own) in curve[1..].iter().enumerate() {
            for (own, theirs) in [own.days, own.share, own.low, own.high].into_iter().zip(&columns) {
                assert!((own - theirs[place]).abs() < 1e-9, "{name} {place}: {own} is not {}", theirs[place]);
            }
        }
        let own = median(&curve);
        let interval = numbers(&theirs["median_interval"]);
        match theirs["median"].as_f64().filter(|median| median.is_finite()) {
            Some(median) => {
                let own = own.unwrap();
                assert_eq!([own.value, own.low, own.high], [median, interval[0], interval[1]], "{name}");
            }
            None => assert_eq!(own, None, "{name}"),
        }
    }
}

fn check_law(what: &str, gaps: &Gaps, law: ReturnLaw, is_cured: bool, theirs: &Value) {
    let own = fit_law(gaps, law, is_cured).unwrap();
    near(what, own.log_likelihood, theirs["log_likelihood"].as_f64().unwrap(), 1e-7);
    for parameter in &own.parameters {
        let theirs = numbers(&theirs["parameters"][parameter.name]);
        let what = format!("{what} {}", parameter.name);
        near(&what, parameter.value, theirs[0], 1e-4);
        near(&format!("{what}'s error"), parameter.standard_error, theirs[1], 1e-4);
    }
    if let Some(median) = theirs["median"].as_f64() {
        near(&format!("{what} median"), own.half_life_days.value, median, 1e-4);
    }
}

#[test]
fn laws_are_those_of_lifelines() {
    for (name, set) in fixture()["sets"].as_object().unwrap() {
        let gaps = gaps(set);
        for law in [ReturnLaw::Exponential, ReturnLaw::Weibull, ReturnLaw::LogNormal, ReturnLaw::LogLogistic]
        {
            check_law(&format!("{name}, {}", law.name()), &gaps, law, false, &set["laws"][law.name()]);
        }
        if set["cured_weibull"].is_object() {
            check_law(name, &gaps, ReturnLaw::Weibull, true, &set["cured_weibull"]);
        }
    }
}

#[test]
fn the_test_of_equality_is_that_of_lifelines() {
    let fixture = fixture();
    let of = |name: &str| gaps(&fixture["sets"][name]);
    let all: Vec<Gaps> = fixture["sets"].as_object().unwrap().values().map(gaps).collect();
    let check = |groups: &[&Gaps], theirs: &Value| {
        let own = log_rank(groups).unwrap();
        near("statistic", own.statistic, theirs["statistic"].as_f64().unwrap(), 1e-6);
        near("p", own.p_value, theirs["p_value"].as_f64().unwrap(), 1e-6);
    };
    let pair = [&of("weibull"), &of("log-normal by hours")];
    check(&pair, &fixture["log_rank"]["weibull, log-normal by hours"]);
    check(&[&of("by days"), &gaps(&fixture["alike"])], &fixture["alike"]);
    check(&all.iter().collect::<Vec<_>>(), &fixture["all"]);
    assert_eq!(log_rank(&[&of("weibull"), &Gaps::default()]), None);
}

/// Ages drawn by a law, each watched for up to some days.
fn drawn(n: usize, seed: u64, watched: f64, mut age: impl FnMut(&mut StdRng) -> f64) -> Gaps {
    let mut random = StdRng::seed_from_u64(seed);
    let lengths = (0..n).map(|_| {
        let (age, end) = (age(&mut random), random.random_range(0.3 * watched..watched));
        ((age.min(end) * MILLIS_PER_DAY as f64) as i64, age <= end)
    });
    Gaps::new(lengths.collect::<Vec<_>>())
}

fn exponential(random: &mut StdRng, scale: f64) -> f64 {
    -(1.0 - random.random::<f64>()).ln() * scale
}

fn normal(random: &mut StdRng) -> f64 {
    let angle = std::f64::consts::TAU * random.random::<f64>();
    (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt() * angle.cos()
}

#[test]
fn goods_that_run_out_show_their_bump() {
    // A third is the same errand, the rest comes back after some thirty days.
    let gaps = drawn(20_000, 3, 120.0, |random| {
        if random.random::<f64>() < 0.33 {
            exponential(random, 0.2)
        } else {
            (30f64.ln() + 0.3 * normal(random)).exp()
        }
    });
    let best = best_law(&gaps, &ReturnLaw::ALL).unwrap();
    assert_eq!(best.law, ReturnLaw::ExponentialAndLogNormal);
    assert!(best.never_returns.is_none() || best.never_returns.unwrap().value < 0.01, "{best:?}");
    let bump = best.bump_days.unwrap();
    assert!((25.0..30.0).contains(&bump), "{bump}");
    assert!(best.misfit < 0.02, "{}", best.misfit);
    for (name, truth) in [("scale", 0.2), ("mu", 30f64.ln()), ("sigma", 0.3), ("exponential share", 0.33)] {
        let parameter = best.parameters.iter().find(|parameter| parameter.name == name).unwrap();
        assert!(
            (parameter.value - truth).abs() < 4.0 * parameter.standard_error,
            "{parameter:?} is not {truth}"
        );
    }
}

/// Intervals hold the truth as often as they say, and the chosen law is rarely a stranger.
#[test]
fn intervals_of_the_half_life_cover_it() {
    let (mut covered, mut never) = (0, 0);
    const SETS: u64 = 200;
    for seed in 0..SETS {
        let gaps = drawn(400, seed, 40.0, |random| {
            if random.random::<f64>() < 0.3 { f64::INFINITY } else { exponential(random, 5.0) }
        });
        let fitted = fit_law(&gaps, ReturnLaw::Exponential, true).unwrap();
        let (half_life, cured) = (fitted.half_life_days, fitted.never_returns.unwrap());
        covered += u32::from((half_life.low..half_life.high).contains(&(5.0 * std::f64::consts::LN_2)));
        never += u32::from((cured.low..cured.high).contains(&0.3));
    }
    // 95 % of 200 with a standard deviation of three.
    assert!((180..=199).contains(&covered), "{covered}");
    assert!((180..=199).contains(&never), "{never}");
}

#[test]
fn hopeless_gaps_say_why() {
    let few = Gaps::new((1..6).map(|day| (day * MILLIS_PER_DAY, true)));
    assert_eq!(best_law(&few, &ReturnLaw::ALL), Err(Unfit::TooFew(5)));
    let alike = Gaps::new((0..500).map(|_| (MILLIS_PER_DAY, true)));
    // One rate fits even these; a law with a spread runs to its edge.
    assert!(fit_law(&alike, ReturnLaw::Exponential, false).is_ok());
    assert_eq!(fit_law(&alike, ReturnLaw::Weibull, false), Err(Unfit::AtTheEdge("shape")));
    assert!(best_law(&alike, &ReturnLaw::ALL).unwrap().half_life_days.value > 0.0);
    assert_eq!(best_law(&Gaps::default(), &ReturnLaw::ALL), Err(Unfit::TooFew(0)));
}

#[test]
fn every_law_converges_or_says_why() {
    for seed in 0..40 {
        let shape = 0.3 + 0.1 * (seed % 20) as f64;
        let n = 12 + 37 * seed as usize;
        let gaps = drawn(n, seed, 10f64.powf(seed as f64 / 12.0), |random| {
            exponential(random, 1.0).powf(1.0 / shape)
        });
        for law in ReturnLaw::ALL {
            for is_cured in [false, true] {
                match fit_law(&gaps, law, is_cured) {
                    Ok(fitted) => {
                        assert!(
                            fitted
                                .parameters
                                .iter()
                                .all(|own| own.value.is_finite() && own.standard_error.is_finite())
                        );
                        assert!(fitted.half_life_days.value > 0.0 && fitted.misfit <= 1.0);
                    }
                    Err(Unfit::NoTop) => panic!("{law:?} {is_cured} on {n} gaps of seed {seed}"),
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn a_fitted_law_follows_the_curve() {
    let gaps = drawn(30_000, 5, 60.0, |random| exponential(random, 4.0).powf(1.3));
    let (fitted, curve) = (best_law(&gaps, &ReturnLaw::ALL).unwrap(), kaplan_meier(&gaps));
    for days in [0.5, 2.0, 8.0, 20.0] {
        let left = left_at(&curve, days).unwrap();
        assert!((fitted.left(days) - left.share).abs() < 0.01, "{days}");
        assert!((left.low..=left.high).contains(&left.share));
    }
}
