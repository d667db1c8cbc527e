#!/bin/sh
# Builds the demo guest's images.
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

case "${1-}" in
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
  for image in demo-te demo-bare demo-te-16k; do
    if cmp "$build/$image.elf" "$image.elf"; then
      echo "$image.elf: identical"
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
