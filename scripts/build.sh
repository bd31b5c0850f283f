#!/usr/bin/env bash
# Builds all packages for development:  scripts/build.sh [MAJOR]   (default: 17)
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:-$(default_majors 17)}
scripts/setup.sh "$major"
step "Build (PostgreSQL $major)" cargo build --workspace --examples --lib --bins --no-default-features --features "pg$major"
