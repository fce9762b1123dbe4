#!/bin/sh
# Builds the fuzzer (dependencies are those of `cargo build`) and fuzzes one parser.
# usage: fuzz/run.sh TARGET SECONDS
set -eu
cd "$(dirname "$0")/.."
built="${CARGO_TARGET_DIR:-target}"
corpus="$built/fuzz-corpus/$1"
mkdir -p "$corpus"
RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrument.sh" cargo build --quiet --locked -p lungs-fuzz
FUZZ_TARGET="$1" exec "$built/debug/fuzz" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$built/fuzz-corpus/$1-" "$corpus" "fuzz/seeds/$1"
