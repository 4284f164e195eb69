//! Which column is what: by the caller's word, else by well-known names.
//!
//! Names are compared without case, `_`, `-` and blanks, so `user_id`, `userId` and `USER ID` are one name. The
//! lists are in order of precedence; two columns of the same name in this sense are ambiguous, and that is an error
//! rather than a guess.

use std::path::Path;

use super::options::{ColumnMap, ReadOptions};
use crate::error::{Error, Result};

const USER: &[&str] =
    &["userid", "user", "uid", "visitorid", "customerid", "householdid", "reviewerid", "sessionid"];
const ITEM: &[&str] = &["itemid", "item", "productid", "sku", "asin", "stockcode", "movieid"];
const TIME: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "datetime",
    "eventtime",
    "date",
    "invoicedate",
    "transactiontimestamp",
    "unixreviewtime",
];
const TYPE: &[&str] =
    &["eventtype", "event", "type", "behavior", "behaviour", "behaviortype", "behaviourtype", "action"];
const VALUE: &[&str] = &["value", "eventvalue", "price", "rating", "weight", "quantity"];
const SESSION: &[&str] = &["sessionid", "session", "basketid", "invoiceno", "orderid", "invoice"];

/// Aliases of event types: what a log calls it (lower case), what Wane calls it.
const TYPES: &[(&str, &str)] = &[
    ("pv", "view"),
    ("click", "view"),
    ("detail-view", "view"),
    ("pageview", "view"),
    ("fav", "favourite"),
    ("favorite", "favourite"),
    ("like", "favourite"),
    ("bookmark", "favourite"),
    ("wishlist", "favourite"),
    ("addtocart", "cart"),
    ("add_to_cart", "cart"),
    ("add-to-cart", "cart"),
    ("basket", "cart"),
    ("buy", "purchase"),
    ("transaction", "purchase"),
    ("order", "purchase"),
    ("checkout", "purchase"),
];

/// The name of an event type: by the caller's map, else by the aliases, else as it is.
pub(super) fn event_type(raw: &str, options: &ReadOptions) -> String {
    let raw = raw.trim();
    if let Some(name) = options.type_map.get(raw) {
        return name.clone();
    }
    let lower = raw.to_lowercase();
    let alias = TYPES.iter().find(|(alias, name)| *alias == lower || *name == lower);
    alias.map_or_else(|| raw.to_owned(), |(_, name)| (*name).to_owned())
}

/// The columns that are read: each once, whatever number of parts it plays.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    /// Place in the file of each column that is read ("slot").
    pub(super) columns: Vec<usize>,
    /// Slots of the parts.
    pub(super) user: usize,
    pub(super) item: usize,
    pub(super) time: usize,
    pub(super) event_type: Option<usize>,
    pub(super) value: Option<usize>,
    pub(super) session: Option<usize>,
    /// Slot that each rule looks at.
    pub(super) rules: Vec<usize>,
}

/// The names of a file's columns, for finding and for messages.
pub(super) struct Columns<'a> {
    pub(super) path: &'a Path,
    pub(super) names: &'a [String],
    /// Without a header, names are places.
    pub(super) has_header: bool,
}

impl Columns<'_> {
    /// Finds every part.
    pub(super) fn layout(&self, options: &ReadOptions) -> Result<Layout> {
        let ColumnMap { user, item, time, event_type, value, session } = &options.map;
        let mut layout = Layout::default();
        let user = self.needed("user", user, USER)?;
        layout.user = layout.slot(user);
        layout.item = layout.slot(self.needed("item", item, ITEM)?);
        layout.time = layout.slot(self.needed("time", time, TIME)?);
        layout.event_type = self.wanted("type", event_type, TYPE)?.map(|column| layout.slot(column));
        layout.value = self.wanted("value", value, VALUE)?.map(|column| layout.slot(column));
        // A log of bare sessions: the session is the user, and there is no session besides.
        let session = self.wanted("session", session, SESSION)?.filter(|&column| column != user);
        layout.session = session.map(|column| layout.slot(column));
        for rule in &options.type_rules {
            let column = self.given("rule", rule.column())?;
            let slot = layout.slot(column);
            layout.rules.push(slot);
        }
        Ok(layout)
    }

    fn needed(&self, role: &str, given: &Option<String>, aliases: &[&str]) -> Result<usize> {
        self.wanted(role, given, aliases)?.ok_or_else(|| {
            if self.has_header {
                let remedy = format!("Name it: --map {role}=COLUMN (or its place, --map {role}=1)");
                return self.error(format!("no {role} column"), remedy);
            }
            let reason = format!("no {role} column: the first row is data, not a header");
            self.error(reason, "Give places: --map user=1,item=2,time=3".to_owned())
        })
    }

    fn wanted(&self, role: &str, given: &Option<String>, aliases: &[&str]) -> Result<Option<usize>> {
        if let Some(name) = given {
            return self.given(role, name).map(Some);
        }
        for alias in aliases {
            let found = self.places(|name| normalised(name) == *alias);
            match found.as_slice() {
                [] => {}
                [column] => return Ok(Some(*column)),
                several => {
                    let names: Vec<&str> =
                        several.iter().map(|&column| self.names[column].as_str()).collect();
                    let reason = format!("the {role} column is ambiguous: {}", names.join(" or "));
                    return Err(self.error(reason, format!("Say which: --map {role}={}", names[0])));
                }
            }
        }
        Ok(None)
    }

    /// A column by exact name, by name in the loose sense, or by place.
    fn given(&self, role: &str, name: &str) -> Result<usize> {
        if let Some(column) = self.names.iter().position(|known| known == name) {
            return Ok(column);
        }
        if let [column] = self.places(|known| normalised(known) == normalised(name)).as_slice() {
            return Ok(*column);
        }
        let place = name.strip_prefix('#').unwrap_or(name).parse::<usize>().ok();
        place.filter(|place| (1..=self.names.len()).contains(place)).map(|place| place - 1).ok_or_else(|| {
            let reason = format!("no column `{name}`, which is given for {role}");
            self.error(reason, "Give one of these names, or a place from 1".to_owned())
        })
    }

    fn places(&self, matches: impl Fn(&str) -> bool) -> Vec<usize> {
        (0..self.names.len()).filter(|&column| matches(&self.names[column])).collect()
    }

    fn error(&self, reason: String, remedy: String) -> Error {
        Error::Column { path: self.path.to_path_buf(), reason, found: self.names.join(", "), remedy }
    }
}

impl Layout {
    fn slot(&mut self, column: usize) -> usize {
        self.columns.iter().position(|&known| known == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }
}

/// Whether a column of this name holds users, whatever its case.
pub fn is_user_column(name: &str) -> bool {
    USER.contains(&normalised(name).as_str())
}

fn normalised(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(names: &str, options: &ReadOptions) -> Result<Layout> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        Columns { path: Path::new("log.csv"), names: &names, has_header: true }.layout(options)
    }

    #[test]
    fn well_known_names_are_found_whatever_their_case() {
        let layout =
            layout("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID", &ReadOptions::default()).unwrap();
        let place = |slot: usize| layout.columns[slot];
        assert_eq!((place(layout.user), place(layout.item), place(layout.time)), (4, 1, 3));
        assert_eq!((layout.value.map(place), layout.session.map(place)), (Some(2), Some(0)));
    }

    #[test]
    fn a_session_is_the_user_where_there_is_no_other() {
        let layout = layout("SessionId,ItemId,Time", &ReadOptions::default()).unwrap();
        assert_eq!((layout.user, layout.session), (0, None));
    }

    #[test]
    fn ambiguous_and_missing_columns_list_what_was_found() {
        let message = |names| layout(names, &ReadOptions::default()).unwrap_err().to_string();
        assert_eq!(
            message("user_id,userId,item,time"),
            "log.csv: the user column is ambiguous: user_id or userId. Columns found: user_id, userId, item, time. \
             Say which: --map user=user_id"
        );
        assert!(
            message("user,item").contains("no time column. Columns found: user, item. Name it: --map time=")
        );
    }

    #[test]
    fn places_and_maps_win_over_names() {
        let map = ColumnMap::parse("user=2,item=#1,time=when").unwrap();
        let layout = layout("user,item,When", &ReadOptions { map, ..ReadOptions::default() }).unwrap();
        assert_eq!(layout.columns, [1, 0, 2]);
    }

    #[test]
    fn event_types_have_aliases_and_a_map() {
        let type_map = [("1".to_owned(), "view".to_owned())].into();
        let options = ReadOptions { type_map, ..ReadOptions::default() };
        let names = ["1", "2", "PV", "Add_To_Cart", " buy ", "Wish"].map(|raw| event_type(raw, &options));
        assert_eq!(names, ["view", "2", "view", "cart", "purchase", "Wish"]);
    }
}
