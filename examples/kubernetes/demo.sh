#!/usr/bin/env bash
# Tells Slipway's story on a real Kubernetes API server: a release that goes well, one that cannot, its rollback, and
# the history of it all.
#
#   demo.sh          builds what it needs, runs, and removes everything that it started       (make demo)
#   demo.sh --keep   the same, but leaves it running under .slipway/up, to try things out     (make up)
#   demo.sh --down   ends what --keep left running, and removes it                            (make down)
#
# Exit code: 0 when every step went as told, anything else when one did not.
#
# By default it starts a control plane of its own on free ports of 127.0.0.1. API server, etcd, controller manager,
# scheduler and kubectl are the real ones. There are no machines: pods are played by kwok, and start at once.
# SLIPWAY_KUBECONFIG=FILE uses that cluster instead. It must be one without Slipway and without the namespaces `shop` and
# `shop-development`; the demo brings them and removes them.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

keep=
down=
for argument; do
  case $argument in
    --keep) keep=1 ;;
    --down) down=1 ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'demo: unknown argument %s\n' "$argument" >&2; usage >&2; exit 2 ;;
  esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
up=$root/.slipway/up
own=${SLIPWAY_KUBECONFIG:-}

bold=
plain=
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

# What the exit code and the trap at the end speak of.
step="nothing yet"
work=
plane_pid=
controller_pid=
busy_pid=
installed=
furnished=
finished=

say() { printf '%s\n' "$@"; }
note() { printf '  … %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

number=0
heading() {
  number=$((number + 1))
  step="$number. $1"
  printf '\n%s%s%s\n' "$bold" "$step" "$plain"
  shift
  [ $# -eq 0 ] || say "$@"
}

# Shows a command as the reader could run it, and runs it.
show() {
  printf '%s$ %s%s\n' "$bold" "$1" "$plain"
  eval "$1"
}

# The same for a command that has to answer no.
show_no() {
  local status=0
  printf '%s$ %s%s\n' "$bold" "$1" "$plain"
  eval "$1" 2>&1 || status=$?
  [ "$status" -eq 1 ] || die "that should have been refused with exit code 1, and ended with $status"
  say "(exit code 1: refused, as it has to be)"
}

# Nothing helps a wait for a process that has ended.
alive() {
  [ -z "$plane_pid" ] || kill -0 "$plane_pid" 2>/dev/null || die "the control plane has ended"
  [ -z "$controller_pid" ] || kill -0 "$controller_pid" 2>/dev/null || die "slipway controller has ended"
}

# busy WHAT LOG COMMAND…: runs a command that may take minutes, its output in LOG, and says how far it is.
busy() {
  local what=$1 log=$2 began=$SECONDS told=$SECONDS
  shift 2
  "$@" >"$log" 2>&1 </dev/null 3>&- 9>&- &
  busy_pid=$!
  while kill -0 "$busy_pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - told)) -ge 10 ]; then
      told=$SECONDS
      note "$what: $((SECONDS - began)) s so far, $(grep -c Compiling "$log" || true) crates compiled, now: $(tail -n 1 "$log")"
    fi
  done
  local status=0
  wait "$busy_pid" || status=$?
  busy_pid=
  if [ "$status" -ne 0 ]; then
    grep -A 12 -E '^(error|fatal)' "$log" >&2 || tail -n 30 "$log" >&2
    die "$what failed after $((SECONDS - began)) s with exit code $status; the lines above are what it said"
  fi
  note "$what: done in $((SECONDS - began)) s"
}

# patiently WHAT LIMIT COMMAND…: repeats a question until it is answered with yes, at most LIMIT seconds.
patiently() {
  local what=$1 limit=$2 began=$SECONDS told=$SECONDS
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive
    [ $((SECONDS - began)) -lt "$limit" ] || die "waited $limit s in vain until $what"
    if [ $((SECONDS - told)) -ge 5 ]; then
      told=$SECONDS
      note "waiting until $what: $((SECONDS - began)) s so far"
    fi
    sleep 0.2
  done
}

# Shows a `kubectl wait` and runs it, saying how long it has been and whether what it waits for can still come.
show_wait() {
  local began=$SECONDS told=$SECONDS status=0
  printf '%s$ %s%s\n' "$bold" "$1" "$plain"
  eval "$1" 3>&- 9>&- &
  busy_pid=$!
  while kill -0 "$busy_pid" 2>/dev/null; do
    alive
    if [ $((SECONDS - told)) -ge 5 ]; then
      told=$SECONDS
      note "$((SECONDS - began)) s so far"
    fi
    sleep 0.1
  done
  wait "$busy_pid" || status=$?
  busy_pid=
  [ "$status" -eq 0 ] || die "it did not come to that: $1"
}

# belongs PID: whether that process is one that was started for $work. A number alone may be somebody else's by now.
belongs() {
  [ -n "$1" ] && { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF -- "$work/"
}

# end PID: asks a process of $work to end, and insists after 15 s.
end() {
  local began=$SECONDS
  belongs "$1" || return 0
  kill "$1" 2>/dev/null || return 0
  while belongs "$1"; do
    if [ $((SECONDS - began)) -ge 15 ]; then
      kill -KILL "$1" 2>/dev/null || true
      return 0
    fi
    sleep 0.1
  done
}

# Takes what the demo created out of a cluster that goes on without it. The controller has to let its objects go, so it
# is asked while it runs; should it be unable to, the objects are let go without it.
clear_cluster() {
  local kind object
  note "removing what was created from the cluster"
  if [ -n "$furnished" ]; then
    for kind in deployments environments releases; do
      kubectl -n shop delete "$kind.slipway.dev" --all --timeout=30s >/dev/null 2>&1 && continue
      # Without the controller nobody may take its finalizers off, as long as the policies say so.
      kubectl delete validatingadmissionpolicybindings -l app.kubernetes.io/name=slipway >/dev/null 2>&1 || true
      for object in $(kubectl -n shop get "$kind.slipway.dev" -o name 2>/dev/null); do
        kubectl -n shop patch "$object" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
      done
    done
    kubectl delete namespace shop shop-development shop-production --ignore-not-found --timeout=120s >/dev/null 2>&1 || true
  fi
  end "$controller_pid"
  controller_pid=
  slipway manifests | kubectl delete -f - --ignore-not-found --timeout=120s >/dev/null 2>&1 || true
  local left
  left=$(kubectl get namespace shop shop-development shop-production slipway-system --ignore-not-found -o name 2>/dev/null || true)
  if [ -n "$left" ]; then note "still there: $left; remove by hand"; fi
}

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  if [ -n "$busy_pid" ]; then
    kill "$busy_pid" 2>/dev/null
    wait "$busy_pid" 2>/dev/null
  fi
  if [ "$status" -ne 0 ] && [ -n "$work" ]; then
    printf '\nThe demo ended in step "%s" with exit code %s.\n' "$step" "$status" >&2
    if [ -n "$plane_pid" ] && ! kill -0 "$plane_pid" 2>/dev/null; then
      printf '%s\n' "The control plane had ended by then." >&2
    fi
    if [ -n "$controller_pid" ] && ! kill -0 "$controller_pid" 2>/dev/null; then
      printf '%s\n' "slipway controller had ended by then." >&2
    fi
    local log
    for log in "$work/plane.log" "$work/controller.log"; do
      if [ -s "$log" ]; then
        printf '%s\n' "--- the end of $log" >&2
        tail -n 20 "$log" >&2
      fi
    done
  fi
  if [ -n "$work" ] && [ -z "$finished" ]; then
    if [ -n "$own" ] && [ -n "$installed" ]; then clear_cluster; fi
    end "$controller_pid"
    end "$plane_pid"
    rm -rf "$work"
    if [ "$status" -eq 0 ]; then note "everything that was started has ended, and $work is removed"; fi
  fi
  exit "$status"
}

need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# How to talk to what --keep left running.
explain() {
  say "" \
    "To talk to it, from this or another terminal:" \
    "" \
    "  source $up/env" \
    "" \
    "That is:" \
    ""
  sed 's/^/  /' "$up/env"
  say "" \
    "Then, for instance:" \
    "" \
    "  kubectl -n shop get slipd,slipe,slipr" \
    "  kubectl slipway -n shop inbox" \
    "  slipway audit log --database \$SLIPWAY_DATABASE" \
    "  curl http://$(cat "$up/address")/readyz" \
    "" \
    "The log of the controller: $up/controller.log" \
    "To end it and to remove all of it: make down"
}

read_pid() { cat "$up/$1.pid" 2>/dev/null || true; }

# Whether all that --keep started still runs.
running() {
  [ -e "$up/ready" ] && belongs "$(read_pid controller)" && { [ ! -e "$up/plane.pid" ] || belongs "$(read_pid plane)"; }
}

take_down() {
  work=$up
  if [ ! -d "$up" ]; then
    say "Nothing is running: there is no $up."
    return
  fi
  controller_pid=$(read_pid controller)
  plane_pid=$(read_pid plane)
  if [ ! -e "$up/plane.pid" ] && [ -e "$up/ready" ]; then
    # It was somebody's cluster, which goes on.
    # shellcheck source=/dev/null
    . "$up/env"
    furnished=1
    clear_cluster
  fi
  end "$controller_pid"
  end "$plane_pid"
  rm -rf "$up"
  say "Ended, and $up is removed."
}

if [ -n "$down" ]; then
  take_down
  exit 0
fi

if [ -n "$keep" ]; then
  work=$up
  if running; then
    say "It is running already."
    explain
    exit 0
  fi
  work=
  mkdir -p "$root/.slipway"
  exec 9>"$root/.slipway/up.lock"
  flock --nonblock 9 || die "another make up is at work"
  if [ -d "$up" ]; then
    say "What an earlier make up left is not running any more; it is removed first."
    take_down
    work=""
    controller_pid=""
    plane_pid=""
  fi
  mkdir -p "$up"
  work=$up
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/slipway-demo.XXXXXX")
fi
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
mkdir "$work/bin"

heading "Build Slipway" \
  "The first build takes some minutes, later ones seconds."
need cargo "run \`make setup\`, or install Rust from https://rustup.rs"
need flock "install util-linux"
need setsid "install util-linux"
# Both packages, also where one would do: their dependencies have the features then that all of `make` builds with.
busy "cargo build" "$work/build.log" cargo build --locked -p slipway-cli -p slipway-tests --bin slipway \
  --bin kubectl-slipway --bin plane
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
ln -s "$target/debug/slipway" "$target/debug/kubectl-slipway" "$work/bin/"
export PATH="$work/bin:$PATH"

if [ -z "$own" ]; then
  heading "Start a Kubernetes control plane" \
    "API server, etcd, controller manager and scheduler are the real ones, on free ports of 127.0.0.1." \
    "There are no machines: pods are played by kwok, and start at once."
  if [ -z "${KUBEBUILDER_ASSETS:-}" ]; then
    tests/controlplane/build.sh >/dev/null 3>&- 9>&-
  fi
  began=$SECONDS
  if [ -n "$keep" ]; then
    # It outlives this script.
    env -u SLIPWAY_TEST_KUBECONFIG setsid "$target/debug/plane" up --dir "$work/plane" \
      >"$work/plane.json" 2>"$work/plane.log" </dev/null 9>&- &
  else
    # It ends with this script, even if that is killed: it notices that nobody holds the other end of its stdin.
    mkfifo "$work/owner"
    env -u SLIPWAY_TEST_KUBECONFIG setsid "$target/debug/plane" up --owned --dir "$work/plane" \
      >"$work/plane.json" 2>"$work/plane.log" <"$work/owner" &
    exec 3>"$work/owner"
  fi
  plane_pid=$!
  patiently "the control plane is ready" 120 grep -q kubeconfig "$work/plane.json"
  of_plane() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/plane.json"; }
  ln -s "$(of_plane kubectl)" "$work/bin/kubectl"
  KUBECONFIG=$(of_plane kubeconfig)
  # kubectl remembers servers by their port, and ports come again.
  export KUBECONFIG KUBECACHEDIR="$work/kubectl-cache"
  note "ready in $((SECONDS - began)) s at $(of_plane server)"
else
  heading "Use the cluster in $own"
  need kubectl "install it, of about the version of the cluster"
  KUBECONFIG=$(realpath "$own")
  export KUBECONFIG
fi
say "kubectl and slipway below are $(command -v kubectl) and $work/bin/slipway, with" \
  "KUBECONFIG=$KUBECONFIG"
show "kubectl version"
if [ -n "$own" ]; then
  kubectl get --raw /apis/admissionregistration.k8s.io/v1 | grep -q '"MutatingAdmissionPolicy"' ||
    die "this cluster does not serve MutatingAdmissionPolicy in admissionregistration.k8s.io/v1: Slipway needs Kubernetes 1.36"
  there=$(
    kubectl get namespace shop shop-development shop-production slipway-system --ignore-not-found -o name
    kubectl get crd deployments.slipway.dev --ignore-not-found -o name
  )
  [ -z "$there" ] || die "this wants a cluster without Slipway and without the namespaces shop and shop-development, and there is:" "$there"
fi

heading "Install Slipway" \
  "Its resources, the policies with which the API server itself fills in who asks, and the controller's rights."
installed=1
show "slipway manifests | kubectl apply --server-side -f -"
show_wait "kubectl wait --for=condition=Established crd -l app.kubernetes.io/name=slipway --timeout=60s"
began=$SECONDS
# A policy takes effect a few seconds late. Each of the three is asked with something that is not stored.
stamps() {
  sed 's/namespace: shop/namespace: default/' "$here/$1" | awk '/^---$/ { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }' |
    kubectl create --dry-run=server -f - -o jsonpath="$2" | grep -q .
}
patiently "the API server fills in who submits a Deployment" 60 stamps deployment-v1.yaml '{.spec.submittedBy}'
patiently "the API server fills in who changes an Environment" 60 stamps environment.yaml '{.spec.changedBy}'
patiently "the API server marks Releases" 60 stamps release-v1.yaml '{.metadata.finalizers}'
note "the policies are in force after $((SECONDS - began)) s"

heading "Start the controller" \
  "It runs here, beside the cluster, with a history of its own: an SQLite file. In the background, its log in a file." \
  "It calls as its own account, the only one whose status writes the API server accepts."
show "slipway kubeconfig --output $work/controller.kubeconfig"
launch="slipway controller --kubeconfig $work/controller.kubeconfig --database $work/slipway.db --listen 127.0.0.1:0"
printf '%s$ %s%s\n' "$bold" "$launch" "$plain"
NO_COLOR=1 setsid "$target/debug/slipway" controller --kubeconfig "$work/controller.kubeconfig" \
  --database "$work/slipway.db" \
  --listen 127.0.0.1:0 >"$work/controller.log" 2>&1 </dev/null 3>&- 9>&- &
controller_pid=$!
patiently "the controller leads" 60 grep -q ' leading ' "$work/controller.log"
cat "$work/controller.log"

heading "Create an Environment: a place where services run, and its rules" \
  "A namespace, the account that Slipway acts as there, and an Environment of the tier development: no review needed."
furnished=1
show "kubectl apply -f examples/kubernetes/environment.yaml"
show_wait "kubectl -n shop wait slipe/development --for=jsonpath='{.status.readiness}'=ready --timeout=60s"

heading "Deploy version 1" \
  "A Release says what runs. A Deployment asks for it to be brought to an Environment, and says why." \
  "Slipway previews it, applies it as the Environment's account, and waits until it is healthy."
show "kubectl apply -f examples/kubernetes/release-v1.yaml -f examples/kubernetes/deployment-v1.yaml"
show_wait "kubectl -n shop wait slipd/payments-v1 --for=jsonpath='{.status.phase}'=Succeeded --timeout=180s"
say "What the preview had said, and what runs now:"
show "kubectl -n shop get slipd/payments-v1 -o jsonpath='{.status.preview.summary}{\"\\n\"}'"
show "kubectl -n shop-development get deployments.apps,pods"

heading "Deploy version 2, which can never become healthy" \
  "Its image does not exist (examples/kubernetes/release-v2.yaml). Slipway sees that its pods are stuck, fails the" \
  "Deployment with the pod's own words, and brings version 1 back, without being asked."
show "kubectl apply -f examples/kubernetes/release-v2.yaml -f examples/kubernetes/deployment-v2.yaml"
show_wait "kubectl -n shop wait slipd/payments-v2 --for=jsonpath='{.status.diagnostics.code}'=health_check_failed --timeout=180s"
show "kubectl -n shop get slipd/payments-v2 -o jsonpath='{.status.diagnostics.message}{\"\\n\"}'"
show_wait "kubectl -n shop wait slipd/payments-v2 --for=jsonpath='{.status.phase}'=RolledBack --timeout=180s"
show_wait "kubectl -n shop wait slipe/development --for=jsonpath='{.status.phase}'=Active --timeout=60s"
say "The version in the service's configuration is the first one again:"
show "kubectl -n shop-development get configmap payments -o jsonpath='{.data.version}{\"\\n\"}'"
[ "$(kubectl -n shop-development get configmap payments -o jsonpath='{.data.version}')" = 1.0.0 ] || die "version 1.0.0 should run again"

heading "Production: nobody approves their own change" \
  "alice deploys, bob reviews, olga is on call (examples/kubernetes/people.yaml). An administrator plays all three, with --as."
show "kubectl apply -f examples/kubernetes/environment-production.yaml -f examples/kubernetes/people.yaml"
show_wait "kubectl -n shop wait slipe/production --for=jsonpath='{.status.readiness}'=ready --timeout=60s"
# asked NAME: alice asks for it, and confirms what she sees.
asked() {
  show "kubectl --as alice@example.com apply -f examples/kubernetes/$1"
  show_wait "kubectl -n shop wait slipd/$2 --for=jsonpath='{.status.phase}'=Previewed --timeout=60s"
  show "kubectl slipway -n shop --as alice@example.com confirm $2 --yes --wait"
}
asked deployment-production.yaml payments-v1-production
say "She may approve what others ask for, and tries it with her own:"
show_no "kubectl slipway -n shop --as alice@example.com approve payments-v1-production --yes"
say "bob finds it in his inbox, and approves what he is shown:"
show "kubectl slipway -n shop --as bob@example.com inbox"
show "kubectl slipway -n shop --as bob@example.com approve payments-v1-production --yes -m 'read it'"
show_wait "kubectl -n shop wait slipd/payments-v1-production --for=jsonpath='{.status.phase}'=Succeeded --timeout=180s"

heading "Version 3 in production, and back by hand" \
  "A rollback by hand in production waits for a review too, by anyone but whoever asks for it."
show "kubectl apply -f examples/kubernetes/release-v3.yaml"
asked deployment-v3-production.yaml payments-v3-production
show "kubectl slipway -n shop --as bob@example.com approve payments-v3-production --yes -m 'read it'"
show_wait "kubectl -n shop wait slipd/payments-v3-production --for=jsonpath='{.status.phase}'=Succeeded --timeout=180s"
show "kubectl slipway -n shop --as olga@example.com rollback payments-v3-production --yes -m 'customers see errors'"
show_wait "kubectl -n shop wait slipd/payments-v3-production --for=jsonpath='{.status.rollback.state}'=Requested --timeout=60s"
show "kubectl slipway -n shop --as bob@example.com approve payments-v3-production --yes -m 'so do I'"
show_wait "kubectl -n shop wait slipd/payments-v3-production --for=jsonpath='{.status.phase}'=RolledBack --timeout=180s"
[ "$(kubectl -n shop-production get configmap payments -o jsonpath='{.data.version}')" = 1.0.0 ] || die "version 1.0.0 should run again in production"
show "kubectl slipway -n shop status payments-v3-production"

heading "Where everything stands"
show "kubectl -n shop get slipd,slipe,slipr"

heading "The history: who did what, and when" \
  "It is kept outside the cluster, every line chained to the one before it."
show "slipway audit log --database $work/slipway.db"

heading "Prove that nobody has touched the history" \
  "The cluster remembers where the history ends, in an annotation of the controller's Lease. With that, verify finds" \
  "any line that was changed, moved, taken out or cut off."
lease="kubectl -n slipway-system get lease slipway -o jsonpath='{.metadata.annotations.slipway\.dev/audit-head}'"
remembered() { [ "$(eval "$lease")" = "$(slipway audit head --database "$work/slipway.db")" ]; }
patiently "the Lease has the end of the history" 60 remembered
show "head=\$($lease)"
show "slipway audit verify --database $work/slipway.db --head \"\$head\""
say "" "And should someone change a name in it? Here in an exported copy:"
show "slipway audit export --database $work/slipway.db > $work/history.jsonl"
show_no "sed '3s/\"controller\"/\"mallory\"/' $work/history.jsonl | slipway audit verify --export -"

printf '\n%sEvery step went as told, in %s s.%s\n' "$bold" "$SECONDS" "$plain"
if [ -n "$keep" ]; then
  {
    say "export KUBECONFIG=$KUBECONFIG"
    [ -n "$own" ] || say "export KUBECACHEDIR=$KUBECACHEDIR"
    say "export SLIPWAY_DATABASE=$up/slipway.db"
    say "export PATH=$up/bin:\$PATH    # kubectl, with its plugin, and slipway"
  } >"$up/env"
  sed -n 's/.*address=//p' "$up/controller.log" | head -n 1 >"$up/address"
  printf '%s\n' "$controller_pid" >"$up/controller.pid"
  [ -z "$plane_pid" ] || printf '%s\n' "$plane_pid" >"$up/plane.pid"
  : >"$up/ready"
  finished=1
  say "It goes on running."
  explain
else
  say "Next: README.md goes on with \`make up\`, which leaves all of this running, and with production: preview," \
    "confirmation and review."
fi
