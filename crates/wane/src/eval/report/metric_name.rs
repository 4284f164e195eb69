//! Names of metrics for people, and what each measures in half a sentence.

/// `ndcg@10` as it is written in papers: `NDCG@10`.
pub(super) fn metric_name(name: &str) -> String {
    let (base, cut) = split(name);
    let base = match base {
        "hr" | "ndcg" | "mrr" | "map" | "auc" | "gauc" => base.to_uppercase(),
        _ => capitalised(base),
    };
    cut.map_or(base.clone(), |cut| format!("{base}@{cut}"))
}

/// What a metric measures; none for a metric that is not known.
pub(super) fn what_it_measures(name: &str) -> Option<&'static str> {
    Some(match split(name).0 {
        "hr" => "how often at least one item that the user then took is in the list",
        "recall" => "the share of the items that the user then took which is in the list",
        "precision" => "the share of the list that the user then took",
        "ndcg" => "how near the top of the list the items stand that the user then took (1 is perfect)",
        "mrr" => "one divided by the place of the first item that the user then took",
        "map" => "precision at the place of each item that the user then took, averaged",
        "auc" | "gauc" => "how often an item that the user then took stands above one that they did not",
        _ => return None,
    })
}

/// A metric's name and its cut.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('@').map_or((name, None), |(base, cut)| (base, Some(cut)))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_in_papers() {
        assert_eq!(["ndcg@10", "recall@5", "gauc", ""].map(metric_name), ["NDCG@10", "Recall@5", "GAUC", ""]);
    }
}
