//! Round trips, faults planted in every file, and folders that are not ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::events::{EventColumns, EventTypeId, ItemId, MILLIS_PER_DAY, Timestamp, UserId};
use crate::interest::{Relation, Vectors};
use crate::recommend::{Query, Scores, Training};

/// Five users and six items, with values and sessions, one item without events.
fn log() -> EventLog {
    let rows: Vec<(u32, u32, i64)> = (0..20).map(|n| (n % 5, (n * n) % 5, i64::from(n) * 7)).collect();
    EventLog::from_columns(EventColumns {
        users: rows.iter().map(|row| row.0).collect(),
        items: rows.iter().map(|row| row.1).collect(),
        times: rows.iter().map(|row| Timestamp::from_millis(row.2 * MILLIS_PER_DAY + 1)).collect(),
        types: (0..20).map(|n| EventTypeId(n % 2)).collect(),
        values: (0..20u8).map(|n| if n % 3 == 0 { f32::NAN } else { f32::from(n) }).collect(),
        sessions: (0..20).map(|n| n / 4).collect(),
        user_names: ["zoé", "ann", "bob", "", "x y"].map(str::to_owned).to_vec(),
        item_names: (0..6).map(|item| format!("item {item}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
    })
    .unwrap()
}

fn catalogue(log: &EventLog) -> Catalogue {
    let link = |from, to, weight| (ItemId(from), ItemId(to), weight);
    Catalogue {
        items: Arc::clone(log.items()),
        listed: vec![true, true, true, false, true, true],
        title: (0..6).map(|item| (item != 3).then(|| format!("Title {item}"))).collect(),
        categories: vec![vec![1, 0], vec![], vec![2], vec![], vec![1], vec![0]],
        category_names: vec!["Snacks".into(), "Food".into(), "Phones".into()],
        price: vec![Some(1.5), None, Some(0.0), None, None, Some(1e9)],
        available: vec![None, Some(true), Some(false), None, None, None],
        created: (0..6).map(|item| (item > 2).then(|| Timestamp::from_millis(item))).collect(),
        extra: BTreeMap::from([("title".into(), vec![None, Some("mine".into()), None, None, None, None])]),
        relations: vec![
            Relation::from_links("complement", 6, [link(0, 1, 1.0), link(5, 0, 0.5)]),
            Relation::from_links("empty", 6, []),
        ],
        vectors: Some(Vectors { dim: 2, data: (0..12u8).map(f32::from).collect() }),
        ..Catalogue::default()
    }
}

fn artifact(settings: ModelSettings) -> Artifact {
    let log = log();
    let catalogue = catalogue(&log);
    let training = Training::new(&log, Some(&catalogue), 9);
    let parameters = settings.fit(&training).unwrap().parameters();
    Artifact { settings, parameters, log, catalogue: Some(catalogue), seed: 9 }
}

fn saved() -> (TempDir, PathBuf, Artifact) {
    let folder = tempfile::tempdir().unwrap();
    let (path, artifact) = (folder.path().join("model"), artifact(ModelSettings::named("ease").unwrap()));
    artifact.save(&path).unwrap();
    (folder, path, artifact)
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// Equality up to NaN, which stands for "no value" and is not equal to itself.
fn assert_same(a: &Artifact, b: &Artifact) {
    assert_eq!(
        (&a.settings, &a.parameters, &a.catalogue, a.seed),
        (&b.settings, &b.parameters, &b.catalogue, b.seed)
    );
    assert_eq!(
        (a.log.users(), a.log.items(), a.log.offsets()),
        (b.log.users(), b.log.items(), b.log.offsets())
    );
    assert_eq!(a.log.event_types(), b.log.event_types());
    assert!(a.log.events().iter().eq(b.log.events().iter()));
}

#[test]
fn every_model_comes_back_with_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    for settings in ModelSettings::all() {
        let (path, artifact) = (folder.path().join(settings.name()), artifact(settings));
        artifact.save(&path).unwrap();
        let loaded = Artifact::load(&path).unwrap();
        assert_same(&loaded, &artifact);
        let (before, after) = (artifact.recommender().unwrap(), loaded.recommender().unwrap());
        for user in 0..5 {
            let history = artifact.log.history(UserId(user));
            let as_of = Timestamp::from_millis(200 * MILLIS_PER_DAY);
            let query = Query { history, as_of, candidates: None };
            let (mut a, mut b) = (Scores::new(6), Scores::new(6));
            before.score(&query, &mut a);
            after.score(&query, &mut b);
            assert_eq!(a.values(), b.values());
        }
    }
}

#[test]
fn an_empty_log_without_catalogue_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/model");
    let log = EventLog::from_columns(EventColumns::default()).unwrap();
    let settings = ModelSettings::named("popularity").unwrap();
    let parameters = settings.fit(&Training::new(&log, None, 1)).unwrap().parameters();
    let artifact = Artifact { settings, parameters, log, catalogue: None, seed: 1 };
    artifact.save(&path).unwrap();
    assert_same(&Artifact::load(&path).unwrap(), &artifact);
}

#[test]
fn the_same_model_gives_the_same_bytes_and_replaces_the_former_one() {
    let (folder, path, artifact) = saved();
    let bytes = || names(&path).iter().map(|name| fs::read(path.join(name)).unwrap()).collect::<Vec<_>>();
    let first = bytes();
    artifact.save(&path).unwrap();
    assert_eq!(bytes(), first);
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn a_missing_file_is_named() {
    let (_folder, path, _) = saved();
    for name in names(&path) {
        let bytes = fs::read(path.join(&name)).unwrap();
        fs::remove_file(path.join(&name)).unwrap();
        let message = Artifact::load(&path).unwrap_err().to_string();
        assert!(message.contains(&name), "{name}: {message}");
        fs::write(path.join(&name), bytes).unwrap();
    }
    Artifact::load(&path).unwrap();
}

#[test]
fn a_truncated_file_is_an_error() {
    let (_folder, path, _) = saved();
    for name in names(&path) {
        let bytes = fs::read(path.join(&name)).unwrap();
        for keep in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(path.join(&name), &bytes[..keep]).unwrap();
            assert!(matches!(Artifact::load(&path), Err(Error::Artifact { .. })), "{name} cut to {keep}");
        }
        fs::write(path.join(&name), bytes).unwrap();
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_manifest_is_an_error() {
    let (_folder, path, _) = saved();
    for name in ["manifest.json", "manifest.sha256"] {
        let bytes = fs::read(path.join(name)).unwrap();
        for place in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 1 << (place % 8);
            fs::write(path.join(name), wrong).unwrap();
            assert!(Artifact::load(&path).is_err(), "{name}, byte {place}");
        }
        fs::write(path.join(name), bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_flipped_bit_in_any_file_is_an_error(file in 0usize..99, place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_folder, path, _) = saved();
        let names = names(&path);
        let name = &names[file % names.len()];
        let mut bytes = fs::read(path.join(name)).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1u8 << bit;
        fs::write(path.join(name), bytes).unwrap();
        prop_assert!(Artifact::load(&path).is_err(), "{} byte {} bit {}", name, place, bit);
    }
}

/// Rewrites a file and makes the manifest agree, as somebody with another model's file would.
fn replace_with_checksums(path: &Path, name: &str, bytes: &[u8]) {
    fs::write(path.join(name), bytes).unwrap();
    let mut manifest: Manifest =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    for file in manifest.files.iter_mut().filter(|file| file.name == name) {
        (file.sha256, file.bytes) = (folder::digest(bytes), bytes.len() as u64);
    }
    write_manifest(path, &serde_json::to_string_pretty(&manifest).unwrap());
}

fn write_manifest(path: &Path, text: &str) {
    fs::write(path.join("manifest.json"), text).unwrap();
    let line = format!("{}  manifest.json\n", folder::digest(text.as_bytes()));
    fs::write(path.join("manifest.sha256"), line).unwrap();
}

#[test]
fn files_of_other_programs_and_models_are_refused() {
    let (folder, path, _) = saved();
    let other = folder.path().join("other");
    artifact(ModelSettings::named("bpr").unwrap()).save(&other).unwrap();
    let tensors = fs::read(other.join(PARAMETERS)).unwrap();
    fs::write(path.join(PARAMETERS), &tensors).unwrap();
    let message = Artifact::load(&path).unwrap_err().to_string();
    assert!(message.contains("parameters.safetensors: is damaged: expected"), "{message}");
    replace_with_checksums(&path, PARAMETERS, &tensors);
    let message = Artifact::load(&path).unwrap_err().to_string();
    assert!(message.contains("does not belong to this model"), "{message}");
    for name in names(&path).iter().filter(|name| !name.starts_with("manifest")) {
        let (folder, path, _) = saved();
        replace_with_checksums(&path, name, b"PAR1 nothing of the kind PAR1");
        assert!(matches!(Artifact::load(&path), Err(Error::Artifact { .. })), "{name}");
        drop(folder);
    }
}

#[test]
fn newer_and_foreign_folders_are_refused_with_the_remedy() {
    let (folder, path, _) = saved();
    let text = fs::read_to_string(path.join("manifest.json")).unwrap();
    write_manifest(&path, &text.replace("\"format_version\": 1", "\"format_version\": 2"));
    let message = Artifact::load(&path).unwrap_err().to_string();
    assert!(
        message.contains("newer format version 2 (this program reads up to 1). Update wane"),
        "{message}"
    );
    write_manifest(&path, "{\"format\": \"other\"}");
    let message = Artifact::load(&path).unwrap_err().to_string();
    assert!(message.contains("is not a Wane model folder"), "{message}");
    for nothing in [folder.path().to_path_buf(), folder.path().join("nowhere")] {
        let message = Artifact::load(&nothing).unwrap_err().to_string();
        assert!(message.contains("is not a Wane model folder"), "{message}");
    }
}

#[test]
fn only_model_folders_are_overwritten() {
    let (folder, path, artifact) = saved();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    let message = artifact.save(&path).unwrap_err().to_string();
    assert!(message.contains("holds `notes.txt`"), "{message}");
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    artifact.save(&own).unwrap();
    fs::write(own.join("manifest.json"), "{}").unwrap();
    assert!(artifact.save(&own).unwrap_err().to_string().contains("not a Wane model folder"));
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert!(artifact.save(&file).unwrap_err().to_string().contains("is not a folder"));
    assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
    assert_eq!(names(folder.path()), ["file", "model", "own"]);
}

#[test]
fn an_interrupted_swap_tells_where_the_former_model_is() {
    let (folder, path, artifact) = saved();
    fs::rename(&path, folder.path().join(".model.former")).unwrap();
    let message = Artifact::load(&path).unwrap_err().to_string();
    assert!(message.contains("The former model is whole: rename"), "{message}");
    artifact.save(&path).unwrap();
    Artifact::load(&path).unwrap();
}

/// The folder of every former format version must load for ever. This one was saved by version 0.1.0.
#[test]
fn a_folder_of_format_version_1_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model-v1");
    let loaded = Artifact::load(&folder).unwrap();
    let log = log();
    assert_eq!((loaded.settings.name(), loaded.seed), ("ease", 9));
    assert!(loaded.log.events().iter().eq(log.events().iter()));
    assert_eq!(loaded.catalogue, Some(catalogue(&log)));
    assert_eq!(loaded.recommender().unwrap().n_items(), 6);
}
