//! The command line of Wane.

fn main() {}
