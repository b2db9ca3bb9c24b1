#!/usr/bin/env bash
# Installs what building, testing and the demo need, where it is missing. Quick and silent when all is there.
#
#   setup.sh         that
#   setup.sh image   also what builds the image: buildah, where there is neither docker nor podman
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
if [ "${1:-}" = image ]; then
  if ! docker info >/dev/null 2>&1 && ! command -v podman >/dev/null; then want buildah buildah; fi
  [ -r /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
fi

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

# Distributions are often behind what the control plane is written for. Go fetches its newer selves from where it fetches
# modules, and checks them against its checksum database: nothing else has to be reachable.
tools=${SLIPWAY_CACHE:-$HOME/.cache/slipway}/tools
wanted=$(sed -n 's/^go //p' tests/controlplane/go.mod)
recent() { # whether this go is what go.mod asks for, or newer
  local has
  has=$("$1" version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
  [ -n "$has" ] && [ "$(printf '%s\n' "$wanted" "$has" | sort -V | head -n 1)" = "$wanted" ]
}
export GOTOOLCHAIN=local
if ! recent go && ! recent "$tools/go/bin/go"; then
  say "installing Go $wanted into $tools/go: tests/controlplane/go.mod asks for it"
  if [ "$(go env GOSUMDB)" = off ]; then
    say "GOSUMDB is off, so what is fetched could not be checked: turn it on, or install Go $wanted by hand"
    exit 2
  fi
  case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
  mkdir -p "$tools"
  tools=$(cd "$tools" && pwd)
  modules=$tools/go-modules
  # Outside every module.
  if ! answer=$(cd / && GOFLAGS=-modcacherw GOMODCACHE=$modules GONOSUMDB='' GONOSUMCHECK='' GOPRIVATE='' \
    go mod download -json "golang.org/toolchain@v0.0.1-go$wanted.linux-$machine"); then
    say "Go $wanted cannot be fetched, see GOPROXY; install it by hand and put it on PATH: $answer"
    exit 2
  fi
  fetched=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$answer")
  # A module has no executable files; these are.
  find "$fetched/bin" "$fetched/pkg/tool" -type f -exec chmod +x {} + 2>/dev/null || true
  ln -sfn "$fetched" "$tools/go"
  recent "$tools/go/bin/go" || { say "$tools/go/bin/go does not run as Go $wanted"; exit 2; }
  rm -rf "$modules/cache" # the zip, and what it was checked with
fi

command -v cargo >/dev/null || {
  say "Rust is the one prerequisite: install rustup (https://rustup.rs, or your distribution's package), then run this again"
  exit 2
}
# rustup installs the toolchain of rust-toolchain.toml when it is first asked for.
if command -v rustup >/dev/null && ! cargo --version >/dev/null 2>&1; then
  say "installing the Rust toolchain of rust-toolchain.toml"
  rustup toolchain install >&2
fi
cargo --version >/dev/null || { say "cargo does not run; see above"; exit 2; }
