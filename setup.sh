#!/usr/bin/env bash
# Installs what building, testing and the demo need, where it is missing. Quick and silent when all is there.
#
# Exit 2: something is missing that this script cannot install; it says what and how.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'setup: %s\n' "$*" >&2; }

# command → Debian package
packages=()
want() { command -v "$1" >/dev/null || packages+=("$2"); }
want cc gcc
want make make
want git git
want curl curl
want setpriv util-linux
want flock util-linux
want setsid util-linux
want sha256sum coreutils
want shellcheck shellcheck
want go golang-go

if [ "${#packages[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    say "these are missing and there is no apt-get to install them: ${packages[*]}"
    exit 2
  fi
  run=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "run as root, or install by hand: ${packages[*]}"; exit 2; }
    run=(sudo)
  fi
  say "installing ${packages[*]}"
  "${run[@]}" apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -qy "${packages[@]}" >&2
fi

command -v cargo >/dev/null || {
  say "cargo is missing: install rustup, then run this again; rust-toolchain.toml names the toolchain"
  exit 2
}
# rustup installs the toolchain of rust-toolchain.toml when it is first asked for.
if command -v rustup >/dev/null && ! cargo --version >/dev/null 2>&1; then
  say "installing the Rust toolchain of rust-toolchain.toml"
  rustup toolchain install >&2
fi
cargo --version >/dev/null || { say "cargo does not run; see above"; exit 2; }
