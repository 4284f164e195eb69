//! `config/reference.toml` says what every setting's default is: nothing more, nothing less, nothing else.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use wane::recommend::ModelSettings;

use super::run::json;
use super::shop::shop;

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "config", "reference.toml"].iter().collect()
}

/// The file's table of each model by name.
fn tables() -> serde_json::Map<String, Value> {
    let written: Value = toml::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    written["models"].as_object().unwrap().clone()
}

/// A settings file cannot say "unset": such keys are left out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let set = table.into_iter().filter(|(_, value)| !value.is_null());
            set.map(|(key, value)| (key, without_nulls(value))).collect::<serde_json::Map<_, _>>().into()
        }
        // Settings of less precision are written with their own digits.
        Value::Number(number) => (number.as_f64().unwrap() as f32).into(),
        other => other,
    }
}

#[test]
fn every_model_stands_there_with_every_default() {
    let mut tables = tables();
    for settings in ModelSettings::all() {
        let name = settings.name();
        let mut table = tables.remove(name).unwrap_or_else(|| panic!("no table [models.{name}]"));
        table["model"] = name.into();
        let read: ModelSettings = serde_json::from_value(table.clone()).unwrap();
        assert_eq!(read, settings, "{name}");
        let default = serde_json::to_value(&settings).unwrap();
        assert_eq!(without_nulls(table), without_nulls(default), "{name}");
    }
    assert!(tables.is_empty(), "{:?}", tables.keys());
}

#[test]
fn settings_that_are_unset_stand_there_as_comments() {
    let text = fs::read_to_string(path()).unwrap();
    for settings in ModelSettings::all() {
        let default = serde_json::to_value(&settings).unwrap();
        let section = text.split(&format!("\n[models.{}]\n", settings.name())).nth(1).unwrap();
        let section: Vec<&str> = section
            .lines()
            .take_while(|line| !line.starts_with("[models.") || line.contains("decay"))
            .collect();
        for (key, _) in default.as_object().unwrap().iter().filter(|(_, value)| value.is_null()) {
            let comment = format!("# {key} = ");
            assert!(section.iter().any(|line| line.starts_with(&comment)), "{}: {key}", settings.name());
        }
    }
}

#[test]
fn examples_of_unset_settings_are_well_formed() {
    let text = fs::read_to_string(path()).unwrap();
    let uncomment = |line: &str| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_setting =
            bare.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_lowercase() || c == '_'));
        let is_table = bare.starts_with("[models.") && bare.ends_with(']');
        if is_setting || is_table { bare.to_owned() } else { line.to_owned() }
    };
    let all: Vec<String> = text.lines().map(uncomment).collect();
    let written: Value = toml::from_str(&all.join("\n")).unwrap();
    for (name, mut table) in written["models"].as_object().unwrap().clone() {
        table["model"] = name.clone().into();
        serde_json::from_value::<ModelSettings>(table)
            .unwrap_or_else(|error| panic!("[models.{name}]: {error}"));
    }
}

#[test]
fn the_command_line_takes_it_and_nothing_changes() {
    let metrics = |more: &str| {
        let line = format!("evaluate shop/events.parquet --catalogue shop/catalogue.parquet {more} --json");
        let models = json(shop(), &line)["models"].as_array().unwrap().clone();
        models.into_iter().map(|model| (model["name"].clone(), model["metrics"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(metrics(&format!("--config {}", path().display())), metrics(""));
}
