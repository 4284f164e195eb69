//! Who may ask, and what.
//!
//! A key is 256 random bits, so its plain SHA-256 is all that need be kept: slow, salted hashes protect what people think up, which
//! can be guessed, and nobody guesses this. What is presented is compared with all keys in constant time.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// What a key begins with, so that tools that look for secrets in code find it.
const PREFIX: &str = "wane_";

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// A key that may read lists.
    Read,
    /// A key that may tell what happened.
    Write,
    /// A key that may see and erase users and look after the server.
    Admin,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// Ask for lists.
    pub read: bool,
    /// Tell what happened.
    pub write: bool,
    /// Everything.
    pub admin: bool,
}

impl Roles {
    /// Everything.
    pub const ALL: Self = Self { read: true, write: true, admin: true };

    /// Roles by their names, or the name that is none.
    ///
    /// # Errors
    /// The first name that is not `read`, `write` or `admin`.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        names.into_iter().try_fold(Self::default(), |roles, name| match name {
            "read" => Ok(Self { read: true, ..roles }),
            "write" => Ok(Self { write: true, ..roles }),
            "admin" => Ok(Self { admin: true, ..roles }),
            other => Err(other),
        })
    }

    /// Whether they suffice.
    #[must_use]
    pub fn suffice(self, access: Access) -> bool {
        match access {
            Access::Open => true,
            Access::Read => self.read || self.admin,
            Access::Write => self.write || self.admin,
            Access::Admin => self.admin,
        }
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [("read", self.read), ("write", self.write), ("admin", self.admin)];
        let names: Vec<&str> = names.into_iter().filter_map(|(name, has)| has.then_some(name)).collect();
        f.write_str(&names.join("+"))
    }
}

/// A key, without the key itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What logs call it.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// What it is known by.
    pub mark: KeyMark,
    /// Requests per second, where they are not those of all.
    pub rate: Option<f64>,
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyMark([u8; 32]);

impl KeyMark {
    /// That of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2).filter(|_| is_hex)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A key made of random bytes.
#[must_use]
pub fn new_key(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", KeyMark(random))
}

/// The place of the key that was presented. All are looked at, so that the time taken says nothing about which one nearly fits.
pub(crate) fn find(keys: &[Key], presented: &str) -> Option<usize> {
    let presented = KeyMark::of(presented);
    let (mut place, mut found) = (0_u32, Choice::from(0));
    for (own, key) in (0_u32..).zip(keys) {
        let is_same = key.mark.0.ct_eq(&presented.0);
        place.conditional_assign(&own, is_same);
        found |= is_same;
    }
    bool::from(found).then_some(place as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, secret: &str) -> Key {
        Key { name: name.into(), roles: Roles::default(), mark: KeyMark::of(secret), rate: None }
    }

    #[test]
    fn a_key_is_found_by_itself_alone() {
        let secrets = [new_key([1; 32]), new_key([2; 32]), new_key([3; 32])];
        let keys: Vec<Key> = secrets.iter().map(|secret| key(secret, secret)).collect();
        for (place, secret) in secrets.iter().enumerate() {
            assert_eq!(find(&keys, secret), Some(place));
        }
        assert_eq!(find(&keys, &new_key([4; 32])), None);
        assert_eq!(find(&keys, ""), None);
        assert_eq!(find(&[], &secrets[0]), None);
        // What the file has is no key.
        assert_eq!(find(&keys, &keys[0].mark.to_string()), None);
    }

    #[test]
    fn marks_are_those_of_other_programs() {
        // printf abc | sha256sum
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyMark::of("abc").to_string(), known);
        assert_eq!(KeyMark::from_hex(known), Some(KeyMark::of("abc")));
        assert_eq!(KeyMark::from_hex(&known.to_uppercase()), Some(KeyMark::of("abc")));
        for wrong in ["", &known[1..], &format!("{known}0"), &known.replace('b', "+"), &"é".repeat(32)] {
            assert_eq!(KeyMark::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_admin_may_do_all_and_others_what_is_theirs() {
        let of = |names: &[&'static str]| Roles::named(names.iter().copied());
        let may = |names: &[&'static str]| {
            let roles = of(names).unwrap();
            [Access::Open, Access::Read, Access::Write, Access::Admin].map(|access| roles.suffice(access))
        };
        assert_eq!(may(&[]), [true, false, false, false]);
        assert_eq!(may(&["read"]), [true, true, false, false]);
        assert_eq!(may(&["write"]), [true, false, true, false]);
        assert_eq!(may(&["write", "read"]), [true, true, true, false]);
        assert_eq!(may(&["admin"]), [true; 4]);
        assert_eq!(of(&["read", "root"]), Err("root"));
        assert_eq!(of(&["write", "read"]).unwrap().to_string(), "read+write");
    }
}
