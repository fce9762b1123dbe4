#!/usr/bin/env bash
# Builds with `--features cuda` where Burn's build script cannot download its LLVM bundle: puts the
# distribution's LLVM 22 where that script looks for an installed one (tracel-llvm-bundler 23.1.0-4, which
# Burn 0.22.1 uses). For Debian and Ubuntu; needs root for the packages. No CUDA toolkit is needed.
#
#     source tools/offline-llvm.sh && cargo build --release --features cuda

offline_llvm() {
    local packages="llvm-22-dev libpolly-22-dev libzstd-dev zlib1g-dev libxml2-dev libz3-dev"
    local system=/usr/lib/llvm-22
    local data="${XDG_DATA_HOME:-$HOME/.local/share}"
    local bundle="$data/tracel/tracel-llvm-23.1.0-4"

    if [ ! -x "$system/bin/llvm-config" ]; then
        # shellcheck disable=SC2086 # a list of packages
        apt-get update && apt-get install -y --no-install-recommends $packages || return 1
    fi
    mkdir -p "$bundle/bin" || return 1
    local part
    for part in include lib share; do
        ln -sfn "$system/$part" "$bundle/$part" || return 1
    done
    # Z3 is listed as a path, of which the build script makes a library name that does not exist;
    # nothing here needs it.
    cat > "$bundle/bin/llvm-config" <<SCRIPT || return 1
#!/bin/sh
"$system/bin/llvm-config" "\$@" | sed 's#/usr/lib/[^ ]*/libz3\\.so##'
SCRIPT
    chmod +x "$bundle/bin/llvm-config" || return 1
    # The mark by which the build script knows that nothing is to be downloaded.
    touch "$bundle/.tracel-llvm-installed" || return 1
    export XDG_DATA_HOME="$data"
    echo "LLVM $("$bundle/bin/llvm-config" --version) is in place for the build with --features cuda"
}

offline_llvm || echo "LLVM could not be put in place; the lines above say why" >&2
unset -f offline_llvm
