#!/usr/bin/env bash
# Packs the program and what tools/gpu/kit.py needs on a machine with a GPU, but without Rust and network:
# at most 60 MiB in one folder.
#
#     tools/gpu/pack.sh [--binary PATH] [--out FOLDER]
#
# Without --binary, builds the release profile with the cuda feature; LLVM comes from Burn's bundle, or from
# the distribution (tools/offline-llvm.sh) if its download fails or LUNGS_OFFLINE_LLVM is set.
set -euo pipefail
cd "$(dirname "$0")/../.."

binary="" out=target/gpu-kit limit_mib=60
while [ $# -gt 0 ]; do
    case "$1" in
        --binary) binary="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        *) echo "unknown argument \"$1\"; usage: tools/gpu/pack.sh [--binary PATH] [--out FOLDER]" >&2; exit 2 ;;
    esac
done

build() {
    # The driver interface of CUDA 12.8, so that the program also binds to drivers older than the newest.
    export CUDARC_CUDA_VERSION=12080
    if [ -n "${LUNGS_OFFLINE_LLVM:-}" ]; then
        # shellcheck source=tools/offline-llvm.sh
        source tools/offline-llvm.sh
        cargo build --release --locked --features cuda
    elif ! cargo build --release --locked --features cuda; then
        echo "the build failed; trying again with the distribution's LLVM" >&2
        # shellcheck source=tools/offline-llvm.sh
        source tools/offline-llvm.sh
        cargo build --release --locked --features cuda
    fi
}

# The path of a shared library that the program needs, by the dynamic linker.
library_path() {
    ldd "$binary" | awk -v name="$1" '$1 ~ "^"name"\\.so" { print $3; exit }'
}

# The newest symbol version with a prefix that the program or its packed libraries need: GLIBC_2.34.
newest_version() {
    objdump -T "$out/lungs" "$out"/libs/* | grep -o "$1_[0-9.]*" | sort -uV | tail -1
}

if [ -z "$binary" ]; then
    build
    binary="${CARGO_TARGET_DIR:-target}/release/lungs"
fi

rm -rf "$out"
mkdir -p "$out/libs"
strip -s -o "$out/lungs" "$binary"
for name in libz libzstd 'libstdc\\+\\+' libgcc_s; do
    path="$(library_path "$name")"
    if [ -n "$path" ]; then
        cp -L "$path" "$out/libs/"
    else
        echo "the program does not need ${name//\\/}" >&2
    fi
done

glibc="$(newest_version GLIBC)"
echo "needs ${glibc/_/ }; this machine has $(getconf GNU_LIBC_VERSION)"
# Debian 12, Ubuntu 24.04 and later.
if [ "$(printf 'GLIBC_2.36\n%s\n' "$glibc" | sort -V | tail -1)" != GLIBC_2.36 ]; then
    echo "the program needs $glibc, newer than 2.36: build it on an older distribution" >&2
    exit 1
fi

xz -T0 -6 "$out/lungs"
# The demo names its initial weights as a path below the working folder.
weights="$(sed -nE 's/^init *= *"(.*)"$/\1/p' experiments/demo.toml)"
cp "$weights" "$out/demo-weights.safetensors"
cp experiments/demo.toml docs/pytorch/i3d.py "$out/"
cp tools/gpu/{kit,checks,measurements,commands,arrays,table,pytorch_steps}.py tools/gpu/README.md "$out/"
git describe --always --dirty > "$out/commit.txt"

size=$(du -sb "$out" | cut -f1)
echo "$out: $(((size + 1048575) >> 20)) MiB"
if [ "$size" -gt $((limit_mib << 20)) ]; then
    echo "the pack has more than $limit_mib MiB" >&2
    exit 1
fi
