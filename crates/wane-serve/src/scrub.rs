//! Wipes what SQLite leaves in the gaps of its pages.
//!
//! `secure_delete` overwrites a row where it stands. But when pages are split and joined, rows are copied to their new places, and the old
//! copies stay behind in space that belongs to no row, until something else is written there: a row that is deleted later is
//! overwritten in its new place alone. So after an erasure the gaps of all pages are wiped, through SQLite's own table of its pages, in
//! a transaction like any other.
//!
//! A page of a tree begins with its kind (2, 5: inner; 10, 13: leaf), the first free block, the number of rows and where their
//! contents begin; after 8 bytes (inner: 12) follow two bytes per row. The gap is what lies between these and the contents; free
//! blocks lie among the contents, each with the place of the next and its own length in its first four bytes
//! (<https://www.sqlite.org/fileformat2.html#b_tree_pages>).

use rusqlite::{Connection, params};

/// Wipes the gaps of all pages that have something in them; gives the number of these pages.
pub(crate) fn scrub(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let pages: i64 = transaction.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let mut changed = 0;
    {
        let mut read = transaction.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
        let mut write = transaction.prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?;
        for number in 1..=pages {
            let head = if number == 1 { 100 } else { 0 };
            if let Some(data) = read.query_row([number], |row| Ok(wiped(row.get_ref(0)?.as_blob()?, head)))? {
                changed += write.execute(params![number, data])?;
            }
        }
    }
    transaction.commit()?;
    Ok(changed)
}

/// The page without what is in its gaps, where there is something; `head`: where its header begins. A page that is no tree's, or that
/// is not as it should be, is let alone.
fn wiped(page: &[u8], head: usize) -> Option<Vec<u8>> {
    let header = match page.get(head)? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    // 0 stands for 65,536, which two bytes cannot hold.
    let contents = number(head + 5).map(|at| if at == 0 { 65_536 } else { at })?;
    let middle = head + header + 2 * number(head + 3)?..contents;
    let mut gaps: Vec<std::ops::Range<usize>> = std::iter::once(middle).collect();
    let mut block = number(head + 1)?;
    while block != 0 {
        let (next, length) = (number(block)?, number(block + 2)?);
        gaps.push(block + 4..block + length);
        // They are in order; one that is not would be walked for ever.
        block = if next > block { next } else { 0 };
    }
    let is_dirty = |gap: &std::ops::Range<usize>| {
        page.get(gap.clone()).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0))
    };
    gaps.retain(is_dirty);
    let mut wiped = (!gaps.is_empty()).then(|| page.to_vec())?;
    gaps.into_iter().for_each(|gap| wiped[gap].fill(0));
    Some(wiped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows come and go until pages have been split and joined; then only what is there may be read in the file.
    #[test]
    fn nothing_is_left_of_rows_that_were_moved_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA secure_delete = ON; CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;",
            )
            .unwrap();
        for n in 0..5_000_u32 {
            let name = if n % 3 == 0 { "keep" } else { "gone" };
            let key = format!("{:05}", n * 2_749 % 5_000);
            connection
                .execute("INSERT INTO t VALUES (?1, ?2)", params![key, name.repeat(1 + n as usize % 9)])
                .unwrap();
        }
        connection.execute("DELETE FROM t WHERE v LIKE 'gone%'", []).unwrap();
        let count = |bytes: &[u8]| {
            let file = std::fs::read(&path).unwrap();
            file.windows(bytes.len()).filter(|own| *own == bytes).count()
        };
        assert!(count(b"gone") > 0, "SQLite wipes its gaps by itself now: this is not needed any more");
        let kept = count(b"keepkeepkeep");
        assert!(scrub(&mut connection).unwrap() > 0);
        assert_eq!(count(b"gone"), 0);
        assert!(count(b"keepkeepkeep") <= kept);
        assert_eq!(scrub(&mut connection).unwrap(), 0);
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let rows: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1_667);
    }
}
