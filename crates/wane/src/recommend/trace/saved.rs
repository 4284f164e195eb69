//! The trace model as named arrays, and back.

use super::{TraceModel, TraceSettings};
use crate::error::{Error, Result};
use crate::events::{ItemId, Timestamp};
use crate::interest::{Departments, Features, Mined, Pairing, Reduction, Relation};
use crate::recommend::{Array, Parameters};
use crate::train::{Goal, Group, Link, LinkRows, PopularityTable, Shape, Weights};

/// What the first folders do not have: it is 0 there.
const LATER: [Group; 3] = [Group::Returns, Group::Novelty, Group::Familiar];

/// How the array of a department's items ends. A department is named by the shop and may be called anything, so
/// what an array is stands behind the name.
const DEPARTMENT: &str = "/department";

pub(super) fn parameters(model: &TraceModel) -> Parameters {
    let weights = &model.weights;
    let mut parameters = Parameters::default()
        .with("item_vectors", Array::F32(model.vectors.to_vec()))
        .with("item_bias", Array::F32(weights.bias.clone()))
        // In the order of the catalogue's features. Asking needs the items' sums alone; learning on needs the parts.
        .with("feature_vectors", Array::F32(weights.features.clone()))
        .with("by_basket", Array::U32(vec![u32::from(model.goal == Goal::NextBasket)]))
        .with("popularity_rates", Array::F32(model.popularity.rates().to_vec()))
        .with("popularity_times", Array::I64(model.events.iter().map(|event| event.0.millis()).collect()))
        .with("popularity_items", Array::U32(model.events.iter().map(|event| event.1.0).collect()));
    if model.reduction.dim() > 0 {
        let Reduction { mean, axes } = model.reduction.clone();
        parameters = parameters.with("text_mean", Array::F32(mean)).with("text_axes", Array::F32(axes));
    }
    for group in Group::ALL {
        parameters = parameters.with(group.name(), Array::F32(weights.group(group).to_vec()));
    }
    for (place, link) in model.links.iter().enumerate() {
        parameters = with_link(parameters, &format!("relation.{place:02}.{}", link.name), link);
    }
    parameters
}

fn with_link(parameters: Parameters, name: &str, link: &Link) -> Parameters {
    let reach = Array::U64(vec![u64::from(link.reach)]);
    let (kind, relation, mined) = match &link.rows {
        LinkRows::Repeat(departments) => {
            return with_departments(parameters.with(&format!("{name}/self"), reach), name, departments);
        }
        LinkRows::Given(relation) => ("given", relation, None),
        LinkRows::Mined { mined, pairing, is_reversed } => {
            ("mined", &mined.relation, Some((*pairing, *is_reversed)))
        }
    };
    let (offsets, targets, weights) = relation.rows();
    let parameters = parameters
        .with(&format!("{name}/{kind}"), reach)
        .with(&format!("{name}/offsets"), Array::U64(offsets.iter().map(|&offset| offset as u64).collect()))
        .with(&format!("{name}/targets"), Array::U32(targets.iter().map(|item| item.0).collect()))
        .with(&format!("{name}/weights"), Array::F32(weights.to_vec()));
    match mined {
        None => parameters,
        Some((pairing, is_reversed)) => parameters
            .with(&format!("{name}/window"), Array::U64(vec![window_of(pairing), u64::from(is_reversed)])),
    }
}

fn with_departments(parameters: Parameters, name: &str, departments: &Departments) -> Parameters {
    departments.names().iter().enumerate().fold(parameters, |parameters, (place, department)| {
        let items = departments.items(place).map(|item| item.0).collect();
        parameters.with(&format!("{name}/{place:02}.{department}{DEPARTMENT}"), Array::U32(items))
    })
}

fn take_departments(parameters: &mut Parameters, name: &str, n_items: usize) -> Result<Departments> {
    let head = format!("{name}/");
    let department_of = |key: &String| {
        let (_place, department) = key.strip_prefix(&head)?.strip_suffix(DEPARTMENT)?.split_once('.')?;
        Some((key.clone(), department.to_owned()))
    };
    let keys: Vec<(String, String)> = parameters.0.keys().filter_map(department_of).collect();
    let departments = keys.into_iter().map(|(key, department)| Ok((department, parameters.take_u32(&key)?)));
    let departments = departments.collect::<Result<Vec<_>>>()?;
    Departments::from_items(n_items, departments)
        .ok_or_else(|| damaged(name, &format!("a few departments of {n_items} items")))
}

impl TraceSettings {
    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items and event types.
    pub fn load(
        &self,
        mut parameters: Parameters,
        n_items: usize,
        event_types: &[String],
    ) -> Result<TraceModel> {
        self.check()?;
        let by_basket = parameters.take_u32("by_basket")?.first() == Some(&1);
        let goal = if by_basket { Goal::NextBasket } else { Goal::NextItem };
        let links = take_links(&mut parameters, n_items)?;
        let rates = parameters.take_f32("popularity_rates")?;
        if rates.len() > PopularityTable::MOST {
            let expected = format!("{} half-lives at most", PopularityTable::MOST);
            return Err(damaged("popularity_rates", &expected));
        }
        let times = parameters.take_i64("popularity_times")?;
        let items = parameters.take_u32("popularity_items")?;
        if times.len() != items.len() || items.iter().any(|&item| item as usize >= n_items) {
            return Err(damaged("popularity_items", "one item of the catalogue per time"));
        }
        let events: Vec<(Timestamp, ItemId)> =
            times.into_iter().map(Timestamp::from_millis).zip(items.into_iter().map(ItemId)).collect();
        let half_lives: Vec<f32> = rates.iter().map(|rate| std::f32::consts::LN_2 / rate).collect();
        let popularity = PopularityTable::new(&events, n_items, &half_lives);
        let features = take_features(&mut parameters, self.dim)?;
        let reduction = take_reduction(&mut parameters, features.len() / self.dim)?;
        let shape = Shape {
            items: n_items,
            features: features.len() / self.dim,
            dim: self.dim,
            scales: self.scales,
            types: event_types.len(),
            links: links.len(),
            fashions: rates.len(),
            departments: Link::department_names(&links).len(),
        };
        let mut weights = Weights {
            shape,
            vectors: parameters.take_f32("item_vectors")?,
            features,
            bias: parameters.take_f32("item_bias")?,
            shared: vec![0.0; shape.shared()],
        };
        if weights.vectors.len() != n_items * self.dim || weights.bias.len() != n_items {
            return Err(damaged("item_vectors", &format!("{n_items} vectors of {} numbers", self.dim)));
        }
        for group in Group::ALL {
            let own = weights.group_mut(group);
            if LATER.contains(&group) && !parameters.0.contains_key(group.name()) {
                continue;
            }
            let values = parameters.take_f32(group.name())?;
            if own.len() != values.len() {
                return Err(damaged(group.name(), &format!("{} numbers", own.len())));
            }
            own.copy_from_slice(&values);
        }
        let model = TraceModel::new(weights, &Features::default(), links, popularity, events, goal);
        Ok(TraceModel { reduction, ..model })
    }
}

/// Vectors of the catalogue's features, which the first folders do not have.
fn take_features(parameters: &mut Parameters, dim: usize) -> Result<Vec<f32>> {
    if !parameters.0.contains_key("feature_vectors") {
        return Ok(Vec::new());
    }
    let features = parameters.take_f32("feature_vectors")?;
    if features.len() % dim == 0 {
        return Ok(features);
    }
    Err(damaged("feature_vectors", &format!("vectors of {dim} numbers")))
}

/// How what is written of items was made short, where it speaks: its numbers have the last of the features' vectors.
fn take_reduction(parameters: &mut Parameters, n_vectors: usize) -> Result<Reduction> {
    if !parameters.0.contains_key("text_mean") {
        return Ok(Reduction::default());
    }
    let reduction =
        Reduction { mean: parameters.take_f32("text_mean")?, axes: parameters.take_f32("text_axes")? };
    let (length, dim) = (reduction.length(), reduction.dim());
    if dim > 0 && dim <= n_vectors && dim * length == reduction.axes.len() {
        return Ok(reduction);
    }
    Err(damaged("text_axes", &format!("axes of {length} numbers, each with a vector")))
}

/// A pairing as a number: 0 for together.
fn window_of(pairing: Pairing) -> u64 {
    match pairing {
        Pairing::Follows(window) => u64::from(window),
        Pairing::Together => 0,
    }
}

fn damaged(name: &str, expected: &str) -> Error {
    Error::setting(name, format!("{expected}; the model folder is damaged, fit it again"), "something else")
}

fn take_links(parameters: &mut Parameters, n_items: usize) -> Result<Vec<Link>> {
    let heads: Vec<String> = parameters
        .0
        .keys()
        .filter(|key| ["/self", "/given", "/mined"].iter().any(|kind| key.ends_with(kind)))
        .cloned()
        .collect();
    heads.iter().map(|head| take_link(parameters, head, n_items)).collect()
}

fn take_link(parameters: &mut Parameters, head: &str, n_items: usize) -> Result<Link> {
    let (name, kind) = head.rsplit_once('/').ok_or_else(|| damaged(head, "a relation"))?;
    let own_name = name.splitn(3, '.').nth(2).unwrap_or(name).to_owned();
    let reach = parameters.take_u64(head)?.first().copied().unwrap_or_default() as u32;
    if kind == "self" {
        let rows = LinkRows::Repeat(take_departments(parameters, name, n_items)?);
        return Ok(Link { name: own_name, reach, rows });
    }
    let offsets = parameters.take_u64(&format!("{name}/offsets"))?;
    let targets = parameters.take_u32(&format!("{name}/targets"))?;
    let weights = parameters.take_f32(&format!("{name}/weights"))?;
    let relation = Relation::from_rows(&own_name, n_items, offsets, targets, weights)
        .ok_or_else(|| damaged(name, &format!("links among {n_items} items")))?;
    let rows = if kind == "given" {
        LinkRows::Given(relation)
    } else {
        let [window, is_reversed] = parameters.take_u64(&format!("{name}/window"))?[..] else {
            return Err(damaged(name, "a window and a direction"));
        };
        LinkRows::Mined {
            // Sums of counts serve training alone.
            mined: Mined { relation, out: Vec::new(), into: Vec::new() },
            pairing: if window == 0 { Pairing::Together } else { Pairing::Follows(window as u32) },
            is_reversed: is_reversed > 0,
        }
    };
    Ok(Link { name: own_name, reach, rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::linear::two_tastes;
    use crate::recommend::{Recommender, Training};

    #[test]
    fn a_department_may_be_called_anything() {
        let items = |items: &[u32]| items.to_vec();
        let departments = vec![
            ("a/given".to_owned(), items(&[0, 1])),
            ("b.c/self".to_owned(), items(&[2])),
            ("/department".to_owned(), items(&[3])),
            (String::new(), items(&[4])),
        ];
        let departments = Departments::from_items(5, departments).unwrap();
        let link = Link { name: "self".to_owned(), reach: 7, rows: LinkRows::Repeat(departments.clone()) };
        let mut parameters = with_link(Parameters::default(), "relation.00.self", &link);
        let links = take_links(&mut parameters, 5).unwrap();
        assert!(
            matches!(&links[..], [Link { rows: LinkRows::Repeat(taken), reach: 7, .. }] if *taken == departments)
        );
    }

    #[test]
    fn more_half_lives_than_a_word_holds_are_refused() {
        let log = two_tastes();
        let settings = TraceSettings { epochs: 1, dim: 4, ..TraceSettings::default() };
        let mut parameters = settings.fit(&Training::new(&log, None, 1)).unwrap().parameters();
        for name in ["popularity_rates", "popularity_weights"] {
            parameters.0.insert(name.to_owned(), Array::F32(vec![0.5; 5]));
        }
        let error = settings.load(parameters, log.n_items(), log.event_types()).unwrap_err().to_string();
        assert!(error.contains("popularity_rates") && error.contains("4 half-lives"), "{error}");
    }
}
