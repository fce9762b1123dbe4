#!/usr/bin/env bash
# Runs all tests: first those that need nothing, then the ignored ones whose needs this machine meets. A test names its needs
# in the reason of `#[ignore]`: "needs shared/ct", "needs slurmctld and root". Prints the tests whose needs are not met.
set -euo pipefail
cd "$(dirname "$0")/.."
shared="${LUNGS_SHARED:-$PWD/../shared}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

is_met() {
    case "$1" in
        shared/*) [ -e "$shared/${1#shared/}" ] ;;
        root) [ "$(id -u)" = 0 ] ;;
        s3s-fs) command -v "${LUNGS_S3_SERVER:-s3s-fs}" >/dev/null ;;
        slurmctld) PATH="$PATH:/usr/sbin" command -v slurmctld >/dev/null ;;
        astra) [ -f "${LUNGS_ASTRA:-}" ] ;;
        chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
        jsonschema | numpy | safetensors) python3 -c "import $1" 2>/dev/null ;;
        *) echo "unknown need \"$1\": add it to tools/test-all.sh" >&2; exit 2 ;;
    esac >/dev/null
}

cargo test "$@" 2>&1 | tee "$log"

run=() missing=()
while IFS=$'\t' read -r name needs; do
    met=yes
    for need in ${needs// and / }; do is_met "$need" || met=no; done
    if [ "$met" = yes ]; then run+=("$name"); else missing+=("$name: needs $needs"); fi
done < <(sed -nE 's/^test ([^ ]+) \.\.\. ignored, needs (.*)$/\1\t\2/p' "$log")

if [ "${#run[@]}" -gt 0 ]; then
    echo "== ${#run[@]} tests with further needs"
    # No example of the documentation is ignored.
    cargo test --tests "$@" -- --ignored --exact "${run[@]}" 2>&1 | tee "$log"
    passed="$(sed -nE 's/^test result: .* ([0-9]+) passed.*/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')"
    [ "$passed" -ge "${#run[@]}" ] || { echo "only $passed of ${#run[@]} tests ran" >&2; exit 1; }
fi
for test in "${missing[@]}"; do echo "not run: $test"; done
