//! Small tables: catalogues, given negatives, lists of users.
//!
//! The whole file is read into named columns of text. That is right for what fits a few hundred thousand rows;
//! behaviour logs take the other way, [`super::read_events`], which keeps no text.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::arrow_text::{cell_text, is_plain, list_elements};
use super::csv::{BOM, Tokenizer, header_name, sniff_delimiter};
use super::source::{Format, Source, damaged_parquet, decode_parquet, malformed};
use crate::error::{Error, Result};

/// One column of a table; every form has one entry per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Plain values as text; `None` where the cell is empty or null.
    Text(Vec<Option<String>>),
    /// Lists (Parquet and JSON only; a list that is written out in a CSV cell stays text, see [`parse_list`]).
    /// An empty list where the cell is null.
    TextList(Vec<Vec<String>>),
    /// Vectors of one length, row after row.
    FloatList {
        /// Length of each vector.
        dim: usize,
        /// `dim` values per row; zeros where the row has no vector.
        data: Vec<f32>,
        /// Whether the row has a vector.
        present: Vec<bool>,
    },
}

impl Column {
    /// The text of a cell; `None` if it is empty or the column holds lists.
    pub fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(cells) => cells.get(row)?.as_deref(),
            Self::TextList(_) | Self::FloatList { .. } => None,
        }
    }

    /// The elements of a cell: a list as it is, text through [`parse_list`]; `None` if it is empty or no list.
    pub fn list(&self, row: usize) -> Option<Vec<String>> {
        match self {
            Self::Text(cells) => parse_list(cells.get(row)?.as_deref()?),
            Self::TextList(cells) => cells.get(row).cloned(),
            Self::FloatList { .. } => None,
        }
    }
}

/// A table in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    path: PathBuf,
    rows: usize,
    names: Vec<String>,
    columns: Vec<Column>,
}

impl Table {
    /// Reads a CSV, TSV, JSONL or Parquet file (plain, `.gz` or `.zst`) whose first line, if it is delimited text,
    /// is a header.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Malformed`] when it is damaged or a row does not fit
    /// its header, [`Error::Column`] when two columns have one name, [`Error::Empty`] when there is no row.
    pub fn open(path: &Path) -> Result<Self> {
        let source = Source::open(path)?;
        let table = match source.format {
            Format::Csv => read_csv(&source)?,
            Format::Jsonl => read_jsonl(&source)?,
            Format::Parquet => read_parquet(&source)?,
        };
        if table.rows == 0 {
            let what = format!("{}: the table has no rows", path.display());
            return Err(Error::Empty { what, remedy: "Give a file with rows below its header".into() });
        }
        Ok(table)
    }

    /// The file that the table was read from, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in the order of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column with exactly this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(self.names.iter().position(|known| known == name)?)
    }

    /// Names and columns, in the order of the file.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.names.iter().map(String::as_str).zip(&self.columns)
    }
}

/// The elements of a list that is written in one cell: `[1, 2]`, `['a', "b"]` or a JSON array; `None` if the text
/// does not have that form.
///
/// ```
/// use wane::events::read::parse_list;
/// assert_eq!(parse_list("['a, b', \"c\", 3]"), Some(vec!["a, b".into(), "c".into(), "3".into()]));
/// assert_eq!(parse_list("a, b"), None);
/// ```
pub fn parse_list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (element, after) = next_element(rest)?;
        elements.push(element);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => break,
            None => return None,
        }
    }
    Some(elements)
}

/// The first element of a list's inside, and what follows it.
fn next_element(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    if quote != '\'' && quote != '"' {
        let end = text.find(',').unwrap_or(text.len());
        let element = text[..end].trim();
        return (!element.is_empty() && !element.contains(['[', ']']))
            .then(|| (element.into(), &text[end..]));
    }
    let mut element = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '\\' => element.push(escaped(&mut chars)?),
            _ if c == quote => return Some((element, &text[place + 1..])),
            _ => element.push(c),
        }
    }
    None
}

/// The character that follows a backslash, as JSON and Python write it.
fn escaped(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    Some(match chars.next()?.1 {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'u' => {
            let digits: String = chars.take(4).map(|(_, digit)| digit).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
        }
        other => other,
    })
}

/// Refuses two columns of one name: which of them is meant cannot be known.
pub(super) fn refuse_duplicates(path: &Path, names: &[String]) -> Result<()> {
    let twice = names.iter().enumerate().find(|&(place, name)| names[..place].contains(name));
    twice.map_or(Ok(()), |(_, name)| {
        Err(Error::Column {
            path: path.to_path_buf(),
            reason: format!("the header has the column `{name}` twice"),
            found: names.join(", "),
            remedy: "Rename one of them".into(),
        })
    })
}

fn read_csv(source: &Source) -> Result<Table> {
    let mut bytes = source.read_all()?;
    let (limit, mut at) = (bytes.len(), if bytes.starts_with(BOM) { BOM.len() } else { 0 });
    let header_end = memchr::memchr(b'\n', &bytes).unwrap_or(limit);
    let delimiter = source.delimiter.unwrap_or_else(|| sniff_delimiter(&bytes[..header_end]));
    let mut tokenizer = Tokenizer::new(delimiter);
    let (mut spans, mut names, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = 0;
    while let Some(next) = tokenizer.record(&mut bytes, limit, at, &mut spans) {
        row += 1;
        let fields = spans.iter().map(|span| std::str::from_utf8(span.of(&bytes)));
        let fields: Vec<&str> = fields.collect::<Result<_, _>>().map_err(|_| {
            malformed(&source.path, format!("row {row} is not UTF-8"), "Convert the file to UTF-8")
        })?;
        if row == 1 {
            names = fields.iter().map(|field| header_name(field)).collect();
            refuse_duplicates(&source.path, &names)?;
            cells = vec![Vec::new(); names.len()];
        } else if fields.len() == names.len() {
            let text = |field: &&str| (!field.is_empty()).then(|| (*field).to_owned());
            cells.iter_mut().zip(&fields).for_each(|(column, field)| column.push(text(field)));
        } else {
            let reason = format!("row {row} has {} fields, the header {}", fields.len(), names.len());
            return Err(malformed(
                &source.path,
                reason,
                "Mend the row (quote a field that holds the delimiter)",
            ));
        }
        at = next;
        bytes.truncate(limit);
    }
    let columns = cells.into_iter().map(Column::Text).collect();
    Ok(Table { path: source.path.clone(), rows: row.max(1) - 1, names, columns })
}

fn read_jsonl(source: &Source) -> Result<Table> {
    let bytes = source.read_all()?;
    let mut names: Vec<String> = Vec::new();
    let mut cells: Vec<Vec<Value>> = Vec::new();
    let mut rows = 0;
    let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    for (line, record) in text.split(|&byte| byte == b'\n').enumerate() {
        if record.trim_ascii().is_empty() {
            continue;
        }
        let object: serde_json::Map<String, Value> = serde_json::from_slice(record).map_err(|e| {
            malformed(
                &source.path,
                format!("line {} is no JSON object ({e})", line + 1),
                "Write one object a line",
            )
        })?;
        for (name, value) in object {
            let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                cells.push(Vec::new());
                names.len() - 1
            });
            cells[place].resize(rows, Value::Null);
            cells[place].push(value);
        }
        rows += 1;
    }
    let columns = cells.into_iter().map(|mut column| {
        column.resize(rows, Value::Null);
        json_column(column)
    });
    Ok(Table { path: source.path.clone(), rows, columns: columns.collect(), names })
}

/// Vectors if every list has one length and a number that is no integer is among them, else lists, else text.
fn json_column(cells: Vec<Value>) -> Column {
    if !cells.iter().any(Value::is_array) {
        return Column::Text(cells.into_iter().map(json_text).collect());
    }
    if let Some(dim) = vector_length(&cells) {
        let numbers = |cell: &Value| match cell {
            Value::Array(list) => list.iter().map(|n| n.as_f64().unwrap_or(0.0) as f32).collect(),
            _ => vec![0.0; dim],
        };
        let data = cells.iter().flat_map(numbers).collect();
        return Column::FloatList { dim, data, present: cells.iter().map(Value::is_array).collect() };
    }
    let list = |cell| match cell {
        Value::Array(list) => list.into_iter().filter_map(json_text).collect(),
        other => json_text(other).into_iter().collect(),
    };
    Column::TextList(cells.into_iter().map(list).collect())
}

fn vector_length(cells: &[Value]) -> Option<usize> {
    let mut present = cells.iter().filter(|cell| !cell.is_null());
    let dim = present.clone().find_map(|cell| Some(cell.as_array()?.len()))?;
    let numeric = present.all(|cell| {
        cell.as_array().is_some_and(|list| list.len() == dim && list.iter().all(Value::is_number))
    });
    let fractional = cells.iter().filter_map(Value::as_array).flatten().any(Value::is_f64);
    (numeric && fractional).then_some(dim)
}

fn json_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(text),
        other => Some(other.to_string()),
    }
}

fn read_parquet(source: &Source) -> Result<Table> {
    let file = source.file()?;
    let (schema, batches) = decode_parquet(source, || {
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged_parquet(source, &e))?;
        let schema = builder.schema().clone();
        let reader = builder.build().map_err(|e| damaged_parquet(source, &e))?;
        let batches =
            reader.collect::<Result<Vec<RecordBatch>, _>>().map_err(|e| damaged_parquet(source, &e))?;
        Ok((schema, batches))
    })?;
    let names: Vec<String> = schema.fields().iter().map(|field| header_name(field.name())).collect();
    refuse_duplicates(&source.path, &names)?;
    let columns = (0..names.len()).map(|place| arrow_column(&schema, &batches, place, &source.path));
    Ok(Table {
        path: source.path.clone(),
        rows: batches.iter().map(RecordBatch::num_rows).sum(),
        columns: columns.collect::<Result<_>>()?,
        names,
    })
}

fn arrow_column(schema: &Schema, batches: &[RecordBatch], place: usize, path: &Path) -> Result<Column> {
    let arrays = || batches.iter().map(|batch| batch.column(place).as_ref());
    let unsupported = |data_type: &DataType| {
        let reason = format!("column `{}` has the type {data_type}", schema.field(place).name());
        malformed(path, reason, "Write it as text, a number, a time, a list of these, or leave it out")
    };
    match schema.field(place).data_type() {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            match element.data_type() {
                DataType::Float32 | DataType::Float64 => vectors(arrays(), schema.field(place).name(), path),
                plain if is_plain(plain) => Ok(Column::TextList(arrays().flat_map(text_lists).collect())),
                other => Err(unsupported(other)),
            }
        }
        plain if is_plain(plain) => {
            let cell = |array, row| cell_text(array, row).filter(|text| !text.is_empty()).map(Into::into);
            Ok(Column::Text(
                arrays().flat_map(|array| (0..array.len()).map(move |row| cell(array, row))).collect(),
            ))
        }
        other => Err(unsupported(other)),
    }
}

fn text_lists(array: &dyn Array) -> impl Iterator<Item = Vec<String>> {
    (0..array.len()).map(move |row| {
        let elements = array.is_valid(row).then(|| list_elements(array, row)).flatten();
        let texts = |list: &dyn Array| {
            (0..list.len()).filter_map(|i| Some(cell_text(list, i)?.into_owned())).collect()
        };
        elements.map_or_else(Vec::new, |list| texts(list.as_ref()))
    })
}

fn vectors<'a>(arrays: impl Iterator<Item = &'a dyn Array>, name: &str, path: &Path) -> Result<Column> {
    let (mut dim, mut data, mut present) = (0, Vec::new(), Vec::new());
    for array in arrays {
        for row in 0..array.len() {
            let vector = array.is_valid(row).then(|| list_elements(array, row)).flatten().map(floats);
            if let Some(vector) = &vector {
                if dim == 0 {
                    dim = vector.len();
                    data = vec![0.0; dim * present.len()];
                }
                if vector.len() != dim {
                    let row = present.len() + 1;
                    let reason =
                        format!("`{name}` in row {row} has {} values, earlier rows {dim}", vector.len());
                    return Err(malformed(path, reason, "Write vectors of one length, or null"));
                }
            }
            present.push(vector.is_some());
            data.extend(vector.unwrap_or_else(|| vec![0.0; dim]));
        }
    }
    Ok(Column::FloatList { dim, data, present })
}

/// The numbers of a list of floats; null becomes NaN, so that it is seen and not taken for a zero.
fn floats(list: arrow_array::ArrayRef) -> Vec<f32> {
    match list.data_type() {
        DataType::Float32 => {
            list.as_primitive::<Float32Type>().iter().map(|x| x.unwrap_or(f32::NAN)).collect()
        }
        _ => list.as_primitive::<Float64Type>().iter().map(|x| x.map_or(f32::NAN, |x| x as f32)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, content: &str) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Table::open(&path)
    }

    #[test]
    fn delimited_text_becomes_text_columns() {
        let text = "\u{feff}item_id:token;title\r\n1;\"a; \"\"b\"\"\nc\"\r\n2;\r\n";
        let table = table("items.csv", text).unwrap();
        assert_eq!((table.rows(), table.names()), (2, ["item_id".to_owned(), "title".to_owned()].as_slice()));
        let title = table.column("title").unwrap();
        assert_eq!((title.text(0), title.text(1)), (Some("a; \"b\"\nc"), None));
    }

    #[test]
    fn json_lists_are_lists_or_vectors() {
        let text = "{\"id\":1,\"r\":[1,\"x\"],\"v\":[0.5,1]}\n\n{\"v\":[2,3],\"id\":\"b\"}\n{\"id\":null}\n";
        let table = table("items.jsonl", text).unwrap();
        let text = |values: [Option<&str>; 3]| Column::Text(values.map(|v| v.map(str::to_owned)).to_vec());
        assert_eq!(table.column("id"), Some(&text([Some("1"), Some("b"), None])));
        assert_eq!(table.column("r").unwrap().list(0), Some(vec!["1".into(), "x".into()]));
        let vectors = Column::FloatList {
            dim: 2,
            data: vec![0.5, 1.0, 2.0, 3.0, 0.0, 0.0],
            present: vec![true, true, false],
        };
        assert_eq!(table.column("v"), Some(&vectors));
    }

    #[test]
    fn a_row_that_does_not_fit_its_header_is_named() {
        let error = table("items.csv", "a,b\n1,2\n3\n").unwrap_err().to_string();
        assert!(error.contains("row 3 has 1 fields, the header 2"), "{error}");
        let error = table("items.csv", "a,a\n1,2\n").unwrap_err().to_string();
        assert!(error.contains("the header has the column `a` twice"), "{error}");
        assert!(matches!(table("items.csv", "a,b\n"), Err(Error::Empty { .. })));
    }

    #[test]
    fn lists_in_cells_have_three_forms() {
        let list = |text| parse_list(text).map(|list| list.join("/"));
        assert_eq!(list("[1, 2,3 ]").as_deref(), Some("1/2/3"));
        assert_eq!(list(r#"['it\'s', "b, c", "\u00e9"]"#).as_deref(), Some("it's/b, c/é"));
        assert_eq!(list(" [] ").as_deref(), Some(""));
        for broken in ["", "[", "[1", "1]", "['a]", "['a' 'b']", "[[1]]", "[,]", "nothing"] {
            assert_eq!(parse_list(broken), None, "{broken}");
        }
    }
}
