//! Which column of a catalogue is what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::events::read::{Column, Table};

/// Names of each role after [`plain`], best first.
const ITEM: &[&str] = &[
    "itemid",
    "item",
    "productid",
    "asin",
    "parentasin",
    "sku",
    "movieid",
    "stockcode",
    "articleid",
    "newsid",
    "bookid",
    "isbn",
    "id",
];
/// The last two stand in where nothing is called a title.
const TITLE: &[&str] =
    &["title", "name", "productname", "producttitle", "itemname", "producttype", "description"];
const DESCRIPTION: &[&str] = &["description", "plot", "overview", "summary", "abstract"];
/// From general to special: all that are present make up the path.
const CATEGORIES: &[&str] = &[
    "department",
    "maincategory",
    "category",
    "categories",
    "categorypath",
    "genre",
    "genres",
    "icategory",
    "productcategory",
    "itemcategory",
    "categoryid",
    "subcategory",
    "attributes",
];
/// Ends the path, where there is one.
const SPECIAL: &str = "producttype";
const BRAND: &[&str] = &["brand", "brandname", "manufacturer", "maker", "manufacturerid"];
const PRICE: &[&str] = &["price", "unitprice", "listprice", "currentprice"];
const AVAILABLE: &[&str] = &["available", "availability", "instock", "isavailable"];
const CREATED: &[&str] = &["created", "createdat", "releasedate", "released", "dateadded", "launchdate"];
const VECTOR: &[&str] = &["vector", "embedding", "vec", "itemvector"];
/// Roles that a map may name.
const ROLES: &str = "item, title, description, category, brand, price, available, created or vector";

/// Which column plays which part; what is not given is found by its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogueMap {
    /// The item's id.
    pub item: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The categories; several columns, from general to special, are joined by `+`.
    pub category: Option<String>,
    /// The brand or maker.
    pub brand: Option<String>,
    /// The price.
    pub price: Option<String>,
    /// Whether it can be had.
    pub available: Option<String>,
    /// When it came into the shop.
    pub created: Option<String>,
    /// The vector.
    pub vector: Option<String>,
}

impl CatalogueMap {
    /// Reads the form of the command line: `item=COL,title=COL,…`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a part that is no known role.
    pub fn parse(text: &str) -> Result<Self> {
        let mut map = Self::default();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let broken = || Error::setting("catalogue-map", format!("ROLE=COLUMN with {ROLES}"), pair);
            let (role, column) = pair.split_once('=').ok_or_else(broken)?;
            *map.place(role.trim()).ok_or_else(broken)? = Some(column.trim().to_owned());
        }
        Ok(map)
    }

    fn place(&mut self, role: &str) -> Option<&mut Option<String>> {
        Some(match role {
            "item" => &mut self.item,
            "title" => &mut self.title,
            "description" => &mut self.description,
            "category" => &mut self.category,
            "brand" => &mut self.brand,
            "price" => &mut self.price,
            "available" => &mut self.available,
            "created" => &mut self.created,
            "vector" => &mut self.vector,
            _ => return None,
        })
    }
}

/// Names of the columns by role.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) item: String,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) categories: Vec<String>,
    pub(super) brand: Option<String>,
    pub(super) price: Option<String>,
    pub(super) available: Option<String>,
    pub(super) created: Option<String>,
    pub(super) vector: Option<String>,
    /// Name of the relation and its column.
    pub(super) relations: Vec<(String, String)>,
    pub(super) extra: Vec<String>,
}

impl Columns {
    /// Finds the columns of a table.
    pub(super) fn find(table: &Table, map: &CatalogueMap) -> Result<Self> {
        let finder = Finder { table };
        let mut columns = Self {
            item: finder.item(map.item.as_deref())?,
            title: finder.role(map.title.as_deref(), TITLE)?,
            description: finder.role(map.description.as_deref(), DESCRIPTION)?,
            categories: finder.categories(map.category.as_deref())?,
            brand: finder.role(map.brand.as_deref(), BRAND)?,
            price: finder.role(map.price.as_deref(), PRICE)?,
            available: finder.role(map.available.as_deref(), AVAILABLE)?,
            created: finder.role(map.created.as_deref(), CREATED)?,
            vector: finder.vector(map.vector.as_deref())?,
            relations: finder.relations(),
            extra: Vec::new(),
        };
        let taken: BTreeSet<String> = columns.by_role().into_values().flatten().collect();
        let is_text = |column: &Column| matches!(column, Column::Text(_));
        let rest = table.columns().filter(|(name, column)| is_text(column) && !taken.contains(*name));
        columns.extra = rest.map(|(name, _)| name.to_owned()).collect();
        Ok(columns)
    }

    /// Columns by role, for people.
    pub(super) fn by_role(&self) -> BTreeMap<String, Vec<String>> {
        let single = [
            ("title", &self.title),
            ("description", &self.description),
            ("brand", &self.brand),
            ("price", &self.price),
            ("available", &self.available),
            ("created", &self.created),
            ("vector", &self.vector),
        ];
        let single =
            single.into_iter().map(|(role, column)| (role.to_owned(), column.iter().cloned().collect()));
        let many = [
            ("item", vec![self.item.clone()]),
            ("category", self.categories.clone()),
            ("relation", self.relations.iter().map(|(_, column)| column.clone()).collect()),
            ("other", self.extra.clone()),
        ];
        let many = many.into_iter().map(|(role, columns)| (role.to_owned(), columns));
        single.chain(many).filter(|(_, columns): &(_, Vec<String>)| !columns.is_empty()).collect()
    }
}

/// A column name without case, underscores, hyphens and blanks.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Whether commas in cells of this column part several categories: in a column of many, not in a name like
/// `COOKIES, CRACKERS`.
pub(super) fn commas_part(column: &str) -> bool {
    matches!(plain(column).as_str(), "genre" | "genres" | "categories" | "attributes" | "tags")
}

struct Finder<'a> {
    table: &'a Table,
}

impl Finder<'_> {
    fn refuse(&self, reason: String, remedy: &str) -> Error {
        Error::Column {
            path: self.table.path().to_path_buf(),
            reason,
            found: self.table.names().join(", "),
            remedy: remedy.to_owned(),
        }
    }

    fn named(&self, alias: &str) -> Option<String> {
        self.table.names().iter().find(|name| plain(name) == alias).cloned()
    }

    /// A column that the map names.
    fn mapped(&self, column: &str) -> Result<String> {
        let known = self.table.names().iter().find(|name| name.as_str() == column);
        known.cloned().ok_or_else(|| {
            self.refuse(format!("there is no column `{column}`"), "Name one of these in the catalogue's map")
        })
    }

    fn role(&self, mapped: Option<&str>, aliases: &[&str]) -> Result<Option<String>> {
        match mapped {
            Some(column) => self.mapped(column).map(Some),
            None => Ok(aliases.iter().find_map(|alias| self.named(alias))),
        }
    }

    fn item(&self, mapped: Option<&str>) -> Result<String> {
        let remedy = "Name the column of item ids: item=COLUMN in the catalogue's map";
        let item = self.role(mapped, ITEM)?;
        let item = item.ok_or_else(|| self.refuse("no column holds item ids".to_owned(), remedy))?;
        let alike: Vec<_> = self.table.names().iter().filter(|name| plain(name) == plain(&item)).collect();
        match alike.as_slice() {
            [first, second, ..] if mapped.is_none() => {
                Err(self.refuse(format!("both `{first}` and `{second}` may hold item ids"), remedy))
            }
            _ => Ok(item),
        }
    }

    fn categories(&self, mapped: Option<&str>) -> Result<Vec<String>> {
        if let Some(columns) = mapped {
            return columns.split('+').map(|column| self.mapped(column.trim())).collect();
        }
        let mut path: Vec<String> = CATEGORIES.iter().filter_map(|alias| self.named(alias)).collect();
        if !path.is_empty() {
            path.extend(self.named(SPECIAL));
        }
        Ok(path)
    }

    /// The named vector column, or the only one that holds lists of floats.
    fn vector(&self, mapped: Option<&str>) -> Result<Option<String>> {
        if let Some(column) = self.role(mapped, VECTOR)? {
            return Ok(Some(column));
        }
        let is_vector = |column: &Column| matches!(column, Column::FloatList { .. });
        let mut vectors = self.table.columns().filter(|(_, column)| is_vector(column));
        let first = vectors.next().map(|(name, _)| name.to_owned());
        Ok(first.filter(|_| vectors.next().is_none()))
    }

    /// Every column `r_NAME`.
    fn relations(&self) -> Vec<(String, String)> {
        let names = self.table.names().iter();
        names.filter_map(|column| Some((column.strip_prefix("r_")?.to_owned(), column.clone()))).collect()
    }
}
