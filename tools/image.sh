#!/usr/bin/env bash
# Builds the image: one static program, from scratch. Leaves it in target/image/slipway.tar, an archive of an OCI layout
# that `docker load`, `podman load` and `skopeo copy oci-archive:` take, and prints that path.
#
#   SLIPWAY_IMAGE_TAG      how it is called there (slipway:VERSION)
#   SLIPWAY_IMAGE_PROFILE  the profile that cargo builds with (release)
#
# stdout: the path, and nothing else. stderr: progress. Exit 2: something to install is missing.
# It needs docker, podman or buildah; buildah needs no daemon.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'image: %s\n' "$*" >&2; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
tag=${SLIPWAY_IMAGE_TAG:-slipway:$version}
profile=${SLIPWAY_IMAGE_PROFILE:-release}
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi

builder=
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  builder=docker
else
  for tool in podman buildah; do
    if command -v "$tool" >/dev/null; then builder=$tool && break; fi
  done
fi
[ -n "$builder" ] || { say "docker, podman or buildah is missing: run ./setup.sh image"; exit 2; }
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ -r "$certificates" ] || { say "$certificates is missing: run ./setup.sh image"; exit 2; }

# There is no C library in an image from scratch. glibc can be linked into the program; what it would load at run time to
# look up names is part of it since 2.34.
target=$(rustc -vV | sed -n 's/^host: //p')
case $target in
  *-linux-gnu) ;;
  *) say "the image is built on Linux with glibc, and this is $target"; exit 2 ;;
esac
say "building slipway for $target, profile $profile, with $builder"
RUSTFLAGS="-C target-feature=+crt-static" \
  cargo build --locked --package slipway-cli --bin slipway --target "$target" --profile "$profile" >&2

mkdir -p target/image
work=$(mktemp -d target/image/.work.XXXXXX)
trap 'rm -rf "$work"' EXIT
install -D -m 755 "target/$target/$folder/slipway" "$work/context/usr/local/bin/slipway"
install -D -m 644 "$certificates" "$work/context/etc/ssl/certs/ca-certificates.crt"

case $builder in
  docker)
    docker build --quiet --file Dockerfile --tag "$tag" "$work/context" >&2
    docker save --output "$work/slipway.tar" "$tag"
    ;;
  podman)
    podman build --quiet --format oci --file Dockerfile --tag "$tag" "$work/context" >&2
    podman save --quiet --format oci-archive --output "$work/slipway.tar" "$tag" >&2
    ;;
  buildah)
    # A store of its own, in a form that every file system can hold: nothing is run in the image.
    store=(--root "$PWD/$work/root" --runroot "$PWD/$work/run" --storage-driver vfs)
    buildah "${store[@]}" build --quiet --isolation chroot --file Dockerfile --tag "$tag" "$work/context" >&2
    buildah "${store[@]}" push --quiet "$tag" "oci-archive:$work/slipway.tar:$tag" >&2
    ;;
esac
mv "$work/slipway.tar" target/image/slipway.tar
say "$tag is in target/image/slipway.tar, $(du -h target/image/slipway.tar | cut -f 1)"
printf '%s\n' "$PWD/target/image/slipway.tar"
