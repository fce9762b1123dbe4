# Frequent commands. Each recipe is one cargo command that also works without `just`.

# Builds with CUDA if `nvidia-smi` finds a GPU; `just features="" …` builds for the CPU only.
features := `command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo "--features cuda" || echo ""`
lungs := "cargo run --release --quiet " + features + " --"

# List the recipes
default:
    @just --list

# Run a complete experiment on synthetic CT, in minutes (uses the same build as the tests)
demo *ARGS:
    cargo run --quiet -- run experiments/demo.toml {{ARGS}}

# Run an experiment, or resume it after an interruption: just run experiments/baseline.toml
run SPEC *ARGS:
    {{lungs}} run {{SPEC}} {{ARGS}}

# Run all runs of a spec's [sweep] table, and compare them: just sweep experiments/demo-sweep.toml --jobs 2
sweep SPEC *ARGS:
    {{lungs}} sweep {{SPEC}} {{ARGS}}

# Resume a run: just resume results/demo/2026-01-31T10-15-02Z-5f3a9c
resume RUN *ARGS:
    {{lungs}} run {{RUN}} {{ARGS}}

# Write a spec for a folder of CT: just new mine --data data/mine
new NAME *ARGS:
    {{lungs}} new {{NAME}} {{ARGS}}

# Check a spec and its data without training
check SPEC *ARGS:
    {{lungs}} check {{SPEC}} {{ARGS}}

# Prepare CT series without training: just prepare data/ct --out prepared
prepare INPUT *ARGS:
    {{lungs}} prepare {{INPUT}} {{ARGS}}

# List the runs of a results folder
runs *ARGS:
    {{lungs}} runs {{ARGS}}

# Remove checkpoints and prepared volumes that are no longer needed, after asking
clean *ARGS:
    {{lungs}} clean {{ARGS}}

# Compare runs, or the newest runs of experiments: just compare results/demo results/demo-focal
compare *RUNS:
    {{lungs}} compare {{RUNS}}

# Redraw the plots of runs from their tables
plot *RUNS:
    {{lungs}} plot {{RUNS}}

# Predict the probability of cancer for CT folders: just predict results/demo/… data/new-patient
predict RUN *PATHS:
    {{lungs}} predict --model {{RUN}} {{PATHS}}

# Import, inflate, export or show weights: just weights import model.ckpt-123 -o weights/original.safetensors
weights *ARGS:
    {{lungs}} weights {{ARGS}}

# Run the tests that need nothing but the repository
test *ARGS:
    cargo test {{ARGS}}

# Run also the tests that need shared material, servers or root, where this machine has them
test-all *ARGS:
    tools/test-all.sh {{ARGS}}

# Test the code of the GPU path on CubeCL's CPU runtime: docs/cuda.md (builds Burn a second time)
test-gpu-code *ARGS:
    cargo test --features cubecl-cpu -p lungs-net --lib -- gpu update:: {{ARGS}}
    LUNGS_TEST_DEVICE=cubecl-cpu cargo test --features cubecl-cpu --test model_reference {{ARGS}}
    cargo test --features cubecl-cpu --test commands gpu_code {{ARGS}}

# Run a benchmark: just bench train | prepare | volume | evaluation | report | scale | explain RUN
bench NAME *ARGS:
    cargo bench --bench {{NAME}} -- {{ARGS}}

# Fuzz a parser for a number of seconds: just fuzz dicom 600 (spec, list, labels, npz, metaimage, nifti, dicom, safetensors, pytorch, tensorflow, manifest, parquet)
fuzz TARGET SECONDS="600":
    fuzz/run.sh {{TARGET}} {{SECONDS}}

# Check format and lints, as CI does before the tests
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Pack the program with checks and measurements for a machine with a GPU: tools/gpu/README.md
gpu-kit *ARGS:
    tools/gpu/pack.sh {{ARGS}}

# Run training steps on a stand-in driver, without a GPU: kernels, registers, launches, memory
gpu-dry *ARGS:
    python3 tools/gpu/dry_run.py {{ARGS}}

# Run what CI leaves out for its time: the code of the GPU path on the CPU, and the dry run of a CUDA build
nightly:
    just test-gpu-code
    cargo build --release --features cuda
    just gpu-dry
