//! Why a row did not become an event: fixed short strings, the same in every format.

/// Why a row was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reason {
    NoUser,
    NoItem,
    NoTime,
    NoType,
    BadTime,
    MixedUnits,
    Before1970,
    TimeOutOfRange,
    Future,
    TooFewFields,
    TooManyFields,
    NotUtf8,
    NulByte,
    FieldTooLong,
    BadJson,
    NotPlain,
    /// The rule of this number says so.
    Rule(u8),
}

impl Reason {
    /// The reason as it is reported; `rule` gives the text of a rule.
    pub(super) fn text(self, rule: impl Fn(u8) -> String) -> String {
        let text = match self {
            Self::NoUser => "no user",
            Self::NoItem => "no item",
            Self::NoTime => "no time",
            Self::NoType => "no event type",
            Self::BadTime => "bad time",
            Self::MixedUnits => "mixed time units",
            Self::Before1970 => "time before 1970",
            Self::TimeOutOfRange => "time out of range",
            Self::Future => "in the future",
            Self::TooFewFields => "too few fields",
            Self::TooManyFields => "too many fields",
            Self::NotUtf8 => "not UTF-8",
            Self::NulByte => "NUL byte",
            Self::FieldTooLong => "field too long",
            Self::BadJson => "bad JSON",
            Self::NotPlain => "not a plain value",
            Self::Rule(number) => return format!("rule {}", rule(number)),
        };
        text.to_owned()
    }
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Accept,
    Reject(Reason),
    /// Set aside on request: a guest, or by the rule of this number.
    DropGuest,
    DropByRule(u8),
}
