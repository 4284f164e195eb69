//! Integration tests of the library, in one binary: each binary links everything again.

mod layers;
mod simulator;
