//! The order of a log: by user, then time, then place in the file.
//!
//! A counting sort by user keeps the order of rows, so a file that is in order of time (most logs are) needs no
//! comparison at all; otherwise users are sorted one by one on all threads. Rows are moved column by column, so no
//! more than one column exists twice.

use rayon::prelude::*;

use super::Timestamp;

/// Rows below which a piece of work is not worth a thread.
const PIECE: usize = 1 << 16;

/// Where each user's rows go.
pub(super) struct Order {
    /// Rows of user `u` are `offsets[u]..offsets[u + 1]` of the sorted log.
    pub(super) offsets: Vec<usize>,
    /// Row of the input at each place; `None` when the input is in order already.
    rows: Option<Vec<u32>>,
}

impl Order {
    /// Sorts rows, of which there are at most `u32::MAX`, by user (below `n_users`) and time.
    pub(super) fn of(users: &[u32], n_users: usize, times: &[Timestamp]) -> Self {
        let mut offsets = vec![0usize; n_users + 1];
        users.iter().for_each(|&user| offsets[user as usize + 1] += 1);
        for user in 0..n_users {
            offsets[user + 1] += offsets[user];
        }
        let in_time = times.is_sorted();
        if in_time && users.is_sorted() {
            return Self { offsets, rows: None };
        }
        let mut rows = by_user(users, &offsets);
        if !in_time {
            sort_users(&mut rows, &offsets, times);
        }
        Self { offsets, rows: Some(rows) }
    }

    /// The column in this order.
    pub(super) fn apply<T: Copy + Send + Sync>(&self, column: Vec<T>) -> Vec<T> {
        match &self.rows {
            None => column,
            Some(rows) => rows.par_iter().with_min_len(PIECE).map(|&row| column[row as usize]).collect(),
        }
    }
}

fn by_user(users: &[u32], offsets: &[usize]) -> Vec<u32> {
    let mut next = offsets.to_vec();
    let mut rows = vec![0u32; users.len()];
    for (row, &user) in (0u32..).zip(users) {
        let place = &mut next[user as usize];
        rows[*place] = row;
        *place += 1;
    }
    rows
}

/// Sorts each user's rows by time, halving the users until a half is too small to share.
fn sort_users(rows: &mut [u32], offsets: &[usize], times: &[Timestamp]) {
    let n_users = offsets.len() - 1;
    if rows.len() > PIECE && n_users > 1 {
        let middle = n_users / 2;
        let (left, right) = rows.split_at_mut(offsets[middle] - offsets[0]);
        rayon::join(
            || sort_users(left, &offsets[..=middle], times),
            || sort_users(right, &offsets[middle..], times),
        );
        return;
    }
    for bounds in offsets.windows(2) {
        let rows = &mut rows[bounds[0] - offsets[0]..bounds[1] - offsets[0]];
        let time = |row: &u32| times[*row as usize];
        if !rows.is_sorted_by_key(time) {
            rows.sort_by_key(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(rows in proptest::collection::vec((0..4u32, 0..5i64), 0..50)) {
            let users: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let times: Vec<Timestamp> = rows.iter().map(|row| Timestamp::from_millis(row.1)).collect();
            let order = Order::of(&users, 4, &times);
            let mut sorted: Vec<(u32, i64, usize)> = rows.iter().enumerate().map(|(n, r)| (r.0, r.1, n)).collect();
            sorted.sort();
            let expected: Vec<usize> = sorted.iter().map(|row| row.2).collect();
            prop_assert_eq!(order.apply((0..rows.len()).collect()), expected);
            prop_assert_eq!(order.offsets, (0..=4).map(|u| sorted.iter().filter(|r| r.0 < u).count()).collect::<Vec<_>>());
        }
    }
}
