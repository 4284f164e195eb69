//! One file per verb.

pub(crate) mod demo;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod features;
pub(crate) mod fit;
pub(crate) mod forecast;
pub(crate) mod halflife;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod profile;
pub(crate) mod recommend;
pub(crate) mod serve;
pub(crate) mod simulate;
