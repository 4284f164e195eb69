//! Malformed input, case by case: `docs/bad-input.md` is what this test finds, word for word.
//!
//! Each case is a file and the outcome of reading it. When an outcome changes on purpose, the test prints the new
//! table for the document.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use wane::events::Timestamp;
use wane::events::read::{ColumnMap, Guests, Header, Inspection, ReadOptions, Table, read_events};

/// One malformed input.
struct Case {
    what: &'static str,
    /// File or folder in the temporary folder.
    name: &'static str,
    content: Vec<u8>,
    /// In words, and done.
    options: (&'static str, ReadOptions),
    /// It is read as a table (a catalogue) and not as a log.
    is_table: bool,
}

/// A log of which half may be bad, so that the counts are seen and not the limit.
fn lenient() -> (&'static str, ReadOptions) {
    ("", ReadOptions { max_reject: 0.6, ..ReadOptions::default() })
}

fn case(what: &'static str, name: &'static str, content: impl AsRef<[u8]>) -> Case {
    Case { what, name, content: content.as_ref().to_vec(), options: lenient(), is_table: false }
}

impl Case {
    fn with(mut self, words: &'static str, change: impl FnOnce(&mut ReadOptions)) -> Self {
        change(&mut self.options.1);
        self.options.0 = words;
        self
    }

    fn into_table(mut self) -> Self {
        self.is_table = true;
        self
    }
}

const GOOD: &str = "user_id,item_id,timestamp\nu1,i1,1600000000\nu1,i2,1600000100\nu2,i1,1600000200\n";

/// The good rows and one more.
fn good_and(row: &str) -> String {
    format!("{GOOD}{row}\n")
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn cut(mut content: Vec<u8>, from_end: usize) -> Vec<u8> {
    content.truncate(content.len() - from_end);
    content
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn ids(values: [&str; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn times(values: [i64; 3]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn good_parquet() -> Vec<u8> {
    let (users, items) = (ids(["u1", "u1", "u2"]), ids(["i1", "i2", "i1"]));
    parquet(vec![("user_id", users), ("item_id", items), ("timestamp", times([1, 2, 3]))])
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeffu16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn files() -> Vec<Case> {
    let long = "x".repeat(10 << 20);
    vec![
        case("missing file", "absent.csv", ""),
        case("pattern without a match", "nothing-*.csv", ""),
        case("folder without logs", "folder/", ""),
        case("empty file", "log.csv", ""),
        case("header only", "log.csv", "user_id,item_id,timestamp\n"),
        case("blank lines only", "log.csv", "\n\n\n"),
        case("unknown extension", "log.xlsx", GOOD),
        case("gzip cut short", "log.csv.gz", cut(gzip(GOOD.as_bytes()), 12)),
        case("gzip with a wrong checksum", "log.csv.gz", {
            let mut content = gzip(GOOD.as_bytes());
            let place = content.len() - 6;
            content[place] ^= 0xff;
            content
        }),
        case("named .gz, not compressed", "log.csv.gz", GOOD),
        case("compressed, not named so (read all the same)", "log.csv", gzip(GOOD.as_bytes())),
        case("zstd cut short", "log.csv.zst", cut(zstd::encode_all(GOOD.as_bytes(), 0).unwrap(), 5)),
        case("Parquet cut short", "log.parquet", cut(good_parquet(), 10)),
        case("CSV named .parquet", "log.parquet", GOOD),
        case("Parquet named .csv (read all the same)", "log.csv", good_parquet()),
        case("UTF-16", "log.csv", utf16(GOOD)),
        case("field of 10 MB", "log.csv", good_and(&format!("{long},i1,1600000300"))),
        case("quote that is never closed", "log.csv", good_and("\"u3,i1,1600000300")),
    ]
}

fn headers() -> Vec<Case> {
    let headerless = &GOOD[GOOD.find('\n').unwrap() + 1..];
    vec![
        case("byte order mark (skipped)", "log.csv", format!("\u{feff}{GOOD}")),
        case("CRLF line ends (read)", "log.csv", GOOD.replace('\n', "\r\n")),
        case("CR line ends (read)", "log.csv", GOOD.replace('\n', "\r")),
        case("one row without a line end (read)", "log.csv", "user,item,time\nu,i,5"),
        case("semicolons in a .csv (found)", "log.csv", GOOD.replace(',', ";")),
        case("duplicate header", "log.csv", "user,item,item,time\nu,i,i,5\n"),
        case("no time column", "log.csv", "user,item\nu,i\n"),
        case("ambiguous column", "log.csv", "user_id,userId,item,time\nu,v,i,5\n"),
        case("column of --map that is not there", "log.csv", GOOD)
            .with("--map user=member", |o| o.map = ColumnMap::parse("user=member").unwrap()),
        case("column of a rule that is not there", "log.csv", GOOD)
            .with("--rule quantity<0=return", |o| o.type_rules = vec!["quantity<0=return".parse().unwrap()]),
        case("no header and no map", "log.csv", headerless),
        case("no header, places given (read)", "log.csv", headerless)
            .with("--map user=1,item=2,time=3", |o| {
                o.map = ColumnMap::parse("user=1,item=2,time=3").unwrap()
            }),
        case("header taken for data", "log.csv", GOOD).with("--header no --map user=1,item=2,time=3", |o| {
            o.header = Header::No;
            o.map = ColumnMap::parse("user=1,item=2,time=3").unwrap();
        }),
        case(
            "tabs in a file whose header has commas",
            "log.csv",
            GOOD.replacen(',', "\t", 100).replace("d\t", "d,"),
        ),
    ]
}

fn rows() -> Vec<Case> {
    vec![
        case("too few fields", "log.csv", good_and("u3,i1")),
        case("too many fields", "log.csv", good_and("u3,i1,1600000300,extra")),
        case("no user", "log.csv", good_and(",i1,1600000300")),
        case("no user, guests skipped", "log.csv", good_and(",i1,1600000300"))
            .with("--guests skip", |o| o.guests = Guests::Skip),
        case("guests by session without a session column", "log.csv", good_and(",i1,1600000300"))
            .with("--guests session", |o| o.guests = Guests::Session),
        case("no item", "log.csv", good_and("u3,,1600000300")),
        case("no time", "log.csv", good_and("u3,i1,")),
        case("null as an id", "log.csv", good_and("NULL,i1,1600000300")),
        case("id of blanks", "log.csv", good_and("   ,i1,1600000300")),
        case("id written as a float (mended)", "log.csv", good_and("17850.0,i1,1600000300")),
        case("quotes with line breaks (read)", "log.csv", good_and("\"u\n3\",\"i \"\"1\"\"\",1600000300")),
        case("row that is not UTF-8", "log.csv", [GOOD.as_bytes(), b"u\xff3,i1,1600000300\n"].concat()),
        case("NUL byte", "log.csv", good_and("u\0 3,i1,1600000300")),
        case("time that is a word", "log.csv", good_and("u3,i1,yesterday")),
        case("impossible date", "log.csv", "user,item,time\nu,i,2021-02-28\nu,i,2021-02-29\n"),
        case("day and month first", "log.csv", "user,item,time\nu,i,2021-02-28\nu,i,28.02.2021\n"),
        case("milliseconds among seconds", "log.csv", good_and("u3,i1,1600000300000")),
        case("dates among seconds", "log.csv", good_and("u3,i1,2020-09-13T12:31:40Z")),
        case("unit given wrongly", "log.csv", GOOD)
            .with("--time-unit ns", |o| o.time_unit = serde_json::from_str("\"ns\"").unwrap()),
        case("time before 1970", "log.csv", good_and("u3,i1,-1600000300")),
        case("time beyond i64", "log.csv", good_and("u3,i1,99999999999999999999")),
        case("time beyond the year 9999", "log.csv", good_and("u3,i1,9223372036854775807"))
            .with("--time-unit s", |o| o.time_unit = serde_json::from_str("\"s\"").unwrap()),
        case("time NaN", "log.csv", good_and("u3,i1,NaN")),
        case("in the future", "log.csv", good_and("u3,i1,1700000000"))
            .with("--not-after 2021-01-01T00:00:00Z", |o| {
                o.not_after = Some(Timestamp::from_millis(1_609_459_200_000))
            }),
        case("value NaN, infinite or a word (kept without it)", "log.csv", {
            "user,item,time,price\nu,i,5,1.5\nu,i,6,NaN\nu,i,7,inf\nu,i,8,dear\nu,i,9,\n"
        }),
        case("no event type", "log.csv", "user,item,time,event\nu,i,5,view\nu,i,6,\n"),
        case("more than 255 event types", "log.csv", {
            let rows = (0..300).map(|n| format!("u,i,{n},type{n}\n")).collect::<String>();
            format!("user,item,time,event\n{rows}")
        }),
        case("only bad rows", "log.csv", "user,item,time\nu,i,never\nu,i,never\n"),
        case("only bad rows, all allowed", "log.csv", "user,item,time\nu,i,never\n")
            .with("--max-reject 100%", |o| o.max_reject = 1.0),
        case("more bad rows than allowed", "log.csv", good_and("u3,i1,never"))
            .with("--max-reject 1%", |o| o.max_reject = 0.01),
        case("every item excluded", "log.csv", GOOD)
            .with("--exclude-items i*", |o| o.exclude_items = vec!["i*".into()]),
        case("exact repetition (kept, counted)", "log.csv", good_and("u1,i1,1600000000")),
        case("exact repetition, dropped", "log.csv", good_and("u1,i1,1600000000"))
            .with("--dedupe", |o| o.dedupe = true),
    ]
}

fn json() -> Vec<Case> {
    let good =
        "{\"user\":\"u\",\"item\":1,\"time\":1600000000}\n{\"user\":\"u\",\"item\":2,\"time\":1600000001}\n";
    let and = |line: &str| format!("{good}{line}\n");
    vec![
        case("one JSON array", "log.json", "[{\"user\":\"u\",\"item\":1,\"time\":5}]"),
        case("JSON over several lines", "log.jsonl", "{\n\"user\":\"u\",\n\"item\":1\n}\n"),
        case("line that is cut", "log.jsonl", and("{\"user\":\"u\",\"item\":1,")),
        case("line that is a number", "log.jsonl", and("17")),
        case("two objects on a line", "log.jsonl", and("{\"user\":\"u\"}{\"user\":\"v\"}")),
        case("missing key", "log.jsonl", and("{\"user\":\"u\",\"time\":1600000002}")),
        case("null id", "log.jsonl", and("{\"user\":null,\"item\":1,\"time\":1600000002}")),
        case("boolean id", "log.jsonl", and("{\"user\":true,\"item\":1,\"time\":1600000002}")),
        case("nested id", "log.jsonl", and("{\"user\":{\"id\":\"u\"},\"item\":1,\"time\":1600000002}")),
        case("NaN in JSON", "log.jsonl", and("{\"user\":\"u\",\"item\":1,\"time\":NaN}")),
        case("deeply nested line", "log.jsonl", and(&"[".repeat(100_000))),
        case("JSON that is not UTF-8", "log.jsonl", {
            [good.as_bytes(), b"{\"user\":\"\xff\",\"item\":1,\"time\":1600000002}\n"].concat()
        }),
    ]
}

fn typed() -> Vec<Case> {
    let items = || ids(["i1", "i2", "i3"]);
    let with_users = |users: ArrayRef| {
        parquet(vec![("user_id", users), ("item_id", items()), ("timestamp", times([1, 2, 3]))])
    };
    let lists =
        ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>([Some([Some(1)]), None, None]);
    vec![
        case(
            "boolean users in Parquet",
            "log.parquet",
            with_users(Arc::new(BooleanArray::from(vec![true, false, true]))),
        ),
        case("lists as users in Parquet", "log.parquet", with_users(Arc::new(lists))),
        case("null and fractional users in Parquet", "log.parquet", {
            with_users(Arc::new(Float64Array::from(vec![Some(17850.0), None, Some(1.5)])))
        }),
        case("mixed units in Parquet", "log.parquet", {
            let times = times([1_600_000_000, 1_600_000_001, 1_600_000_000_000]);
            parquet(vec![("user_id", items()), ("item_id", items()), ("timestamp", times)])
        }),
        case("Parquet without a row", "log.parquet", {
            let none = || Arc::new(StringArray::from(Vec::<&str>::new())) as ArrayRef;
            parquet(vec![("user_id", none()), ("item_id", none()), ("timestamp", none())])
        }),
    ]
}

fn tables() -> Vec<Case> {
    vec![
        case("catalogue row with a field too many", "items.csv", "item_id,title\n1,Tea\n2,Salt, fine\n")
            .into_table(),
        case("catalogue that is not UTF-8", "items.csv", b"item_id,title\n1,Caf\xe9\n").into_table(),
        case("catalogue with a broken line", "items.jsonl", "{\"item\":1}\n{\"item\":\n").into_table(),
        case("catalogue without rows", "items.csv", "item_id,title\n").into_table(),
        case("catalogue with a column twice", "items.csv", "item_id,title,title\n1,a,b\n").into_table(),
    ]
}

/// What becomes of a case, in one line.
fn outcome(case: &Case, folder: &Path) -> String {
    let path = folder.join(case.name);
    if case.name.ends_with('/') {
        fs::create_dir(&path).unwrap();
        fs::write(path.join("notes.md"), "no log").unwrap();
    } else if !case.name.starts_with("absent") && !case.name.contains('*') {
        fs::write(&path, &case.content).unwrap();
    }
    let result = if case.is_table {
        Table::open(&path).map(|table| format!("{} rows", table.rows()))
    } else {
        read_events(&[path], &case.options.1).map(|(_, inspection)| account(&inspection))
    };
    let text = result.unwrap_or_else(|error| format!("error: {error}"));
    let text = text.replace(&format!("{}/", folder.display()), "");
    text.replace('|', "\\|").replace('\n', "\\n")
}

fn account(inspection: &Inspection) -> String {
    let mut parts = vec![format!("{} of {} rows accepted", inspection.accepted, inspection.rows)];
    let groups = [
        ("rejected", &inspection.rejected),
        ("dropped", &inspection.dropped),
        ("mended", &inspection.repaired),
    ];
    for (group, counts) in groups {
        parts.extend(counts.iter().map(|(reason, count)| format!("{group} {count} `{reason}`")));
    }
    if inspection.duplicates > 0 {
        parts.push(format!("{} repeated", inspection.duplicates));
    }
    let set_aside: u64 = inspection.rejected.values().chain(inspection.dropped.values()).sum();
    assert_eq!(inspection.rows, inspection.accepted + set_aside, "every row is accounted for");
    parts.join(", ")
}

#[test]
fn the_document_tells_what_becomes_of_each_malformed_input() {
    let cases: Vec<Case> =
        [files(), headers(), rows(), json(), typed(), tables()].into_iter().flatten().collect();
    assert!(cases.len() >= 40);
    let mut table = String::from("| input | file | options | outcome |\n|---|---|---|---|\n");
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let words = if case.options.0.is_empty() { String::new() } else { format!("`{}`", case.options.0) };
        let outcome = outcome(case, folder.path());
        table.push_str(&format!("| {} | `{}` | {words} | {outcome} |\n", case.what, case.name));
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bad-input.md");
    let text = fs::read_to_string(document).unwrap();
    assert!(text.contains(&table), "docs/bad-input.md should have this table:\n{table}");
}
