#!/usr/bin/env bash
# Format, lints and documentation, all as errors:  scripts/lint.sh [MAJOR...]   (default: 17)
# The extension's code depends on the server's major version, so it is linted for each of them.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2046 # a list
[ "$#" -gt 0 ] || set -- $(default_majors 17)
scripts/setup.sh "$@"

step "Format" cargo fmt --all --check
for major in "$@"; do
    step "Lints (PostgreSQL $major)" cargo clippy --workspace --all-targets \
        --no-default-features --features "pg$major" -- -D warnings
done
step "Lints, with crash points and the benchmark's procedure" cargo clippy --workspace --all-targets \
    --no-default-features --features "pg$major crash_points bench" -- -D warnings
# `--examples` for the same reason as in env.sh.
export RUSTDOCFLAGS="-D warnings"
step "Documentation" cargo doc --no-deps --workspace --lib --bins --examples --no-default-features --features "pg$major"
