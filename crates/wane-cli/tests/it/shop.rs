//! The data of the tests: a small simulated shop with a fitted model, made once, and logs of a few rows.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::run::done;

/// The folder of a simulated shop: `shop/events.parquet`, `shop/catalogue.parquet`, `shop/truth.json`, and `model`,
/// an item-kNN model of both. Tests only read it.
pub(crate) fn shop() -> &'static Path {
    static SHOP: OnceLock<PathBuf> = OnceLock::new();
    SHOP.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command-line");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        done(&folder, "simulate --out shop --users 200 --items 60 --days 60");
        done(
            &folder,
            "fit shop/events.parquet --catalogue shop/catalogue.parquet --model item-knn --out model",
        );
        folder
    })
}

/// A model folder: a small trace model of the shop's log and catalogue, made once. Tests only read it.
pub(crate) fn trace_model() -> &'static str {
    static MODEL: OnceLock<()> = OnceLock::new();
    MODEL.get_or_init(|| {
        let data = "shop/events.parquet --catalogue shop/catalogue.parquet";
        let small = "--epochs 2 --dim 8 --scales 3 --batch 256";
        done(shop(), &format!("fit {data} --model trace {small} --out trace"));
    });
    "trace"
}

/// The tables of a fixture, each below its header.
pub(crate) struct Log {
    rows: Vec<(String, String, i64)>,
}

impl Log {
    /// 30 users on 12 items, 12 events each, two days apart; users have overlapping tastes.
    pub(crate) fn new() -> Self {
        let event = |user: i64, n: i64| {
            let item = (user + (n * n + user * n) % 4) % 12;
            (format!("u{user:02}"), format!("i{item:02}"), 1_700_000_000 + user * 3_600 + n * 172_800)
        };
        let mut rows: Vec<_> = (0..30).flat_map(|user| (0..12).map(move |n| event(user, n))).collect();
        rows.sort_by_key(|row| row.2);
        Self { rows }
    }

    /// Writes rows as CSV with the columns user, item and time.
    pub(crate) fn write_csv(&self, path: &Path) {
        let lines = self.lines(0..self.rows.len(), ',');
        fs::write(path, format!("user,item,time\n{lines}")).unwrap();
    }

    /// Writes a file with RecBole's header.
    pub(crate) fn write_inter(&self, path: &Path) {
        let mut text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n".to_owned();
        for (user, item, time) in &self.rows {
            writeln!(text, "{user}\t{item}\t4.0\t{time}.0").unwrap();
        }
        fs::write(path, text).unwrap();
    }

    /// Writes `train.tsv`, `valid.tsv` and `test.tsv`, split by time, as bare sessions.
    pub(crate) fn write_parts(&self, folder: &Path) {
        for (name, rows) in [("train.tsv", 0..300), ("valid.tsv", 300..330), ("test.tsv", 330..360)] {
            let lines = self.lines(rows, '\t');
            fs::write(folder.join(name), format!("SessionId\tItemId\tTime\n{lines}")).unwrap();
        }
    }

    fn lines(&self, rows: std::ops::Range<usize>, separator: char) -> String {
        let mut text = String::new();
        for (user, item, time) in &self.rows[rows] {
            writeln!(text, "{user}{separator}{item}{separator}{time}").unwrap();
        }
        text
    }
}

/// Five negatives for each user of [`Log`].
pub(crate) fn write_negatives(path: &Path) {
    let rows: String = (0..30).map(|user| format!("u{user:02}\t[i00, i01, i02, i03, i04]\n")).collect();
    fs::write(path, format!("user_id\tneg_items\n{rows}")).unwrap();
}
