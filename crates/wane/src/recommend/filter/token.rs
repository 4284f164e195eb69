//! Words, numbers, strings and signs of a filter expression, each with the column where it stands.

use crate::error::{Error, Result};

/// What a piece of text is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A field name or keyword as it was written.
    Word(String),
    /// A name in backquotes: never a keyword.
    Name(String),
    /// A string in single or double quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// `(`, `)`, `[`, `]`, `,`, `=`, `!=`, `<`, `<=`, `>` or `>=`.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// A piece of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Characters before it.
    pub(super) column: usize,
}

/// Longer signs first, so that `<=` is not read as `<`. `==` is taken for `=`.
const SIGNS: &[(&str, &str)] = &[
    ("==", "="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (",", ","),
];

/// An error that shows the expression with a caret under the column.
pub(super) fn error_at(text: &str, column: usize, expected: impl Into<String>, got: &str) -> Error {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let caret = " ".repeat(column);
    Error::setting("filter", expected, format!("{got} at column {}\n  {shown}\n  {caret}^", column + 1))
}

/// Cuts an expression into tokens; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let column = text.chars().count() - rest.chars().count();
        let (kind, after) = next(rest).map_err(|(expected, got)| error_at(text, column, expected, &got))?;
        found.push(Token { kind, column });
        rest = after.trim_start();
    }
    found.push(Token { kind: Kind::End, column: text.trim_end().chars().count() });
    Ok(found)
}

/// The first token of `rest` and what follows it, or what was expected and what is there.
fn next(rest: &str) -> Result<(Kind, &str), (&'static str, String)> {
    if let Some((sign, after)) = SIGNS.iter().find_map(|(sign, as_)| Some((*as_, rest.strip_prefix(sign)?))) {
        return Ok((Kind::Sign(sign), after));
    }
    match rest.chars().next().unwrap_or_default() {
        quote @ ('"' | '\'') => quoted(rest, quote).map(|(text, after)| (Kind::Text(text), after)),
        '`' => quoted(rest, '`').map(|(name, after)| (Kind::Name(name), after)),
        c if c.is_ascii_digit() || "+-.".contains(c) => number(rest),
        c if is_word(c) => {
            let (word, after) = split_while(rest, is_word);
            Ok((Kind::Word(word.to_owned()), after))
        }
        c => Err(("a field, a value or an operator", format!("`{c}`"))),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.' || c == '-'
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

fn number(rest: &str) -> Result<(Kind, &str), (&'static str, String)> {
    let (digits, after) = split_while(rest, |c| is_word(c) || c == '+');
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((Kind::Number(value), after)),
        _ => Err(("a number, or text in quotes", format!("`{digits}`"))),
    }
}

/// Reads a quoted text in which a backslash takes the next character as it is.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), (&'static str, String)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            c if c == quote => return Ok((text, chars.next().map_or("", |(at, _)| rest.split_at(at).1))),
            c => text.push(c),
        }
    }
    Err(("a closing quote", "an open text".to_owned()))
}
