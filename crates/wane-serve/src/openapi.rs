//! What may be asked, as other programs read it (OpenAPI 3.1) and as people do.
//!
//! The document is written by hand in `openapi.json`, for it is a promise to others and not a product of the code; a test holds it to
//! [`ROUTES`](crate::ROUTES), and the page is made of it, without anything from elsewhere.

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

/// The document.
pub(crate) const DOCUMENT: &str = include_str!("openapi.json");

/// Its page.
pub(crate) static PAGE: LazyLock<String> = LazyLock::new(|| {
    // A test reads it, so it is JSON.
    let document = serde_json::from_str(DOCUMENT).unwrap_or_default();
    page(&document).into_string()
});

const STYLE: &str = "
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
    h2 { margin: 2.5rem 0 .3rem; font-size: 1.1rem; border-top: 1px solid #ddd; padding-top: 1.2rem }
    code, pre { font: 14px/1.45 ui-monospace, monospace } pre { background: #f4f4f2; padding: .8rem; overflow-x: auto }
    .method { color: #fff; background: #35546e; border-radius: 3px; padding: .1rem .45rem; margin-right: .5rem }
    .role { color: #777; float: right; font-weight: normal } table { border-collapse: collapse; width: 100% }
    td { border-top: 1px solid #eee; padding: .25rem .8rem .25rem 0; vertical-align: top }
    @media (prefers-color-scheme: dark) {
        body { color: #ddd; background: #1b1c1e } pre { background: #26282b } h2 { border-color: #3a3c40 } td { border-color: #303236 }
    }";

fn page(document: &Value) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Wane: what may be asked" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Wane" }
                p { (text(&document["info"]["description"])) " For programs: " a href="/openapi.json" { "openapi.json" } "." }
                p { "Where the server has keys, send " code { "Authorization: Bearer KEY" } "; each route says what the key must be allowed to do." }
                @for (path, operations) in entries(&document["paths"]) {
                    @for (method, operation) in entries(operations) { (section(method, path, operation)) }
                }
                h1 { "What is sent and answered" }
                @for (name, schema) in entries(&document["components"]["schemas"]) {
                    h2 id=(name) { (name) }
                    (fields(schema))
                }
            }
        }
    }
}

fn section(method: &str, path: &str, operation: &Value) -> Markup {
    let content = &operation["requestBody"]["content"];
    let example = &content["application/json"]["example"];
    html! {
        h2 {
            span class="method" { (method.to_uppercase()) } code { (path) }
            span class="role" { (text(&operation["x-role"])) }
        }
        p { (text(&operation["summary"])) ". " (text(&operation["description"])) }
        @if !example.is_null() { pre { (example) } }
        @if !content.is_null() { p { "Body: " (entries(content).map(|(kind, _)| kind).collect::<Vec<_>>().join(" or ")) ", " (named(&content["application/json"]["schema"])) } }
        table {
            @for parameter in operation["parameters"].as_array().into_iter().flatten() {
                tr { td { code { (text(&parameter["name"])) } } td { (text(&parameter["description"])) } }
            }
            @for (status, answer) in entries(&operation["responses"]) {
                @let schema = entries(&answer["content"]).next().map(|(_, content)| &content["schema"]);
                tr { td { code { (status) } } td { (text(&answer["description"])) " " (schema.map(named).unwrap_or_default()) } }
            }
        }
    }
}

/// The properties of an object, each with its form and what it is.
fn fields(schema: &Value) -> Markup {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|own| own == name));
    html! {
        p { (text(&schema["description"])) }
        table {
            @for (name, property) in entries(&schema["properties"]) {
                tr {
                    td { code { (name) } @if required(name) { " *" } }
                    td { (form(property)) }
                    td { (text(&property["description"])) }
                }
            }
        }
    }
}

/// Of which form a value is, in a few words.
fn form(schema: &Value) -> Markup {
    if let Some(kinds) = choices(schema) {
        return html! { @for (place, kind) in kinds.iter().enumerate() { @if place > 0 { " or " } (form(kind)) } };
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => html! { "list of " (form(&schema["items"])) },
        Value::String(kind) => html! { (kind) },
        Value::Array(kinds) => html! { (kinds.iter().map(text).collect::<Vec<_>>().join(" or ")) },
        _ => match schema["enum"].as_array() {
            Some(values) => html! { (values.iter().map(text).collect::<Vec<_>>().join(", ")) },
            None if schema["$ref"].is_null() => html! { "anything" },
            None => named(schema),
        },
    }
}

fn choices(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().or(schema["anyOf"].as_array())
}

/// A link to what is described below.
fn named(schema: &Value) -> Markup {
    let name = text(&schema["$ref"]).rsplit('/').next().unwrap_or_default();
    match choices(schema) {
        Some(_) => form(schema),
        None if name.is_empty() => html! {},
        None => html! { a href={ "#" (name) } { (name) } },
    }
}

fn entries(of: &Value) -> impl Iterator<Item = (&str, &Value)> {
    of.as_object().into_iter().flatten().map(|(name, value)| (&**name, value))
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use wane::events::read::parse_time;

    use super::*;
    use crate::ROUTES;

    #[test]
    fn the_document_has_each_route_with_its_role_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut written: Vec<String> = Vec::new();
        for (path, operations) in entries(&document["paths"]) {
            for (method, operation) in entries(operations) {
                written.push(format!("{} {path} {}", method.to_uppercase(), text(&operation["x-role"])));
            }
        }
        let served = ROUTES.iter().map(|route| format!("{} {} {}", route.method, route.path, route.access));
        let mut served: Vec<String> = served.collect();
        written.sort();
        served.sort();
        assert_eq!(written, served);
    }

    /// The pattern of a text somewhere in the document, as a regular expression.
    fn pattern(place: &str) -> Regex {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        Regex::new(text(document.pointer(place).unwrap())).unwrap()
    }

    #[test]
    fn filters_that_are_none_do_not_match_their_pattern_and_those_that_are_do() {
        let pattern = pattern("/components/schemas/Question/properties/filter/pattern");
        for filter in [
            r#"price < 20 and (category = "Snacks" or brand in ["A", "B"]) and not title contains "sample""#,
            "price>=-2.5e3",
            "((not (not price == .5)))",
            "NOT Brand IS NOT missing AND NOT Price > 2",
            r#"`Stock level` > 4 or `stock \`level`in['12', "a\"b"]"#,
            "größe_2.b != 'x' and category not in [\"Drinks\", \"Phones\"]",
            "created < \"1970-01-05T00:00:00Z\" or available = true",
        ] {
            assert!(pattern.is_match(filter), "{filter}");
        }
        for text in [
            "",
            " ",
            "price",
            "< 3",
            "3 < price",
            "'a' = 'b'",
            "price & 3",
            "title = 'x",
            "brand contain 'x'",
        ] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn what_matches_the_pattern_of_moments_is_one() {
        let pattern = pattern("/components/schemas/Moment/oneOf/0/pattern");
        let days = (0..40).flat_map(|day| (0..14).map(move |month| (month, day)));
        let dates = days.flat_map(|(month, day)| {
            [1969, 1970, 1972, 1999, 2000, 2023, 2024, 2100, 9999]
                .map(|year| format!("{year}-{month:02}-{day:02}"))
        });
        let times = [
            "",
            "T23",
            "t00:59",
            " 12:00:60",
            "T12:00:01.5Z",
            "T12:00:00,123456789-23:59",
            "T12:00+01",
            "T12 UTC",
        ];
        let others = ["T24", "T12:60", "T12:00:61", "T12:00:00.", "T12:00+24", "T12:00+01:60", "x"]
            .map(|time| ("2024-05-01", time));
        let times = times.map(|time| ("2024-05-01", time)).into_iter().chain(others);
        let numbers = ["0", "1777636800", "1777636800.25", "999999999999999999"].map(str::to_owned);
        let all = dates.chain(times.map(|(date, time)| format!("{date}{time}"))).chain(numbers);
        for moment in all {
            assert_eq!(pattern.is_match(&moment), parse_time(&moment).is_some(), "{moment}");
        }
        // A zone may lead out of the years that there are.
        for beyond in ["1970-01-01T09:30+10", "9999-12-31T23:00-01:00"] {
            assert!(!pattern.is_match(beyond) && parse_time(beyond).is_none(), "{beyond}");
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        assert!(PAGE.contains("/v1/recommend/batch") && PAGE.contains("recommendation_id"));
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("<script"));
    }
}
