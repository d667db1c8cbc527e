#!/bin/sh
# Builds the benchmark guests.
#
#   build.sh           build, and replace the committed images
#   build.sh --check   build elsewhere, and compare with the committed images
#
# Exit status: 0 done or identical, 1 different or broken, 77 cannot be checked here
# (no cross compiler, or another version than the one that made the committed images).
set -eu
cd "$(dirname "$0")"

CC=mipsel-linux-gnu-gcc
VERSION=12.2.0 # Debian 12's; another compiler makes other bytes
GUESTS='integer memory calls'
FLAGS='-O2 -std=gnu11 -march=mips32r2 -mno-abicalls -fno-pic -G0 -msoft-float -ffreestanding -nostdlib
       -static -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident
       -fno-inline-small-functions -Wall -Wextra -Werror -Wno-main
       -Wl,--build-id=none,-z,max-page-size=4096,-T,bench.ld'

build() {
  for guest in $GUESTS; do
    # shellcheck disable=SC2086 # the flags are words
    $CC $FLAGS "-ffile-prefix-map=$PWD=." start.S "$guest.c" -o "$1/$guest.elf"
    mipsel-linux-gnu-strip --strip-all "$1/$guest.elf"
  done
}

case "${1-}" in
'')
  build .
  ;;
--check)
  if ! found=$($CC -dumpfullversion 2>/dev/null); then
    echo "cannot check: $CC is not installed" >&2
    exit 77
  elif [ "$found" != "$VERSION" ]; then
    echo "cannot check: the images are from gcc $VERSION, this is $found" >&2
    exit 77
  fi
  elsewhere=$(mktemp -d)
  trap 'rm -rf "$elsewhere"' EXIT
  build "$elsewhere"
  status=0
  for guest in $GUESTS; do
    if cmp "$elsewhere/$guest.elf" "$guest.elf"; then
      echo "$guest.elf: identical"
    else
      status=1
    fi
  done
  exit $status
  ;;
*)
  echo "usage: build.sh [--check]" >&2
  exit 2
  ;;
esac
