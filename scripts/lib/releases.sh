# shellcheck shell=bash
# Sourced after common.sh on an installed fleet: releases/NAME holds all that a release's programs read, bin/, lib/,
# modules/, migrations/ and sources/ (the modules' other files); the link `release` names the active one. So what runs
# needs nothing of the package, whose files the next one replaces.
set -euo pipefail
: "${root:?}" "${BUILD:?}"

releases=/var/lib/plugfleet/releases
active_release() { if [[ -L $BUILD ]]; then basename "$(readlink "$BUILD")"; fi; }
package_is_active() { cmp -s -- "$root/VERSION" "$BUILD/VERSION"; }

# copy_release FOLDER: the package's. Hard links where it is the same disk: the package may go, they stay.
copy_release() {
  local how=-a
  if [[ $(stat -c %d "$root" "$releases" | uniq | wc -l) == 1 ]]; then how=-al; fi
  rm -rf -- "$1"
  cp "$how" -- "$root/build/release" "$1"
  cp "$how" -- "$root/migrations" "$root/VERSION" "$1/"
  cp "$how" -- "$root/modules" "$1/sources"
}

# add_release: the package's, beside the others; sets `release`, its name: the version, or VERSION-2 where another build
# has that one.
add_release() {
  local version number=1
  version=$(<"$root/VERSION") release=$version
  copy_release "$releases/$version.new"
  while [[ -e $releases/$release ]] && ! diff -rq "$releases/$version.new" "$releases/$release" >/dev/null; do
    number=$((number + 1))
    release=$version-$number
  done
  if [[ -e $releases/$release ]]; then
    rm -rf -- "$releases/$version.new"
  else
    mv -- "$releases/$version.new" "$releases/$release"
  fi
}

activate_release() {
  touch "$releases/$1" # the newest by time is the last that was active
  ln -sfn -- "releases/$1" "$BUILD.new"
  mv -T -- "$BUILD.new" "$BUILD"
}

# drop_old_releases: keeps three, the active one among them.
drop_old_releases() {
  local name
  while read -r name; do rm -rf -- "${releases:?}/$name"; done < <(
    find "$releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | tail -n +4 | cut -d ' ' -f 2-
  )
}
