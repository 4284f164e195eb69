//! Integration tests of the library, in one binary: each binary links everything again.

// A test may fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activity;
mod bad_input;
mod best;
mod dialects;
mod effects;
mod engagement;
mod evaluation;
mod forecast;
mod layers;
mod live;
mod models;
mod neighbours;
mod readers;
mod report;
mod resume;
mod simulator;
mod spending;
mod survival;
mod texts;
mod trace;
