# What `.ci/run` runs, by the same names, and what is handy next to it. `just <recipe>`; https://just.systems

_list:
    @just --list

# Whether everything compiles.
check:
    cargo check --workspace --all-targets --locked

# Whether the format is ours; `cargo fmt --all` makes it so.
fmt:
    cargo fmt --all --check

# Clippy, and the bans in .clippy.toml.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Every suite.
test:
    cargo test --workspace --locked

# The hostile components only.
walls:
    cargo test -p blockhouse-tests --test walls --locked

# Emulator, daemon and components, for people to look at.
demo:
    cargo demo

# Whether it compiles for Windows (needs `x86_64-w64-mingw32-gcc`).
windows:
    cargo clippy -p blockhouse --target x86_64-pc-windows-gnu --locked -- -D warnings

# The dependencies against .deny.toml (needs `cargo install cargo-deny`); not in CI.
deny:
    cargo deny --locked check

# The API's documentation; a broken link is an error.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps -p blockhouse -p blockhouse-policy --locked

# What a policy decision, the sandbox and whole runs cost; not in CI.
bench:
    cargo bench -p blockhouse-policy --bench decision --locked
    cargo bench -p blockhouse --bench sandbox --locked
    cargo bench -p blockhouse-tests --bench manual_runs --locked
    cargo bench -p blockhouse-tests --bench polling_runs --locked
    cargo bench -p blockhouse-tests --bench terraform_runs --locked

# One of `policy`, `redactor`, `run_document`, `unseal` for ten minutes (needs `cargo install cargo-fuzz`); not in CI. A sanitizer
# is unstable, which the variable permits.
fuzz target:
    cd host && RUSTC_BOOTSTRAP=1 cargo fuzz run {{target}} -- -max_total_time=600

# All that CI runs.
ci:
    .ci/run
