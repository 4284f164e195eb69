#!/usr/bin/env bash
# Every check there is: format, lints, tests, documentation, benches, and the main command of the README.
# Needs a Rust toolchain; everything else comes through Cargo.lock.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- --deny warnings

step "tests: unit, integration, documentation"
cargo test --workspace --locked

step "documentation"
RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

step "benches compile"
cargo bench --workspace --locked --no-run

step "the README's main command"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo run --release --locked --bin wane -- demo --out "$out"
test -s "$out/report.html"

printf '\nAll checks passed.\n'
