//! Every parameter group's gradient against central differences of the loss.

use super::*;
use crate::events::{EventColumns, EventLog, EventTypeId, ItemId, Timestamp};
use crate::interest::{Departments, Features, Reduction, Relation, Texts, Vectors};
use crate::train::{Goal, Link, LinkPlan, LinkRows, PopularityTable, Shape};

/// Five users over seven items, two event types, gaps from none to weeks, repeats.
fn log() -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..5).map(|user| format!("u{user}")).collect(),
        item_names: (0..7).map(|item| format!("i{item}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    };
    let gaps = [0i64, 3_600_000, 86_400_000, 0, 20 * 86_400_000, 1_000];
    for user in 0..5u32 {
        let mut time = i64::from(user) * 40_000_000;
        for step in 0..6usize + user as usize {
            time += gaps[(step + user as usize) % gaps.len()];
            columns.users.push(user);
            columns.items.push((step as u32 * (user + 2) + user / 2) % 7);
            columns.times.push(Timestamp::from_millis(time));
            columns.types.push(EventTypeId(u8::from((step + user as usize).is_multiple_of(3))));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

fn features() -> Features {
    let names =
        (0..7).map(|item| vec![format!("c{}", item % 3), format!("b{}", item % 2)]).collect::<Vec<_>>();
    Features::from_names(&names)
}

/// The same with texts of three numbers; of the fifth item nothing is written.
fn features_and_texts() -> Features {
    let number = |place: usize| if place / 3 == 4 { 0.0 } else { (place as f32 * 1.7).sin() };
    let vectors = Vectors { dim: 3, data: (0..21).map(number).collect() };
    let axes = vec![0.9, 0.1, -0.3, 0.2, 0.8, 0.1, -0.4, 0.2, 0.7];
    features().with_texts(Texts::of(&vectors, Reduction { mean: vec![0.1, -0.2, 0.1], axes }))
}

/// `id_dropout`: the share of items that are met as new, known by their features alone.
fn check(goal: Goal, negatives: usize, id_dropout: f32, features: &Features) {
    let log = log();
    let plan = LinkPlan { repeats: 9, reach: 4, window: 2, top: 5, alike: 2, given: false };
    let mut links = Link::plan(&log, None, features, goal, plan);
    let departments = vec![("food".to_owned(), vec![0, 3]), ("toys".to_owned(), vec![1, 2, 6])];
    links[0].rows = LinkRows::Repeat(Departments::from_items(7, departments).unwrap());
    let given = Relation::from_links("goes with", 7, (0..7).map(|i| (ItemId(i), ItemId((i + 3) % 7), 0.7)));
    links.push(Link { name: "goes with".into(), reach: 3, rows: LinkRows::Given(given) });
    let mut events: Vec<_> = log.events().iter().map(|event| (event.time, event.item)).collect();
    events.sort_unstable();
    let popularity = PopularityTable::new(&events, 7, &[3.0, f32::INFINITY]);
    let corpus = Corpus::new(&log, &links, features, &popularity, goal, &[]);
    let shape = Shape {
        items: 7,
        features: features.n_vectors(),
        dim: 5,
        scales: 3,
        types: 2,
        links: links.len(),
        fashions: 2,
        departments: 2,
    };
    let mut start = Weights::start(shape, &[0.5, 4.0, 30.0], 3);
    // Away from the symmetric start, where many gradients vanish.
    for (place, weight) in start.shared.iter_mut().enumerate() {
        *weight += 0.2 * ((place * 37 % 11) as f32 / 11.0 - 0.5);
    }
    start.vectors.iter_mut().for_each(|value| *value *= 3.0);
    let recipe = Recipe { negatives, dropout: 0.0, id_dropout, batch: usize::MAX, ..Recipe::default() };
    let all = visits(&corpus, 1);
    let n = corpus.len() as f64;
    let mut trainer = Trainer::new(&corpus, start, recipe, 5);
    let loss = |trainer: &mut Trainer<'_>| trainer.pass(&all) / n;
    loss(&mut trainer);
    let gradients = trainer.lanes[0].shared.clone();
    let members = trainer.members.items.clone();
    let (vectors, offsets) = (trainer.lanes[0].vectors.clone(), trainer.lanes[0].offsets.clone());
    let (keeps, new) = (trainer.keeps.clone(), trainer.new.len());
    assert_eq!(new > 0, id_dropout > 0.0, "{new} new items");
    let of_features = trainer.feature_gradients().0;
    let mut compare = |what: &str, analytic: f32, change: &dyn Fn(&mut Weights) -> &mut f32| {
        let step = 4e-3;
        let before = *change(&mut trainer.weights);
        *change(&mut trainer.weights) = before + step;
        let above = loss(&mut trainer);
        *change(&mut trainer.weights) = before - step;
        let below = loss(&mut trainer);
        *change(&mut trainer.weights) = before;
        let numeric = (above - below) / f64::from(2.0 * step);
        let error = (numeric - f64::from(analytic)).abs();
        assert!(error < 3e-4 + 0.01 * numeric.abs(), "{what}: {analytic} but {numeric} by differences");
    };
    for group in Group::ALL {
        for place in shape.range(group) {
            compare(group.name(), gradients[place], &|weights| &mut weights.shared[place]);
        }
    }
    for (place, &item) in members.iter().enumerate().filter(|(place, _)| keeps[*place]) {
        for k in 0..5 {
            let at = item as usize * 5 + k;
            compare("item vectors", vectors[place * 5 + k], &|weights| &mut weights.vectors[at]);
        }
    }
    for (place, &gradient) in of_features.iter().enumerate() {
        compare("feature vectors", gradient, &|weights| &mut weights.features[place]);
    }
    for (place, &gradient) in offsets.iter().enumerate().filter(|(place, _)| keeps[*place]) {
        let item = members[place] as usize;
        compare("item bias", gradient, &|weights| &mut weights.bias[item]);
    }
}

#[test]
fn every_gradient_is_that_of_the_loss_for_the_next_item() {
    check(Goal::NextItem, 100, 0.0, &features());
}

#[test]
fn every_gradient_is_that_of_the_loss_for_the_next_basket() {
    check(Goal::NextBasket, 100, 0.0, &features());
}

#[test]
fn every_gradient_is_that_of_the_loss_with_sampled_candidates() {
    check(Goal::NextItem, 3, 0.0, &features());
}

#[test]
fn every_gradient_is_that_of_the_loss_where_items_are_met_as_new() {
    check(Goal::NextItem, 100, 0.5, &features());
}

#[test]
fn every_gradient_is_that_of_the_loss_where_texts_speak() {
    check(Goal::NextItem, 100, 0.0, &features_and_texts());
    check(Goal::NextItem, 3, 0.5, &features_and_texts());
}

#[test]
fn the_threads_do_not_matter() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let log = log();
            let plan = LinkPlan { repeats: 9, reach: 4, window: 2, top: 5, alike: 2, given: false };
            let (features, popularity) = (features_and_texts(), PopularityTable::new(&[], 7, &[]));
            let links = Link::plan(&log, None, &features, Goal::NextItem, plan);
            let corpus = Corpus::new(&log, &links, &features, &popularity, Goal::NextItem, &[]);
            let shape = Shape {
                items: 7,
                features: features.n_vectors(),
                dim: 8,
                scales: 2,
                types: 2,
                links: links.len(),
                fashions: 0,
                departments: 0,
            };
            let mut trainer =
                Trainer::new(&corpus, Weights::start(shape, &[1.0, 9.0], 1), Recipe::default(), 1);
            for _ in 0..3 {
                trainer.epoch(|_| ());
            }
            trainer.averaged()
        })
    };
    assert_eq!(run(1), run(2));
}
