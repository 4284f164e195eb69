//! Integration tests of the library, in one binary: each binary links everything again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail by panicking

mod layers;
mod report;
mod simulator;
