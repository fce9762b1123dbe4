# Daily commands. Each is one cargo command that also works without `just`.

# CUDA is built in if nvidia-smi lists a GPU; `just features="" …` builds for the CPU only.
features := `command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo "--features cuda" || echo ""`
lungs := "cargo run --release --quiet " + features + " --"

# List the recipes
default:
    @just --list

# A whole experiment on synthetic CT, in minutes (shares its build with the tests)
demo *ARGS:
    cargo run --quiet -- run experiments/demo.toml {{ARGS}}

# Run an experiment, or continue it where it stopped: just run experiments/baseline.toml
run SPEC *ARGS:
    {{lungs}} run {{SPEC}} {{ARGS}}

# Run and compare all runs of a spec's [sweep] table: just sweep experiments/demo-sweep.toml --jobs 2
sweep SPEC *ARGS:
    {{lungs}} sweep {{SPEC}} {{ARGS}}

# Continue a run: just resume results/demo/2026-01-31T10-15-02Z-5f3a9c
resume RUN *ARGS:
    {{lungs}} run {{RUN}} {{ARGS}}

# Show the plan of a run: series, splits, memory, disk, time
check SPEC *ARGS:
    {{lungs}} check {{SPEC}} {{ARGS}}

# Prepare CT series only: just prepare data/ct --out prepared
prepare INPUT *ARGS:
    {{lungs}} prepare {{INPUT}} {{ARGS}}

# Compare runs, or the newest runs of experiments: just compare results/demo results/demo-focal
compare *RUNS:
    {{lungs}} compare {{RUNS}}

# Draw a run's plots again from its tables
plot *RUNS:
    {{lungs}} plot {{RUNS}}

# Probability of cancer for CT folders: just predict results/demo/… data/new-patient
predict RUN *PATHS:
    {{lungs}} predict --model {{RUN}} {{PATHS}}

# Import, inflate, export and show weights: just weights import model.ckpt-123 -o weights/original.safetensors
weights *ARGS:
    {{lungs}} weights {{ARGS}}

# All tests
test *ARGS:
    cargo test {{ARGS}}

# Benchmarks: just bench train | prepare | volume | evaluation | report | scale | explain RUN
bench NAME *ARGS:
    cargo bench --bench {{NAME}} -- {{ARGS}}

# Fuzz a parser for a number of seconds: just fuzz dicom 600 (spec, list, labels, npz, metaimage, nifti, dicom, safetensors, pytorch, tensorflow, manifest, parquet)
fuzz TARGET SECONDS="600":
    fuzz/run.sh {{TARGET}} {{SECONDS}}

# Check formatting and lints, as CI does before the tests
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
