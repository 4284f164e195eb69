//! `wane halflife`: tables for people, files for machines, a page to look at.

use serde_json::Value;
use wane::events::read::Table;

use super::run::{done, failure, wane};
use super::shop::shop;

const LOG: &str = "halflife shop/events.parquet --catalogue shop/catalogue.parquet";

#[test]
fn cells_are_printed_for_people() {
    let said = done(shop(), &format!("{LOG} --drift --show 3"));
    for words in [
        "By department, shortest first",
        "half-life",
        "Kaplan-Meier",
        "changed",
        "more cells with fewer gaps",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = done(shop(), "halflife shop/events.parquet --law weibull");
    assert!(said.contains("weibull") && !said.contains("shortest first"), "{said}");
}

#[test]
fn cells_are_written_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (parquet, csv, page) = (file("h.parquet"), file("h.csv"), file("h.html"));
    let line = format!("{LOG} --by category --json --out {parquet} --report {page}");
    let found: Value = serde_json::from_str(&done(shop(), &line)).unwrap();
    let (cells, types) = (found["cells"].as_array().unwrap(), found["event_types"].as_array().unwrap());
    let table = Table::open(std::path::Path::new(&parquet)).unwrap();
    assert_eq!(table.rows(), cells.len() + types.len());
    let with_law = cells.iter().filter(|cell| cell["law"].is_object());
    for cell in with_law {
        let own = &cell["half_life_days"];
        let [low, value, high] = ["low", "value", "high"].map(|end| own[end].as_f64().unwrap());
        assert!(0.0 < low && low <= value && value <= high, "{cell}");
        assert!(cell["returned"].as_u64() <= cell["gaps"].as_u64());
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("How soon users come back"));
    done(shop(), &format!("{LOG} --by item --out {csv}"));
    let rows = std::fs::read_to_string(csv).unwrap();
    assert!(rows.starts_with("event_type,key,gaps,returned,half_life_days,"), "{rows}");
}

/// Gaps that are all alike have no law, and that is said.
#[test]
fn a_law_that_describes_nothing_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..60).map(|day| format!("a,x,{}\n", 1_700_000_000 + day * 86_400)).collect();
    std::fs::write(folder.path().join("daily.csv"), format!("user,item,time\n{rows}")).unwrap();
    let said = done(folder.path(), "halflife daily.csv");
    assert!(said.contains("described by no law") && said.contains("1 d"), "{said}");
    std::fs::write(folder.path().join("one.csv"), "user,item,time\na,x,1700000000\n").unwrap();
    let said = failure(folder.path(), "halflife one.csv");
    assert!(said.contains("no event that anything could have come after. Give a log that spans"), "{said}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let with = |threads: u32| done(shop(), &format!("{LOG} --drift --json --threads {threads}"));
    assert_eq!(with(1), with(2));
}

#[test]
fn what_cannot_be_asked_says_why() {
    let said = |line: &str| failure(shop(), &format!("halflife shop/events.parquet {line}"));
    assert_eq!(
        said("--by brand"),
        "setting `by`: expected event-type or item where no --catalogue says more of items, got brand"
    );
    assert!(said("--law gauss").starts_with("setting `law`: expected best, exponential, weibull,"));
    assert!(said("--out h.xyz").contains("a file name ending in .csv, .tsv or .parquet"));
}

const EFFECTS: &str = "halflife shop/events.parquet --catalogue shop/catalogue.parquet --effects";

#[test]
fn effects_are_printed_for_people() {
    let said = done(shop(), EFFECTS);
    for words in [
        "What goes along with early and late returns",
        "each doubling of earlier times",
        "hazard ratio, 95 %",
        "half-life times, 95 %",
        "one per event type and department",
        "that they cause them is not said",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = done(shop(), "halflife shop/events.parquet --effects --law exponential");
    assert!(said.contains("an exponential law") && said.contains("Left out: price and discount"), "{said}");
}

#[test]
fn effects_are_written_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("effects.parquet");
    let line = format!("{EFFECTS} --by category --json --out {}", out.display());
    let found: Value = serde_json::from_str(&done(shop(), &line)).unwrap();
    let effects = found["effects"].as_array().unwrap();
    assert_eq!(Table::open(&out).unwrap().rows(), effects.len());
    for effect in effects {
        for part in ["hazard_ratio", "half_life_factor"] {
            let [low, value, high] = ["low", "value", "high"].map(|end| effect[part][end].as_f64().unwrap());
            assert!(0.0 < low && low <= value && value <= high, "{effect}");
        }
    }
    let with = |threads: u32| done(shop(), &format!("{EFFECTS} --json --threads {threads}"));
    assert_eq!(with(1), with(2));
}

#[test]
fn effects_refuse_what_is_not_theirs() {
    for line in ["--drift", "--show 3", "--report page.html"] {
        let run = wane(shop(), &format!("{EFFECTS} {line}"));
        assert!(run.status == Some(2) && run.err.contains("cannot be used with"), "{line}: {}", run.err);
    }
    for line in ["--value-is-price", "--seed 3"] {
        let run = wane(shop(), &format!("{LOG} {line}"));
        assert!(run.status == Some(2) && run.err.contains("--effects"), "{line}: {}", run.err);
    }
    let said = failure(shop(), &format!("{EFFECTS} --law lomax"));
    assert_eq!(said, "setting `law`: expected best, exponential or weibull for effects, got lomax");
}
