# What a developer does, by name. `just --list` shows it; `.ci/run` is what must pass.

# formats, lints, checks what is linked in
check:
    cargo fmt --all --check
    cargo clippy --all-targets -- -D warnings
    cargo deny check licenses bans sources

# all tests, or those whose name contains FILTER
test FILTER="":
    cargo test {{ FILTER }}

# rewrites expected files and snapshots from what the program does now; the diff is the review
bless:
    BLESS=1 INSTA_UPDATE=always cargo test
    git diff --stat

# the embedded Azure ML, until Ctrl-C
emulator PORT="0":
    cargo run --release -- emulator --port {{ PORT }}

# the whole training pipeline on the embedded emulator
demo *FLAGS:
    cargo run --release -- demo {{ FLAGS }}

# the figures that the README quotes
bench:
    cargo build --release
    benches/against_sdk.py --setup --check
    benches/idle.py --check
    cargo bench --bench translate

# does the binary ask for what Microsoft's SDK asks for? Needs the conformance kit next to the repository
conformance ONLY="":
    cargo build --release
    python3 ../shared/conformance/check.py --binary target/release/aml-runner --cases ../shared/conformance/mlops-template --only '{{ ONLY }}'
    python3 ../shared/conformance/check.py --binary target/release/aml-runner --cases ../shared/conformance/azureml-examples --only '{{ ONLY }}'

# damages YAML for so many minutes; stops at a panic, a hang or 200 MB
fuzz MINUTES="10":
    cargo bench --bench fuzz -- --minutes {{ MINUTES }}
