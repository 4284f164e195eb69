//! Properties of the readers: no bytes make them panic, every format says the same, threads change nothing.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use wane::events::read::{Inspection, ReadOptions, Table, read_events};
use wane::events::{EventLog, Timestamp};

/// One row that every format can hold.
#[derive(Debug, Clone)]
struct Row {
    user: String,
    item: String,
    event_type: &'static str,
    millis: i64,
    value: Option<f32>,
}

fn row() -> impl Strategy<Value = Row> {
    let id = "[a-z0-9é\"',;\\\\]{1,6}( [\n]?[a-z]{1,3})?";
    let event_type = prop::sample::select(vec!["view", "cart", "purchase"]);
    (id, id, event_type, 1_500_000_000_000..1_600_000_000_000i64, prop::option::of(-99f32..99.0))
        .prop_map(|(user, item, event_type, millis, value)| Row { user, item, event_type, millis, value })
        .prop_filter("ids that are names for nothing", |row| {
            let named = |id: &str| ["nan", "null"].contains(&id) || id.ends_with(".0");
            !named(&row.user) && !named(&row.item)
        })
}

fn csv(rows: &[Row], delimiter: char) -> String {
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let line = |row: &Row| {
        let value = row.value.map(|value| value.to_string()).unwrap_or_default();
        let time = Timestamp::from_millis(row.millis).to_string();
        [quoted(&row.user), quoted(&row.item), row.event_type.into(), time, value]
            .join(&delimiter.to_string())
    };
    let header = ["user_id", "item_id", "event_type", "timestamp", "value"].join(&delimiter.to_string());
    std::iter::once(header).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\r\n")
}

fn jsonl(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let Row { user, item, event_type, millis, value } = row;
        let object = serde_json::json!({
            "user": user, "item": item, "event": event_type, "ts": millis, "value": value, "other": [1, {"a": null}],
        });
        format!("{object}\n")
    };
    rows.iter().map(line).collect()
}

fn parquet(rows: &[Row]) -> Vec<u8> {
    let text =
        |get: fn(&Row) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(get))) as ArrayRef;
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.millis));
    let columns: [(&str, ArrayRef); 5] = [
        ("value", Arc::new(rows.iter().map(|row| row.value).collect::<Float32Array>())),
        ("item_id", text(|row| &row.item)),
        ("time", Arc::new(times)),
        ("user_id", text(|row| &row.user)),
        ("action", text(|row| row.event_type)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(7)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn read(name: &str, content: &[u8]) -> wane::Result<(EventLog, Inspection)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read_events(&[path], &ReadOptions { max_reject: 1.0, ..ReadOptions::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_read_the_same_from_every_format(rows in prop::collection::vec(row(), 1..40)) {
        let (log, inspection) = read("log.csv", csv(&rows, ',').as_bytes()).unwrap();
        prop_assert_eq!(inspection.accepted, rows.len() as u64);
        let mut values: Vec<_> = rows.iter().filter_map(|row| row.value).map(f32::to_bits).collect();
        let read_values = log.events().iter().filter_map(|event| event.value).map(f32::to_bits);
        let mut read_values: Vec<_> = read_values.collect();
        values.sort_unstable();
        read_values.sort_unstable();
        prop_assert_eq!(values, read_values);
        let others = [
            ("log.tsv", csv(&rows, '\t').into_bytes()),
            ("log.csv.gz", gzip(csv(&rows, ';').as_bytes())),
            ("log.jsonl", jsonl(&rows).into_bytes()),
            ("log.jsonl.zst", zstd::encode_all(jsonl(&rows).as_bytes(), 0).unwrap()),
            ("log.parquet", parquet(&rows)),
        ];
        for (name, content) in others {
            let (other, _) = read(name, &content).unwrap();
            prop_assert!(same(&log, &other), "{} differs", name);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec!["", "user,item,time\n", "{\"user\":1,\"item\":2,\"time\":3}\n", "PAR1", "\u{1f}"]),
        name in prop::sample::select(vec!["x.csv", "x.tsv", "x.jsonl", "x.parquet", "x.csv.gz", "x.jsonl.zst"]),
    ) {
        let content = [start.as_bytes(), &bytes].concat();
        let _ = read(name, &content);
        let _ = open_table(name, &content);
    }

    #[test]
    fn damage_to_a_valid_file_is_an_error_or_a_count(
        rows in prop::collection::vec(row(), 1..30),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let files = [
            ("x.csv", csv(&rows, ',').into_bytes()),
            ("x.jsonl", jsonl(&rows).into_bytes()),
            ("x.parquet", parquet(&rows)),
            ("x.csv.gz", gzip(csv(&rows, ',').as_bytes())),
        ];
        for (name, mut content) in files {
            for (place, byte) in &damage {
                let place = place.index(content.len());
                content[place] = *byte;
            }
            if let Some(cut) = cut {
                content.truncate(cut.index(content.len()));
            }
            if let Ok((log, account)) = read(name, &content) {
                let refused: u64 = account.rejected.values().chain(account.dropped.values()).sum();
                prop_assert_eq!(account.rows, log.len() as u64 + refused);
            }
            let _ = open_table(name, &content);
        }
    }
}

/// Equal but for bits of NaN.
fn same(left: &EventLog, right: &EventLog) -> bool {
    left.users() == right.users()
        && left.items() == right.items()
        && left.event_types() == right.event_types()
        && left.offsets() == right.offsets()
        && left.events().iter().eq(right.events().iter())
}

fn open_table(name: &str, content: &[u8]) -> wane::Result<Table> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    Table::open(&path)
}

/// Three files of some blocks each, with bad rows, sessions and quoted fields.
fn large_files(folder: &std::path::Path) -> Vec<PathBuf> {
    let file = |number: usize| {
        let path = folder.join(format!("part-{number}.csv"));
        let mut text = String::from("user_id,item_id,timestamp,session_id\n");
        for row in 0..60_000usize {
            let time = if row % 1000 == 7 {
                "?".to_owned()
            } else {
                (1_600_000_000 + row * 7919 % 50_000).to_string()
            };
            let user = row * 31 % 977;
            text.push_str(&format!("user{user},\"item, {}\n\",{time},s{}\n", row % 313, row / 3));
        }
        fs::write(&path, text).unwrap();
        path
    };
    (0..3).map(file).collect()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = large_files(folder.path());
    let rejects = folder.path().join("rejects.csv");
    let options = ReadOptions { rejects: Some(rejects.clone()), ..ReadOptions::default() };
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (log, account) = pool.install(|| read_events(&files, &options)).unwrap();
        (log, serde_json::to_string(&account).unwrap(), fs::read(&rejects).unwrap())
    };
    let one = read(1);
    assert_eq!(one.0.len(), 3 * (60_000 - 60));
    assert!(
        String::from_utf8(one.2.clone()).unwrap().lines().nth(1).unwrap().contains("part-0.csv,9,bad time")
    );
    for threads in [2, 5] {
        assert!(read(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_folder_a_pattern_and_a_list_are_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = large_files(folder.path());
    let read = |paths: &[PathBuf]| read_events(paths, &ReadOptions::default()).unwrap().0;
    let listed = read(&files);
    assert!(listed == read(&[folder.path().to_path_buf()]));
    assert!(listed == read(&[folder.path().join("part-*.csv")]));
}
