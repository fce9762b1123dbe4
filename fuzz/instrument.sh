#!/bin/sh
# Compiles this workspace's own crates so that libFuzzer sees which branches an input takes.
# Dependencies stay as they are: RUSTC_WORKSPACE_WRAPPER is not called for them.
rustc="$1"
shift
case " $* " in
    *" --crate-name build_script_build "*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" --cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
