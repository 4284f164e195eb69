//! Rules that turn a row into another event type, or away, by the content of any column.
//!
//! Shops write returns as negative quantities and cancellations as a letter before the invoice number. A rule
//! `quantity<0=return` or `InvoiceNo^C=cancellation` makes such rows events of a type of their own; `=reject` and
//! `=drop` send them away, counted. The first rule that holds decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Equal,
    StartsWith,
    Contains,
}

/// Two-character signs come first, so that `<=` is not read as `<`.
const SIGNS: [(&str, Operator); 7] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("^", Operator::StartsWith),
    ("~", Operator::Contains),
    ("=", Operator::Equal),
];

/// What becomes of a row for which a rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleResult {
    /// It is an event of this type.
    Type(String),
    /// It is rejected.
    Reject,
    /// It is dropped.
    Drop,
}

/// One rule: `COLUMN OPERATOR VALUE = RESULT`, with the operators `<`, `<=`, `>`, `>=`, `=`, `^` (starts with) and
/// `~` (contains); the result is an event type, `reject` or `drop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypeRule {
    column: String,
    operator: Operator,
    value: String,
    /// `value` as a number, where the operator compares numbers.
    number: f64,
    result: RuleResult,
    text: String,
}

impl TypeRule {
    /// The column that the rule looks at.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// What becomes of a row for which the rule holds.
    pub fn result(&self) -> &RuleResult {
        &self.result
    }

    /// Whether the rule holds for a cell. An empty cell, or one that is no number where numbers are compared,
    /// fulfils no rule.
    pub fn holds(&self, cell: &str) -> bool {
        let cell = cell.trim();
        let number = || cell.parse().unwrap_or(f64::NAN);
        match self.operator {
            _ if cell.is_empty() => false,
            Operator::Less => number() < self.number,
            Operator::LessOrEqual => number() <= self.number,
            Operator::Greater => number() > self.number,
            Operator::GreaterOrEqual => number() >= self.number,
            Operator::Equal => cell == self.value || number() == self.number,
            Operator::StartsWith => cell.starts_with(&self.value),
            Operator::Contains => cell.contains(&self.value),
        }
    }
}

impl FromStr for TypeRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let broken = || Error::setting("rule", "COLUMN<VALUE=TYPE with one of < <= > >= = ^ ~", text);
        let (condition, result) = text.rsplit_once('=').ok_or_else(broken)?;
        let first = |sign: &str| condition.find(sign).filter(|&place| place > 0);
        let found = SIGNS.iter().filter_map(|&(sign, operator)| Some((first(sign)?, sign, operator)));
        let (place, sign, operator) = found.min_by_key(|&(place, ..)| place).ok_or_else(broken)?;
        let (column, value) = (condition[..place].trim(), condition[place + sign.len()..].trim());
        let result = match result.trim() {
            "" => return Err(broken()),
            "reject" => RuleResult::Reject,
            "drop" => RuleResult::Drop,
            name => RuleResult::Type(name.to_owned()),
        };
        let number: f64 = value.parse().unwrap_or(f64::NAN);
        let numeric = !matches!(operator, Operator::Equal | Operator::StartsWith | Operator::Contains);
        if column.is_empty() || value.is_empty() || (numeric && number.is_nan()) {
            return Err(broken());
        }
        let (column, value) = (column.to_owned(), value.to_owned());
        Ok(Self { column, operator, value, number, result, text: text.to_owned() })
    }
}

impl fmt::Display for TypeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for TypeRule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<TypeRule> for String {
    fn from(rule: TypeRule) -> Self {
        rule.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_held() {
        let holds = |rule: &str, cell: &str| rule.parse::<TypeRule>().unwrap().holds(cell);
        assert!(holds("quantity<0=return", "-1.5") && !holds("quantity<0=return", "0"));
        assert!(holds("q<=0=x", " 0 ") && holds("q>=2=x", "2") && holds("q>2=x", "3"));
        assert!(holds("InvoiceNo^C=cancellation", "C53") && !holds("InvoiceNo^C=cancellation", "53C"));
        assert!(holds("code~TEST=drop", "a TEST b") && holds("kind=4=purchase", "4.0"));
        assert!(!holds("q<0=x", "") && !holds("q<0=x", "many"));
        let rule: TypeRule = "kind=4=reject".parse().unwrap();
        assert_eq!((rule.column(), rule.result()), ("kind", &RuleResult::Reject));
    }

    #[test]
    fn broken_rules_are_refused() {
        for text in ["", "a", "a<b", "<0=x", "a<=x", "a<many=x", "a<0=", "a=b"] {
            assert!(text.parse::<TypeRule>().is_err(), "{text}");
        }
    }
}
