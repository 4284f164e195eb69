//! Recursive descent over the tokens of a filter expression.
//!
//! ```text
//! any   = all { "or" all }
//! all   = not { "and" not }
//! not   = "not" not | "(" any ")" | test
//! test  = field ( sign value | [ "not" ] "in" "[" value { "," value } "]"
//!               | "contains" text | "is" [ "not" ] "missing" )
//! value = number | text in quotes | "true" | "false"
//! ```
//! Keywords are read in any case; a field that is named like a keyword or holds spaces is written in backquotes.

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::expression::{Comparison, Field, Node, Test, Value};
use super::token::{Kind, Token, error_at, tokens};
use crate::error::{Error, Result};
use crate::events::Timestamp;
use crate::interest::Catalogue;

/// Nesting beyond this is refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Reads an expression over the fields of a catalogue.
pub(super) fn parse(text: &str, catalogue: &Catalogue) -> Result<Node> {
    let mut parser = Parser { text, tokens: tokens(text)?, place: 0, depth: 0, catalogue };
    let root = parser.any()?;
    match parser.peek() {
        Kind::End => Ok(root),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
    catalogue: &'a Catalogue,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node> {
        self.list("or", Self::all, Node::Any)
    }

    fn all(&mut self) -> Result<Node> {
        self.list("and", Self::not, Node::All)
    }

    fn list(
        &mut self,
        joint: &str,
        part: fn(&mut Self) -> Result<Node>,
        join: fn(Vec<Node>) -> Node,
    ) -> Result<Node> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while self.take_word(joint) {
            rest.push(part(self)?);
        }
        if rest.is_empty() {
            return Ok(first);
        }
        rest.insert(0, first);
        Ok(join(rest))
    }

    fn not(&mut self) -> Result<Node> {
        if self.depth == MAX_DEPTH {
            return Err(self.expected(format!("at most {MAX_DEPTH} levels of brackets and `not`")));
        }
        self.depth += 1;
        let node = if self.take_word("not") {
            Node::Not(Box::new(self.not()?))
        } else if self.take_sign("(") {
            let inner = self.any()?;
            self.need_sign(")")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node> {
        let field = self.field()?;
        let test = if self.take_word("is") {
            let is_known = self.take_word("not");
            self.need_word("missing")?;
            if is_known { Test::Known } else { Test::Missing }
        } else if self.take_word("contains") {
            self.contains(&field)?
        } else if self.take_word("in") {
            Test::In(self.values(&field)?)
        } else if self.take_word("not") {
            self.need_word("in")?;
            Test::NotIn(self.values(&field)?)
        } else {
            Test::Compare(self.comparison()?, self.value(&field)?)
        };
        Ok(Node::Test(field, test))
    }

    fn field(&mut self) -> Result<Field> {
        let name = match self.peek() {
            Kind::Word(name) | Kind::Name(name) => name.clone(),
            _ => return Err(self.expected(format!("a field ({})", known_fields(self.catalogue).join(", ")))),
        };
        let field = find_field(self.catalogue, &name).ok_or_else(|| self.no_such_field())?;
        self.place += 1;
        Ok(field)
    }

    fn comparison(&mut self) -> Result<Comparison> {
        let comparison = match self.peek() {
            Kind::Sign("=") => Comparison::Equal,
            Kind::Sign("!=") => Comparison::Unequal,
            Kind::Sign("<") => Comparison::Less,
            Kind::Sign("<=") => Comparison::LessOrEqual,
            Kind::Sign(">") => Comparison::Greater,
            Kind::Sign(">=") => Comparison::GreaterOrEqual,
            _ => {
                return Err(
                    self.expected("`=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `contains` or `is missing`")
                );
            }
        };
        self.place += 1;
        Ok(comparison)
    }

    fn contains(&mut self, field: &Field) -> Result<Test> {
        if matches!(field, Field::Price | Field::Available | Field::Created) {
            return Err(self.expected("`contains` after a text field only"));
        }
        match self.value(field)? {
            Value::Text(needle) => Ok(Test::Contains(needle.to_lowercase())),
            _ => {
                self.place -= 1;
                Err(self.expected("text in quotes"))
            }
        }
    }

    fn values(&mut self, field: &Field) -> Result<Vec<Value>> {
        self.need_sign("[")?;
        let mut values = vec![self.value(field)?];
        while self.take_sign(",") {
            values.push(self.value(field)?);
        }
        self.need_sign("]")?;
        Ok(values)
    }

    /// A value that the field can be compared with.
    fn value(&mut self, field: &Field) -> Result<Value> {
        let (value, wanted) = match (field, self.peek()) {
            (Field::Price, Kind::Number(number)) => (Some(Value::Number(*number)), ""),
            (Field::Price, _) => (None, "a number"),
            (Field::Available, Kind::Word(word)) => (boolean(word), "`true` or `false`"),
            (Field::Available, _) => (None, "`true` or `false`"),
            (Field::Created, Kind::Text(text)) => (time(text), "a time like \"2026-01-31\""),
            (Field::Created, _) => (None, "a time in quotes like \"2026-01-31\""),
            (_, Kind::Text(text)) => (Some(Value::Text(text.clone())), ""),
            (Field::Extra(_), Kind::Number(number)) => (Some(Value::Number(*number)), ""),
            (Field::Extra(_), _) => (None, "a number, or text in quotes"),
            _ => (None, "text in quotes"),
        };
        let value = value.ok_or_else(|| self.expected(wanted))?;
        self.place += 1;
        Ok(value)
    }

    fn peek(&self) -> &Kind {
        self.tokens.get(self.place).map_or(&Kind::End, |token| &token.kind)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(found) if found.eq_ignore_ascii_case(word));
        self.place += usize::from(found);
        found
    }

    fn need_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(format!("`{word}`"))) }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Kind::Sign(found) if *found == sign);
        self.place += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &str) -> Result<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.expected(format!("`{sign}`"))) }
    }

    fn no_such_field(&self) -> Error {
        let known = known_fields(self.catalogue).join(", ");
        match self.expected(format!("one of the catalogue's fields {known}")) {
            Error::Setting { expected, got, .. } => Error::Unfit { name: "filter", expected, got },
            other => other,
        }
    }

    fn expected(&self, what: impl Into<String>) -> Error {
        let column = self.tokens.get(self.place).map_or(0, |token| token.column);
        let got = match self.peek() {
            Kind::Word(word) => format!("`{word}`"),
            Kind::Name(name) => format!("`{name}`"),
            Kind::Text(text) => format!("\"{text}\""),
            Kind::Number(number) => format!("{number}"),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_owned(),
        };
        error_at(self.text, column, what, &got)
    }
}

fn boolean(word: &str) -> Option<Value> {
    let is = |text: &str| word.eq_ignore_ascii_case(text);
    (is("true") || is("false")).then(|| Value::Bool(is("true")))
}

/// A date (its first moment, UTC) or an RFC 3339 time.
fn time(text: &str) -> Option<Value> {
    let date = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    let moment = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()).or_else(date)?;
    Some(Value::Time(Timestamp::from_millis(moment.timestamp_millis())))
}

/// Fields that the catalogue has a column for.
fn known_fields(catalogue: &Catalogue) -> Vec<&str> {
    let own = [
        ("item", true),
        ("title", !catalogue.title.is_empty()),
        ("description", !catalogue.description.is_empty()),
        ("category", !catalogue.categories.is_empty()),
        ("brand", !catalogue.brand.is_empty()),
        ("price", !catalogue.price.is_empty()),
        ("available", !catalogue.available.is_empty()),
        ("created", !catalogue.created.is_empty()),
    ];
    let own = own.into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
    own.chain(catalogue.extra.keys().map(String::as_str)).collect()
}

/// The field of that name, else the only one that differs by case alone.
fn find_field(catalogue: &Catalogue, name: &str) -> Option<Field> {
    let fields = known_fields(catalogue);
    let alike = || fields.iter().find(|field| field.eq_ignore_ascii_case(name));
    let field = *fields.iter().find(|field| **field == name).or_else(alike)?;
    Some(match field {
        "item" => Field::Item,
        "title" => Field::Title,
        "description" => Field::Description,
        "category" => Field::Category,
        "brand" => Field::Brand,
        "price" => Field::Price,
        "available" => Field::Available,
        "created" => Field::Created,
        extra => Field::Extra(extra.to_owned()),
    })
}
