//! A template: `{title}. {category}. {brand}` becomes "Wool scarf. Clothing > Scarves. Owl & Crown".
//!
//! - A column that an item lacks leaves no trace: the words before it, up to the column before, go with it.
//! - A full stop after a full stop is left out, and a brace itself is written twice.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// What is written of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// (words before a column, the column).
    parts: Vec<(String, String)>,
    /// Words after the last column.
    tail: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`Error::Template`] for a brace that is not closed or was not opened, a column without a name, or no column at all.
    pub fn parse(template: &str) -> Result<Self> {
        let error = |at: usize, reason| Error::Template { template: template.to_owned(), at: at + 1, reason };
        let (mut parts, mut words) = (Vec::new(), String::new());
        let mut letters = template.chars().enumerate().peekable();
        while let Some((at, letter)) = letters.next() {
            let is_twice = matches!(letter, '{' | '}') && letters.peek().is_some_and(|next| next.1 == letter);
            match letter {
                _ if is_twice => words.extend(letters.next().map(|next| next.1)),
                '}' => return Err(error(at, "a closing brace that was not opened")),
                '{' => {
                    let mut column = String::new();
                    loop {
                        match letters.next() {
                            Some((_, '}')) => break,
                            Some((_, letter)) if letter != '{' => column.push(letter),
                            _ => return Err(error(at, "a brace that is not closed")),
                        }
                    }
                    let column = column.trim().to_owned();
                    if column.is_empty() {
                        return Err(error(at, "a column without a name"));
                    }
                    parts.push((std::mem::take(&mut words), column));
                }
                letter => words.push(letter),
            }
        }
        if parts.is_empty() {
            return Err(error(0, "no column"));
        }
        Ok(Self { parts, tail: words })
    }

    /// The columns, each followed by a full stop.
    pub fn of_columns(columns: &[&str]) -> Self {
        let part = |(place, column): (usize, &&str)| {
            let between = if place == 0 { "" } else { ". " };
            (between.to_owned(), (*column).to_owned())
        };
        Self { parts: columns.iter().enumerate().map(part).collect(), tail: String::new() }
    }

    /// Columns that it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.1.as_str())
    }

    /// Writes the text of one item; empty where it has none of the columns.
    pub fn render<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
        let (mut text, mut is_first) = (String::new(), true);
        for (place, (words, column)) in self.parts.iter().enumerate() {
            let Some(value) = value(column).filter(|value| !value.trim().is_empty()) else { continue };
            if place == 0 || !is_first {
                // A title that ends with a full stop needs no second one.
                let second = words.strip_prefix('.').filter(|_| text.ends_with('.'));
                text.push_str(second.unwrap_or(words));
            }
            text.push_str(value.trim());
            is_first = false;
        }
        if !is_first {
            text.push_str(&self.tail);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(template: &str, known: &[(&str, &str)]) -> String {
        let value =
            |column: &str| known.iter().find(|own| own.0 == column).map(|own| Cow::from(own.1.to_owned()));
        Template::parse(template).unwrap().render(value)
    }

    #[test]
    fn what_an_item_lacks_leaves_no_trace() {
        let template = "{title}. {category}, by {brand}!";
        let all = [("title", "Scarf "), ("category", "Wool"), ("brand", "Owl")];
        assert_eq!(render(template, &all), "Scarf. Wool, by Owl!");
        assert_eq!(render(template, &[all[0], all[2]]), "Scarf, by Owl!");
        assert_eq!(render(template, &all[1..]), "Wool, by Owl!");
        assert_eq!(render(template, &[("title", "  ")]), "");
        assert_eq!(render("{{{title}}} #1", &all), "{Scarf} #1");
        assert_eq!(render("{title}. {brand}", &[("title", "Gel 1oz."), all[2]]), "Gel 1oz. Owl");
    }

    #[test]
    fn errors_say_where() {
        let place = |template: &str| match Template::parse(template) {
            Err(Error::Template { at, .. }) => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [place("a {title"), place("title}"), place("{ }"), place("title"), place("")],
            [3, 6, 1, 1, 1]
        );
        assert_eq!(place("{title {brand}"), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(template in ".{0,30}", value in proptest::option::of(".{0,9}")) {
            if let Ok(template) = Template::parse(&template) {
                template.render(|_| value.as_deref().map(Cow::from));
            }
        }
    }
}
