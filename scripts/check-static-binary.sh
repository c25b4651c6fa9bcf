#!/usr/bin/env bash
# The image without an engine: builds the binary for musl, and runs it as the image does.
#
#   scripts/check-static-binary.sh [BINARY]       BINARY: one that was built for musl already
#
# Asserted: it needs no library; it is smaller than MOST_BYTES; alone in a root that cannot be written, as user 65532, it
# becomes ready, passes its own health check, stores a record, and ends with 0 on SIGTERM. chroot and a read-only bind mount
# stand in for the engine, so it needs root and Linux; a release build takes some minutes.
# Exit codes: 0 all true, 1 not, 3 cannot be checked here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=x86_64-unknown-linux-musl
# The course's images have 425 to 438 MB.
MOST_BYTES=$((32 * 1024 * 1024))
die() { echo "check-static-binary.sh: $2" >&2; exit "$1"; }
if [ "$(id -u)" != 0 ] || [ "$(uname -s)" != Linux ]; then die 3 "needs root on Linux, for chroot and mount"; fi

binary=${1-}
if [ -z "$binary" ]; then
  rustup target add "$target" >/dev/null 2>&1 || die 3 "the Rust target $target is not to be had"
  (cd "$root" && CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --features lab --bin facteur --target "$target")
  binary=${CARGO_TARGET_DIR:-$root/target}/$target/release/facteur
fi

bytes=$(stat --format %s "$binary")
echo "size: $bytes bytes"
[ "$bytes" -le "$MOST_BYTES" ] || die 1 "larger than $MOST_BYTES bytes"
! LC_ALL=C ldd "$binary" 2>/dev/null | grep -q '=>' || die 1 "needs shared libraries: $(ldd "$binary")"
echo "static: needs no library"

image=$(mktemp -d)
pid=''
cleanup() {
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
  mountpoint --quiet "$image" && umount "$image"
  rm -rf "$image"
}
trap cleanup EXIT
chmod 755 "$image"
install -D "$binary" "$image/usr/local/bin/facteur"
mount --bind "$image" "$image" || die 3 "bind mounts are not allowed here"
mount -o remount,bind,ro "$image" || die 3 "read-only mounts are not allowed here"

# There is no `env` in there: variables are set out here.
in_image() { chroot --userspec=65532:65532 "$image" /usr/local/bin/facteur "$@"; }
ports=(--kafka-port 0 --kafka-internal-port 0 --toxiproxy-port 0 --proxy-port 0 --json)
said=$(in_image man /pages 2>&1) && die 1 "the root can be written"
[[ $said == *"ead-only file system"* ]] || die 1 "another reason than a read-only root: $said"
echo "read-only: the root cannot be written"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
export FACTEUR_ONLY=java SERVER_PORT
SERVER_PORT=$(free_port)
status=0
in_image healthcheck >/dev/null 2>&1 || status=$?
[ "$status" -eq 1 ] || die 1 "the health check says $status before anything runs, expected 1"
addresses=$(mktemp)
# Not in_image: the shell around a function would get the signal.
chroot --userspec=65532:65532 "$image" /usr/local/bin/facteur serve "${ports[@]}" >"$addresses" &
pid=$!
tries=0
until in_image healthcheck --url "http://127.0.0.1:$SERVER_PORT/readyz" >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || die 1 "not ready after 10 s"
  sleep 0.1
done
in_image healthcheck
answer=$(curl --fail --silent --show-error --request POST "http://127.0.0.1:$SERVER_PORT/api/v1/send?mode=idempotent&eventId=IMAGE-1")
[[ $answer == *'"offset":0'* ]] || die 1 "did not store: $answer"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=''
rm -f "$addresses"
[ "$status" -eq 0 ] || die 1 "ended with $status on SIGTERM"
echo "runs as user 65532: ready, healthy, stored a record, ended with 0 on SIGTERM"
