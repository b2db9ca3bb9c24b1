#!/usr/bin/env bash
# Builds helm once, from its Go module, and prints where it is.
#
# stdout: the path of the program, and nothing else. stderr: progress. Exit 2: something to install is missing.
# A build happens in a directory beside it and is renamed at the end: a killed build leaves nothing that looks finished.
set -euo pipefail

version=v4.3.1
root=${SLIPWAY_CACHE:-$HOME/.cache/slipway}/tools
# setup.sh puts a Go there where the machine's own is too old.
PATH=$root/go/bin:$PATH
helm=$root/helm-$version/helm

say() { printf 'helm: %s\n' "$*" >&2; }

finish() { printf '%s\n' "$helm"; exit 0; }
[ -x "$helm" ] && finish

need() {
  command -v "$1" >/dev/null || { say "$1 is missing: run \`make setup\`"; exit 2; }
}
need go
need flock

mkdir -p "$root"
exec 9>"$root/helm-$version.lock"
if ! flock --nonblock 9; then
  say "another build of $helm is running; waiting for it"
  flock 9
fi
[ -x "$helm" ] && finish

rm -rf "$root/.helm-$version".* # what killed builds left; the lock says that none is running
work=$(mktemp -d "$root/.helm-$version.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Where setpriv is at hand, go also ends when this script is killed outright.
tied=()
if command -v setpriv >/dev/null; then tied=(setpriv --pdeathsig TERM --); fi

say "building $version into $root, once; it takes about 3 minutes"
SECONDS=0
cd / # outside every module
if ! CGO_ENABLED=0 GOTOOLCHAIN=local GOBIN=$work ${tied[@]+"${tied[@]}"} \
  go install -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" \
  "helm.sh/helm/v4/cmd/helm@$version" >"$work/log" 2>&1 9>&-; then
  tail -n 20 "$work/log" >&2
  say "go install failed after ${SECONDS}s; the lines above are the end of its output"
  exit 1
fi
rm "$work/log"
mv -T "$work" "${helm%/helm}"
trap - EXIT
say "built in ${SECONDS}s"
finish
