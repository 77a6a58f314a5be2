# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# For the scripts in tools/ to source: where things are, which packages are needed, how to build.
# Everything a build leaves behind is in $build, which MAF_BUILD_DIR overrides.

unset CDPATH                 # or cd may print where it went
unset MAF_USER MAF_PASSWORD  # or the client offers to log in as somebody
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/tools
dev=$tools/dev
captures=$root/test-captures
build=${MAF_BUILD_DIR:-$root/build/check}
[[ $build == /* ]] || build=$PWD/$build

# Debian's names of what building and running takes.
packages=(gcc libc6-dev cmake ninja-build pkgconf libglib2.0-dev libgsasl-dev
    libwireshark-dev tshark wireshark-common iproute2 openssl curl python3)
test_packages=(python3-pytest python3-pytest-xdist python3-distributed)  # beyond these

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
# CTest shows a test that ends with 77 as skipped.
skip() { say "SKIPPED: $*"; exit 77; }

# wait_for COMMAND...: until it succeeds, for ten seconds at most.
wait_for() {
    local tries
    for ((tries = 0; tries < 1000; tries++)); do
        if "$@"; then return; fi
        sleep 0.01
    done
    say "${0##*/}: waited in vain for: $*"
    return 1
}

# Installs what is missing of $packages; with nothing missing, no network is needed. MAF_INSTALL=no: does nothing.
install_packages() {
    local package missing=() as_root=()
    [[ ${MAF_INSTALL-} != no ]] || return 0
    command -v dpkg-query >/dev/null || { say "Not a Debian system: taking ${packages[*]} to be there."; return; }
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f=':${db:Status-Status}:' "$package" 2>/dev/null) == *:installed:* ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "Installing ${missing[*]}"
    if ((EUID)); then
        command -v sudo >/dev/null || die "not root, and no sudo: have these packages installed first: ${missing[*]}"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}

# configure [CMAKE OPTION...]: in $build.
configure() {
    local generator=()
    if [[ ! -e $build/CMakeCache.txt ]] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
    if ! mkdir -p "$build" 2>/dev/null || [[ ! -w $build ]]; then
        die "cannot write to $build: name another build directory with MAF_BUILD_DIR"
    fi
    cmake -S "$root" -B "$build" "${generator[@]}" "$@"
}

# build_all [CMAKE OPTION...]: configure and build in $build.
build_all() {
    configure "$@"
    cmake --build "$build" --parallel "$(nproc)"
}
