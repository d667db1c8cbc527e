#!/bin/sh
# Builds the images of a folder with a guest of our own.
#
#   build-guest.sh FOLDER           build, and replace the committed images
#   build-guest.sh FOLDER --check   build elsewhere, and compare with the committed images
#
# Exit status: 0 done or identical, 1 different or broken, 77 cannot be checked here
# (no cross compiler, or another version than the one that made the committed images).
set -eu

CC=mipsel-linux-gnu-gcc
VERSION=12.2.0 # Debian 12's; another compiler makes other bytes

usage() {
  echo "usage: build-guest.sh FOLDER [--check]" >&2
  exit 2
}

[ -f "${1-}/Makefile" ] || usage
cd "$1"

case "${2-}" in
'')
  exec make install
  ;;
--check)
  if ! found=$($CC -dumpfullversion 2>/dev/null); then
    echo "cannot check: $CC is not installed" >&2
    exit 77
  elif [ "$found" != "$VERSION" ]; then
    echo "cannot check: the images are from gcc $VERSION, this is $found" >&2
    exit 77
  fi
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  make -s BUILD="$build" >"$build/log" 2>&1 || {
    cat "$build/log" >&2
    exit 1
  }
  status=0
  for image in *.elf; do
    if cmp "$build/$image" "$image"; then
      echo "$image: identical"
    else
      status=1
    fi
  done
  exit $status
  ;;
*)
  usage
  ;;
esac
