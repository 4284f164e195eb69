//! What a comparison may have known too early, in words.
//!
//! Published protocols leak, and so do catalogues without dates. A figure is worth what its leaks leave of it, so the
//! check runs with every evaluation and says what it found, with counts, also when it found nothing.

use hashbrown::HashSet;
use serde::Serialize;

use super::{Case, Part};
use crate::events::{EventLog, History, ItemId, Timestamp};
use crate::interest::Catalogue;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; no figure is wrong because of it.
    Note,
    /// Figures may be better than they would be in use.
    Leak,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A short name for machines.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in a sentence with counts.
    pub message: String,
}

/// What the check is told beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeakageQuestion {
    /// Whether a compared model reads relations of the catalogue.
    pub uses_relations: bool,
    /// Whether items that the user had before are left out of the ranking.
    pub exclude_seen: bool,
    /// The newest event of these items that a model knew before the comparison.
    pub knew_until: Option<Timestamp>,
}

/// Checks a part of a split. The answer is never empty.
pub fn check_leakage(
    log: &EventLog,
    part: &Part,
    catalogue: Option<&Catalogue>,
    question: LeakageQuestion,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        training_from_the_future(part),
        question.knew_until.and_then(|newest| saved_from_the_future(part, newest)),
        rows_on_both_sides(log, part),
        catalogue.filter(|_| question.uses_relations).and_then(undated_relations),
        catalogue.and_then(undated_items),
        catalogue.and_then(|catalogue| items_before_their_time(part, catalogue)),
        unreachable_repeats(log, part, question.exclude_seen),
        items_without_training(part),
        given_negatives(part),
    ]
    .into_iter()
    .flatten()
    .collect();
    if findings.iter().all(|finding| finding.severity == Severity::Note) {
        let message =
            "No leak found: nothing that models learned from, and no history, is later than the question.";
        findings.insert(0, Finding { code: "none", severity: Severity::Note, message: message.to_owned() });
    }
    findings
}

fn percent(count: usize, of: usize) -> String {
    format!("{count} of {of} ({:.1} %)", 100.0 * count as f64 / of.max(1) as f64)
}

fn training_from_the_future(part: &Part) -> Option<Finding> {
    let (_, newest) = part.training.span()?;
    let early = part.cases.iter().filter(|case| case.as_of < newest).count();
    (early > 0).then(|| Finding {
        code: "training-after-question",
        severity: Severity::Leak,
        message: format!(
            "{} questions are earlier than the newest training event ({newest}): models have learned from what other \
             users did later. This is how the protocol splits; report a global time split beside it.",
            percent(early, part.cases.len())
        ),
    })
}

fn saved_from_the_future(part: &Part, newest: Timestamp) -> Option<Finding> {
    let early = part.cases.iter().filter(|case| case.as_of <= newest).count();
    (early > 0).then(|| Finding {
        code: "saved-model-after-question",
        severity: Severity::Leak,
        message: format!(
            "{} questions are not later than the newest event that a saved model learned from ({newest}): it may have \
             seen their answers. Fit it on events before the test part.",
            percent(early, part.cases.len())
        ),
    })
}

fn rows_on_both_sides(log: &EventLog, part: &Part) -> Option<Finding> {
    let again = |case: &&Case| {
        let trained: History<'_> = part.training.history(case.user);
        case.targets
            .iter()
            .any(|target| trained.iter().any(|event| event.item == *target && event.time == case.as_of))
    };
    let count = part.cases.iter().filter(again).count();
    (count > 0 && !log.is_empty()).then(|| Finding {
        code: "row-on-both-sides",
        severity: Severity::Leak,
        message: format!(
            "{} questions ask for an item that the same user has in training at the same moment: probably the same \
             row twice. Read the log with --dedupe.",
            percent(count, part.cases.len())
        ),
    })
}

fn undated_relations(catalogue: &Catalogue) -> Option<Finding> {
    let names: Vec<&str> = catalogue.relations.iter().map(|relation| relation.name()).collect();
    (!names.is_empty()).then(|| Finding {
        code: "undated-relations",
        severity: Severity::Leak,
        message: format!(
            "The catalogue's relations ({}) have no dates, so they may have been gathered after the questions. \
             Compare with --no-relations.",
            names.join(", ")
        ),
    })
}

fn undated_items(catalogue: &Catalogue) -> Option<Finding> {
    catalogue.created.iter().all(Option::is_none).then(|| Finding {
        code: "undated-items",
        severity: Severity::Note,
        message: "The catalogue does not say when items came into the shop: titles, prices and categories are taken \
                  as known at every moment."
            .to_owned(),
    })
}

fn items_before_their_time(part: &Part, catalogue: &Catalogue) -> Option<Finding> {
    let created = |item: &ItemId| catalogue.created.get(item.index()).copied().flatten();
    let early = |case: &Case| {
        let is_early = |item: &&ItemId| {
            part.candidates[item.index()] && created(item).is_some_and(|created| created > case.as_of)
        };
        case.targets.iter().filter(is_early).count()
    };
    let count = part.cases.iter().map(early).sum();
    let targets = part.cases.iter().map(|case| case.targets.len()).sum();
    (count > 0).then(|| Finding {
        code: "item-before-its-time",
        severity: Severity::Leak,
        message: format!(
            "{} targets were ranked although they came into the shop after the question by the catalogue's dates, so \
             what it says of them was not known then.",
            percent(count, targets)
        ),
    })
}

fn unreachable_repeats(log: &EventLog, part: &Part, exclude_seen: bool) -> Option<Finding> {
    let (mut repeats, mut targets) = (0, 0);
    for case in &part.cases {
        let seen: HashSet<_> = case.history(log).items().iter().collect();
        repeats += case.targets.iter().filter(|item| seen.contains(item)).count();
        targets += case.targets.len();
    }
    (repeats > 0).then(|| Finding {
        code: if exclude_seen { "repeats-excluded" } else { "repeats" },
        severity: Severity::Note,
        message: if exclude_seen {
            format!(
                "{} targets repeat an item of the history and can never be hits with --exclude-seen.",
                percent(repeats, targets)
            )
        } else {
            format!(
                "{} targets repeat an item of the user's history; they count as hits.",
                percent(repeats, targets)
            )
        },
    })
}

fn items_without_training(part: &Part) -> Option<Finding> {
    let cold =
        part.cases.iter().flat_map(|case| &case.targets).filter(|&&item| !part.has_training(item)).count();
    let targets = part.cases.iter().map(|case| case.targets.len()).sum();
    (cold > 0).then(|| Finding {
        code: "cold-items",
        severity: Severity::Note,
        message: format!(
            "{} targets have no training event; they count as targets all the same.",
            percent(cold, targets)
        ),
    })
}

fn given_negatives(part: &Part) -> Option<Finding> {
    let given: Vec<usize> =
        part.cases.iter().filter_map(|case| case.negatives.as_ref()).map(Vec::len).collect();
    let (least, most) = (given.iter().min()?, given.iter().max()?);
    Some(Finding {
        code: "given-negatives",
        severity: Severity::Note,
        message: format!(
            "Targets compete with {least} to {most} given items, not with all: figures are higher than in a full \
             ranking and may order models differently (Krichene and Rendle 2020)."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Span, Split, Targets};
    use crate::events::{EventColumns, EventTypeId, MILLIS_PER_DAY, Timestamp};
    use crate::interest::Relation;

    /// Events (user, item, day).
    fn log(rows: &[(u32, u32, i64)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: rows.iter().map(|row| row.0).collect(),
            items: rows.iter().map(|row| row.1).collect(),
            times: rows.iter().map(|row| day(row.2)).collect(),
            types: vec![EventTypeId(0); rows.len()],
            user_names: ["ann", "bob"].map(String::from).to_vec(),
            item_names: ["a", "b", "c", "d"].map(String::from).to_vec(),
            event_types: vec!["event".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_millis(day * MILLIS_PER_DAY)
    }

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.code).collect()
    }

    const PLAIN: LeakageQuestion =
        LeakageQuestion { uses_relations: false, exclude_seen: false, knew_until: None };

    #[test]
    fn leave_one_out_leaks_across_users() {
        let split =
            Split::leave_one_out(log(&[(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 7), (1, 1, 8), (1, 3, 9)]))
                .unwrap();
        let findings = check_leakage(&split.log, &split.test, None, PLAIN);
        assert_eq!(codes(&findings), ["training-after-question", "cold-items"]);
        assert!(findings[0].message.starts_with("1 of 2 (50.0 %) questions"), "{}", findings[0].message);
    }

    #[test]
    fn a_time_split_is_clean_and_says_so() {
        let rows: Vec<_> = (0..40).map(|n| (n % 2, n % 3, i64::from(n))).collect();
        let split = Split::by_time(log(&rows), Span::Days(8.0), Span::Days(8.0), Targets::NextItem).unwrap();
        let findings = check_leakage(&split.log, &split.test, None, PLAIN);
        assert_eq!(codes(&findings), ["none", "repeats"]);
    }

    #[test]
    fn catalogues_are_asked_for_their_dates() {
        let split = Split::leave_one_out(log(&[(0, 0, 1), (0, 1, 2), (0, 2, 3)])).unwrap();
        let relation = Relation::from_links("complement", 4, [(ItemId(0), ItemId(1), 1.0)]);
        let mut catalogue = Catalogue { relations: vec![relation], ..Catalogue::default() };
        let question = LeakageQuestion { uses_relations: true, ..PLAIN };
        let found = |catalogue: &Catalogue| check_leakage(&split.log, &split.test, Some(catalogue), question);
        assert_eq!(codes(&found(&catalogue)), ["undated-relations", "undated-items", "cold-items"]);
        catalogue.created = vec![Some(day(0)), None, Some(day(5)), None];
        assert_eq!(codes(&found(&catalogue)), ["undated-relations", "item-before-its-time", "cold-items"]);
    }
}
