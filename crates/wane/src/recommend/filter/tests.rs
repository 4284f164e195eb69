//! Filters and expressions on a catalogue of four items: cola, crisps, phone, and one of which nothing is known.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::events::{EventTypeId, History};

const DAY: i64 = crate::events::MILLIS_PER_DAY;

fn text(values: [Option<&str>; 4]) -> Vec<Option<String>> {
    values.into_iter().map(|value| value.map(str::to_owned)).collect()
}

fn shop() -> Catalogue {
    Catalogue {
        items: Vocab::from_names(["a-cola", "b-crisps", "c-phone", "d-bare"]).shared(),
        listed: vec![true; 4],
        title: text([Some("Cola 1l"), Some("Crisps SAMPLE"), Some("Phone"), None]),
        categories: vec![vec![0, 1], vec![0, 2], vec![3], vec![]],
        category_names: ["Food", "Drinks", "Snacks", "Phones"].map(str::to_owned).to_vec(),
        brand: text([Some("A"), Some("B"), Some("C"), None]),
        price: vec![Some(1.99), Some(2.5), Some(699.0), None],
        available: vec![None, Some(true), Some(false), None],
        created: vec![None, Some(Timestamp::from_millis(0)), None, Some(Timestamp::from_millis(10 * DAY))],
        extra: BTreeMap::from([(
            "Stock level".to_owned(),
            text([Some("5"), Some("12"), Some("many"), None]),
        )]),
        ..Catalogue::default()
    }
}

fn holding(expression: &str) -> Vec<u32> {
    let shop = shop();
    let expression = Expression::parse(expression, &shop).unwrap_or_else(|error| panic!("{error}"));
    (0..4).filter(|&item| expression.holds(&shop, ItemId(item))).collect()
}

fn refusal(expression: &str) -> String {
    Expression::parse(expression, &shop()).unwrap_err().to_string()
}

#[test]
fn expressions_mean_what_they_say() {
    let cases: &[(&str, &[u32])] = &[
        ("price < 20", &[0, 1]),
        ("price = 1.99", &[0]),
        ("price >= 2.5", &[1, 2]),
        (
            r#"price < 20 and (category = "Snacks" or brand in ["A","X"]) and not title contains "sample""#,
            &[0],
        ),
        (r#"category = 'Food'"#, &[0, 1]),
        (r#"category != "Drinks""#, &[1, 2]),
        (r#"category not in ["Drinks", "Phones"]"#, &[1]),
        (r#"brand = "A" or brand = "B" and price > 100"#, &[0]),
        ("available = true", &[1]),
        ("available != true", &[2]),
        (r#"created >= "1970-01-05""#, &[3]),
        (r#"created < "1970-01-05T00:00:00Z""#, &[1]),
        ("`Stock level` > 4", &[0, 1]),
        ("`stock level` = '12'", &[1]),
        (r#"item in ["d-bare"]"#, &[3]),
        ("brand is missing", &[3]),
        ("Brand IS NOT missing AND NOT Price > 2", &[0]),
        ("not price < 20", &[2, 3]),
    ];
    for (expression, items) in cases {
        assert_eq!(&holding(expression), items, "{expression}");
    }
}

#[test]
fn refusals_point_at_the_place() {
    assert_eq!(
        refusal("price < 20 and prise > 3"),
        "setting `filter`: expected one of the catalogue's fields item, title, category, brand, price, available, \
         created, Stock level, got `prise` at column 16\n  price < 20 and prise > 3\n                 ^"
    );
    for (expression, part) in [
        ("", "expected a field (item, "),
        ("price", "got the end at column 6"),
        ("price < \"x\"", "expected a number, got \"x\" at column 9"),
        ("price < 20 30", "expected `and`, `or` or the end, got 30 at column 12"),
        ("title contains 5", "expected text in quotes, got 5"),
        ("price contains 'x'", "`contains` after a text field only"),
        ("(price < 3", "expected `)`, got the end at column 11"),
        ("brand in []", "expected text in quotes, got `]`"),
        ("title = 'x", "expected a closing quote, got an open text at column 9"),
        ("price < 1e999", "expected a number, or text in quotes, got `1e999`"),
        ("price & 3", "expected a field, a value or an operator, got `&` at column 7"),
        ("created < 'soon'", "expected a time like"),
        ("available = 1", "expected `true` or `false`"),
        ("description = 'x'", "expected one of the catalogue's fields"),
    ] {
        let message = refusal(expression);
        assert!(message.contains(part), "{expression}: {message}");
    }
    let unfit = |expression| matches!(Expression::parse(expression, &shop()), Err(Error::Unfit { .. }));
    assert!(unfit("description = 'x'") && !unfit("price < 'x'") && !unfit("price <"));
    assert!(refusal(&"(".repeat(100_000)).contains("at most 64 levels"));
    assert!(refusal(&"not ".repeat(100_000)).contains("at most 64 levels"));
}

fn allowed(settings: &FilterSettings, as_of_day: i64, seen: &[u32]) -> Vec<u32> {
    let shop = shop();
    let filter = Filter::new(settings, &shop.items, Some(&shop)).unwrap();
    let items: Vec<_> = seen.iter().map(|&item| ItemId(item)).collect();
    let (times, types) = (vec![Timestamp::from_millis(0); seen.len()], vec![EventTypeId(0); seen.len()]);
    let history = History::new(&items, &times, &types).unwrap();
    let query = Query { history, as_of: Timestamp::from_millis(as_of_day * DAY), candidates: None };
    let filter = filter.for_query(&query);
    (0..5).filter(|&item| filter.allows(ItemId(item))).collect()
}

#[test]
fn each_rule_denies_what_it_should() {
    let default = FilterSettings::default;
    assert_eq!(allowed(&default(), 20, &[1]), [0, 1, 3]);
    assert_eq!(allowed(&default(), 9, &[]), [0, 1]);
    assert_eq!(allowed(&FilterSettings { available_only: false, ..default() }, 9, &[]), [0, 1, 2, 3]);
    assert_eq!(allowed(&FilterSettings { no_repeat: true, ..default() }, 20, &[3, 0]), [1]);
    assert_eq!(allowed(&FilterSettings { category: vec!["Food".into()], ..default() }, 20, &[]), [0, 1]);
    let exclude = vec!["a-cola".into(), "no such item".into()];
    assert_eq!(allowed(&FilterSettings { exclude, ..default() }, 20, &[]), [1, 3]);
    let expression = Some("price < 2".to_owned());
    assert_eq!(allowed(&FilterSettings { expression, ..default() }, 20, &[]), [0]);
}

#[test]
fn a_filter_on_unknown_things_is_refused() {
    let shop = shop();
    let unknown = FilterSettings { category: vec!["Toys".into()], ..FilterSettings::default() };
    let message = Filter::new(&unknown, &shop.items, Some(&shop)).unwrap_err().to_string();
    assert_eq!(
        message,
        "unknown category `Toys`. The catalogue has, among others: Food, Drinks, Snacks, Phones"
    );
    let expression = FilterSettings { expression: Some("price < 2".into()), ..FilterSettings::default() };
    let message = Filter::new(&expression, &shop.items, None).unwrap_err().to_string();
    assert!(message.contains("--catalogue FILE"), "{message}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = Expression::parse(&text, &shop());
    }

    #[test]
    fn any_row_of_tokens_is_read_or_refused(
        tokens in proptest::collection::vec(
            proptest::sample::select(vec![
                "price", "brand", "and", "or", "not", "in", "contains", "is", "missing", "(", ")", "[", "]", ",",
                "<", "=", "!=", "20", "'A'", "\"", "`", "true", "\\", "é",
            ]),
            0..25,
        ),
    ) {
        let text = tokens.join(" ");
        if let Ok(expression) = Expression::parse(&text, &shop()) {
            let _ = expression.holds(&shop(), ItemId(0));
        }
    }
}
