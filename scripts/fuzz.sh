#!/usr/bin/env bash
# Lets a fuzzer look for answers of the control plane that break a promise:  scripts/fuzz.sh [TARGET...]   (default: all)
# RUNS says how many inputs each target gets. Needs a nightly toolchain, as nothing else here does.
# Ends with a line for each target, and with an error when something was found.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/pins.sh
. scripts/pins.sh

[ "$#" -gt 0 ] || set -- proposal list_body error_body
runs=${RUNS:-1000000}

# What is fuzzed has no unsafe code for a sanitizer to watch, and comparisons need no tracing where a grammar and a
# dictionary lead past them: without both it is three times as fast.
options=(--sanitizer none --no-trace-compares --target-dir target/fuzz)

check_nightly() {
    RUSTUP_AUTO_INSTALL=0 cargo +nightly --version >/dev/null 2>&1 || die "fuzzing needs a nightly toolchain, and there is none" \
        "With rustup: rustup toolchain install nightly --profile minimal"
    command -v c++ >/dev/null || need_package "a C++ compiler" g++
}

# As cargo-pgrx is (see setup-tools.sh).
install_cargo_fuzz() {
    local found
    found=$("$SYNAPSOR_CACHE/tools/bin/cargo-fuzz" --version 2>/dev/null || true)
    [ "$found" = "cargo-fuzz $cargo_fuzz_version" ] && return
    say "Installing cargo-fuzz $cargo_fuzz_version (one or two minutes)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-fuzz --version "=$cargo_fuzz_version" --locked --debug --quiet \
        --root "$SYNAPSOR_CACHE/tools" 9>&- || die "could not install cargo-fuzz $cargo_fuzz_version (see above)"
}

# fuzz TARGET: prints the fuzzer's sign of life at each power of two. What it learns goes into target/fuzz/corpus, and
# stays out of the corpus in the repository.
fuzz() {
    local target=$1 learned=$PWD/target/fuzz/corpus/$1
    mkdir -p "$learned"
    cargo +nightly fuzz run "${options[@]}" "$target" "$learned" "$PWD/fuzz/corpus/$target" -- \
        -runs="$runs" -max_len=2048 -timeout=10 -dict="$PWD/fuzz/json.dict" -print_final_stats=1 2>&1 |
        tee "target/fuzz/$target.log" | sed -u -n '/\tpulse /p'
}

# verdict TARGET: one line about a run that has ended.
verdict() {
    awk -v target="$1" -v runs="$runs" '
        match($0, /cov: [0-9]+/) { coverage = substr($0, RSTART + 5, RLENGTH - 5) }
        /^stat::number_of_executed_units:/ { inputs = $2 }
        /^stat::average_exec_per_sec:/ { rate = $2 }
        /Test unit written to/ { finding = $NF }
        END {
            printf "%-12s %9d inputs, %6d a second, coverage %5d, ", target, inputs, rate, coverage
            print finding != "" ? "A FINDING: " finding : inputs < runs ? "ENDED EARLY" : "no finding"
        }' "target/fuzz/$1.log"
}

check_nightly
take_lock setup
install_cargo_fuzz
exec 9>&-
step "Build" cargo +nightly fuzz build "${options[@]}"
broken=()
for target in "$@"; do
    heading "Fuzzing $target with $runs inputs"
    fuzz "$target" || broken+=("$target")
done
say
for target in "$@"; do verdict "$target"; done
[ "${#broken[@]}" -eq 0 ] || die "found something, or could not go on: ${broken[*]}" \
    "The logs in target/fuzz say what; the inputs are kept in fuzz/artifacts." \
    "Once it is repaired, move the input into fuzz/corpus, under a name that says what it is."
