#!/usr/bin/env bash
# Builds the test control plane once and prints the directory that holds it.
#
# stdout: that directory, and nothing else. stderr: progress. Exit 2: something to install is missing.
# The directory is named by a hash of all that goes in, so a finished one is never written again. A build happens in a
# directory beside it and is renamed at the end: a killed build leaves nothing that looks finished.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kubernetes=v1.36.4
components=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok)

say() { printf 'control plane: %s\n' "$*" >&2; }

need() {
  command -v "$1" >/dev/null || { say "$1 is missing: $2"; exit 2; }
}
need go "install Go 1.26 or newer and put it on PATH, or point KUBEBUILDER_ASSETS at ready-made binaries of ${components[*]}, or SLIPWAY_TEST_KUBECONFIG at a cluster that may be dirtied"
need flock "install util-linux"
need sha256sum "install coreutils"

cd "$here"
hash=$({ go version; cat go.mod go.sum ./*.go build.sh; } | sha256sum | cut -c1-16)
root=${SLIPWAY_CACHE:-$HOME/.cache/slipway}/controlplane
done_dir=$root/$hash

finish() { printf '%s\n' "$done_dir"; exit 0; }
[ -x "$done_dir/controlplane" ] && finish

mkdir -p "$root"
exec 9>"$root/$hash.lock"
if ! flock --nonblock 9; then
  say "another build of $done_dir is running; waiting for it"
  flock 9
fi
[ -x "$done_dir/controlplane" ] && finish

rm -rf "$root/.$hash".* # what killed builds left; the lock says that none is running
work=$(mktemp -d "$root/.$hash.XXXXXX")
go_pid=
cleanup() {
  [ -z "$go_pid" ] || kill "$go_pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Where setpriv is at hand, go also ends when this script is killed outright.
tied=()
if command -v setpriv >/dev/null; then tied=(setpriv --pdeathsig TERM --); fi

flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=36"
done

say "building Kubernetes $kubernetes, etcd and kwok into $done_dir"
say "the first build takes 5 to 10 minutes on 2 cores and 2.5 GB of memory; later ones find it in the cache"
log=$work/build.log
SECONDS=0
CGO_ENABLED=0 ${tied[@]+"${tied[@]}"} \
  go build -mod=readonly -buildvcs=false -trimpath -v -ldflags "$flags" -o "$work/out/controlplane" . >"$log" 2>&1 9>&- &
go_pid=$!

while kill -0 "$go_pid" 2>/dev/null; do
  sleep 1 9>&-
  if [ $((SECONDS % 15)) -eq 0 ]; then
    now=$(tail -n 1 "$log")
    case $now in ''|slipway.dev/*) now=linking ;; esac
    say "${SECONDS}s: $(grep -c -v '^go: ' "$log" || true) packages compiled, now: $now"
  fi
done
if ! wait "$go_pid"; then
  go_pid=
  tail -n 20 "$log" >&2
  say "go build failed after ${SECONDS}s; the lines above are the end of its output"
  exit 1
fi
go_pid=

for component in "${components[@]}"; do ln -s controlplane "$work/out/$component"; done
mv -T "$work/out" "$done_dir"
say "built in ${SECONDS}s"
finish
