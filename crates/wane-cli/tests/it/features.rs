//! `wane features`: a table per user, item, user and category, and user and item.

use wane::events::read::Table;

use super::run::{done, failure};
use super::shop::shop;

#[test]
fn every_kind_of_row_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |per: &str| {
        let out = folder.path().join(format!("{per}.parquet"));
        let line = format!(
            "features shop/events.parquet --catalogue shop/catalogue.parquet --per {per} --as-of 2024-02-15 --out {}",
            out.display()
        );
        let said = done(shop(), &line);
        assert!(said.contains("as of 2024-02-15T00:00:00Z"), "{said}");
        Table::open(&out).unwrap().rows()
    };
    let (users, items, pairs, categories) =
        (rows("user"), rows("item"), rows("user-item"), rows("user-category"));
    assert!(users > 100 && items > 40, "{users} {items}");
    assert!(pairs > categories && categories > users, "{pairs} {categories}");
}

#[test]
fn the_table_does_not_know_what_came_later() {
    let folder = tempfile::tempdir().unwrap();
    let early = |line: &str, name: &str| {
        let out = folder.path().join(name);
        done(
            shop(),
            &format!("features shop/events.parquet --as-of 2024-01-20 {line} --out {}", out.display()),
        );
        std::fs::read_to_string(out).unwrap()
    };
    let cut = early("--not-after 2024-01-20 --max-reject 100%", "cut.csv");
    assert_eq!(early("", "whole.csv"), cut);
}

#[test]
fn what_cannot_be_written_says_why() {
    let said = |line: &str| failure(shop(), &format!("features shop/events.parquet {line}"));
    assert_eq!(
        said("--per user-category --out f.parquet"),
        "setting `per`: expected user, item or user-item where no --catalogue gives categories, got user-category"
    );
    assert_eq!(
        said("--out f.xyz"),
        "setting `out`: expected a file name ending in .csv, .tsv or .parquet, got f.xyz"
    );
    assert_eq!(
        said("--half-lives soon --out f.parquet"),
        "setting `half-lives`: expected a duration such as 30m, 12h, 14d or 8w, got soon"
    );
}
