//! Given negatives: for each user, the items that its targets compete with. Used by published protocols.

use std::path::Path;

use hashbrown::HashMap;

use super::Case;
use crate::error::{Error, Result};
use crate::events::read::{Column, Table};
use crate::events::{EventLog, ItemId};

/// Reads a table of users and lists of items, and gives each case its user's negatives.
///
/// Items that the log does not have cannot be scored and are left out; negatives that are also targets are kept once,
/// as targets.
///
/// # Errors
/// [`Error::Column`] without a user and a list column; [`Error::Unknown`] for a case whose user has no negatives.
pub fn give_negatives(path: &Path, log: &EventLog, cases: &mut [Case]) -> Result<()> {
    let table = Table::open(path)?;
    let column = |names: &[&str]| {
        let found = table.names().iter().find(|name| names.contains(&name.to_ascii_lowercase().as_str()));
        found.and_then(|name| table.column(name)).ok_or_else(|| Error::Column {
            path: path.to_owned(),
            reason: format!("no column called {}", names.join(" or ")),
            found: table.names().join(", "),
            remedy: "Name the columns user_id and neg_items".to_owned(),
        })
    };
    let users = column(&["user_id", "user", "session_id", "sessionid"])?;
    let lists = column(&["neg_items", "negatives", "items"])?;
    let by_user = lists_by_user(path, users, lists, table.rows(), log)?;
    for case in cases {
        let name = log.users().name(case.user.index());
        let negatives = by_user.get(name).ok_or_else(|| Error::Unknown {
            what: "user in the file of negatives",
            name: name.to_owned(),
            remedy: format!("Add a row for this user to {}", path.display()),
        })?;
        case.negatives = Some(negatives.clone());
    }
    Ok(())
}

fn lists_by_user<'a>(
    path: &Path,
    users: &'a Column,
    lists: &Column,
    rows: usize,
    log: &EventLog,
) -> Result<HashMap<&'a str, Vec<ItemId>>> {
    let mut by_user = HashMap::with_capacity(rows);
    for row in 0..rows {
        let (Some(user), Some(list)) = (users.text(row), lists.list(row)) else {
            return Err(Error::Malformed {
                path: path.to_owned(),
                reason: format!("row {}: no user, or no list such as [3, 17, 5]", row + 2),
                remedy: "Write one user and one list per row".to_owned(),
            });
        };
        let items = list.iter().filter_map(|name| log.items().position(name)).map(ItemId).collect();
        by_user.insert(user, items);
    }
    Ok(by_user)
}
