#!/usr/bin/env bash
# Fetches MariaDB and MySQL for tests and demo:  scripts/setup-mysql.sh [mariadb] [mysql]   (default: both)
# They are Debian's packages, unpacked with everything that they depend on, the C library too, and run through the loader
# among it: any Debian will do, and nothing is installed. apt's signatures are checked, its lists and packages untouched.
# With MARIADBD or MYSQLD in the environment nothing is fetched: that server is checked instead.
# Called by setup.sh, which holds a lock.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

# cannot_fetch SERVER WHY...
cannot_fetch() {
    local variable=MYSQLD
    [ "$1" = mysql ] || variable=MARIADBD
    die "can't fetch ${variable,,}: $2" "${@:3}" \
        "Or bring a server of your own, in a place where user ${SYNAPSOR_SERVER_USER:-$USER} may read it:" \
        "    $variable=/path/to/${variable,,}"
}

check_tools() {
    local program
    [ "$(uname -s -m)" = "Linux x86_64" ] || cannot_fetch "$1" "there is none for $(uname -s -m)"
    for program in apt-get dpkg-deb; do
        command -v "$program" >/dev/null || cannot_fetch "$1" "$program is missing" "It comes as a package from Debian's mirrors."
    done
}

debian_keyring() {
    local keyring
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        if [ -r "$keyring" ]; then
            say "$keyring"
            return
        fi
    done
    cannot_fetch "$1" "Debian's archive keyring is missing" "Have an administrator install the package debian-archive-keyring."
}

# The ones that this machine's apt is configured with; it prints them also before its first update.
debian_mirrors() {
    local mirrors
    mirrors=$(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\([^']*\)/dists/[^']*/InRelease'.*|\1|p" |
        awk '/debian/ && !/security/ && !seen[$0]++')
    [ -n "$mirrors" ] || cannot_fetch "$1" "this machine's apt knows no mirror of Debian" "It comes as a package from there."
    say "$mirrors"
}

# A configuration of apt's that leaves the machine's own state alone, and its hooks, but not its proxy.
write_apt_config() {
    local apt=$1 suite=$2
    mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial "$apt"/etc/{apt.conf,preferences,sources.list}.d
    : >"$apt/status"
    cat >"$apt/apt.conf" <<END
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Default-Release "$suite";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc "$apt/etc";
END
}

# Leaves the packages in apt's directory; says what apt said when that fails.
download_packages() {
    local server=$1 apt=$2 suite=$3 package=$4 keyring mirrors mirror
    keyring=$(debian_keyring "$server")
    mirrors=$(debian_mirrors "$server")
    write_apt_config "$apt" "$suite"
    for mirror in $mirrors; do
        say "deb [arch=amd64 target=Packages signed-by=$keyring] $mirror $suite main" >"$apt/etc/sources.list"
        if apt-get -c "$apt/apt.conf" -qq update &&
            apt-get -c "$apt/apt.conf" -qq -y --download-only install "$package"; then
            return
        fi
    done >"$apt/log" 2>&1
    cat "$apt/log" >&2
    cannot_fetch "$server" "apt-get could not download $package from Debian's suite $suite (see above)" "Check the network."
}

# What a server needs to run, in one place whether its Debian keeps /lib apart from /usr/lib or not.
unpack_packages() {
    local apt=$1 tree=$2 package work=$2.unpacked
    rm -rf "$tree" "$work"
    mkdir -p "$work" "$tree/usr/share"
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$work"
    done
    if [ -d "$work/lib" ]; then cp -a "$work/lib/." "$work/usr/lib/"; fi
    rm -rf "$work"/usr/lib/x86_64-linux-gnu/{perl,perl-base,perl5,gconv}
    mv "$work/usr/lib" "$work/usr/sbin" "$tree/usr/"
    mv "$work/usr/share/mysql" "$tree/usr/share/"
    # MariaDB's program has MySQL's name too.
    find "$tree/usr/sbin" -type l -delete
    rm -rf "$work"
}

# Unpacked beside its place and then renamed: what is there is whole.
fetch_mysql() {
    local server=$1 tree work pin suite package version
    tree=$(mysql_tree "$server")
    [ -e "$tree/version" ] && return
    check_tools "$server"
    pin=$(mysql_pin "$server")
    read -r _ suite package <<<"$pin"
    work=$tree.part
    rm -rf "$work" "$work.apt"
    mkdir -p "$work.apt"
    say "Downloading ${package%%=*} with what it depends on"
    download_packages "$server" "$work.apt" "$suite" "$package"
    version=$(dpkg-deb --field "$work.apt/cache/archives/${package%%=*}"_*.deb Version)
    say "Unpacking ${package%%=*} $version"
    unpack_packages "$work.apt" "$work"
    run_mysql_tree "$work" --no-defaults --version >/dev/null || die "user ${SYNAPSOR_SERVER_USER:-$USER} cannot run the server in $work" \
        "Servers run as that user. Name a directory that it may read in SYNAPSOR_CACHE."
    # Without the epoch and Debian's own part: 1:10.11.18-0+deb12u1 is 10.11.18.
    version=${version#*:}
    say "${version%%-*}" >"$work/version"
    rm -rf "$tree" "$work.apt"
    mv "$work" "$tree"
}

# MariaDB's program says so in its version, and is often installed by MySQL's name.
check_own_program() {
    local server=$1 program=$2 version kind=mysql
    version=$(as_server_user "$program" --no-defaults --version) ||
        die "user ${SYNAPSOR_SERVER_USER:-$USER} cannot run $program" "Servers run as that user."
    [[ $version != *MariaDB* ]] || kind=mariadb
    [ "$kind" = "$server" ] || die "$program is no server of the kind $server:" "$version"
}

[ "$#" -gt 0 ] || set -- mariadb mysql
for server in "$@"; do
    own_program=$(mysql_own_program "$server")
    if [ -n "$own_program" ]; then
        check_own_program "$server" "$own_program"
    else
        fetch_mysql "$server"
    fi
done
