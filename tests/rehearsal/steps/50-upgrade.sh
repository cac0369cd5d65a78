# shellcheck shell=bash
: "${machine:?}"
# A second package under load; then two that are broken, one that the trial finds and one that comes up only on trial.
new_package() {
  VERSION=0.5.1 nice -n 10 scripts/make-deb
  mv build/plugfleet_0.5.1_*.deb "$machine/opt/plugfleet-0.5.1.deb"
  cp tests/rehearsal/load.py "$machine/opt/"
}
# broken_package VERSION LINE: 0.5.1 with a worker that is a script: LINE, then the real one.
broken_package() {
  local tree
  tree=$(mktemp -d)
  dpkg-deb -R "$machine/opt/plugfleet-0.5.1.deb" "$tree"
  mv "$tree"/usr/lib/plugfleet/build/release/bin/plugfleet-worker{,-real}
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/bash' "$2" 'exec "$0-real" "$@"' >"$tree/usr/lib/plugfleet/build/release/bin/plugfleet-worker"
  chmod 0755 "$tree/usr/lib/plugfleet/build/release/bin/plugfleet-worker"
  sed -i "s/^Version: .*/Version: $1/" "$tree/DEBIAN/control"
  echo "$1" >"$tree/usr/lib/plugfleet/VERSION"
  dpkg-deb --root-owner-group --build -Zgzip -z1 "$tree" "$machine/opt/plugfleet-$1.deb" >/dev/null
  rm -rf "$tree"
}
# under_load FUNCTION...: while it is at work the fleet is asked; not one request fails.
under_load() {
  local load result=0
  rm -f "$machine/tmp/stop"
  inside nice -n 5 python3 /opt/load.py /tmp/stop >"$machine/tmp/load" 2>&1 &
  load=$!
  "$@" || result=1
  touch "$machine/tmp/stop"
  wait "$load" || result=1
  cat "$machine/tmp/load"
  return "$result"
}
install_release() { inside env DEBIAN_FRONTEND=noninteractive dpkg -i "/opt/plugfleet-$1.deb" 2>&1 | tee "$machine/tmp/said"; }
release_is() { # VERSION, of the link and of every process
  [[ $(inside readlink /var/lib/plugfleet/release) == "releases/$1" ]] && there until_true 30 whole &&
    there renames && [[ $(inside sh -c 'readlink /proc/[0-9]*/exe' | grep -F '/plugfleet-' | grep -cvF "/releases/$1/") == 0 ]]
}
upgrades() {
  install_release 0.5.1
  grep -q 'Release 0.5.1 runs' "$machine/tmp/said" && release_is 0.5.1 && [[ $(inside plugfleet backup --list) ]]
}
refuses() { # VERSION SENTENCE
  install_release "$1"
  grep -q "$2" "$machine/tmp/said" && release_is 0.5.1 && [[ ! -e $machine/var/lib/plugfleet/releases/$1 ]]
}
keeps_processes() {
  local before
  before=$(inside pgrep -u plugfleet)
  refuses 0.5.2 'Release 0.5.2 is refused'
  [[ $before == "$(inside pgrep -u plugfleet)" ]]
}
applies_settings() {
  inside plugfleet check
  inside plugfleet reload
  echo LOG_LEVEL=debug >>"$machine/etc/plugfleet/plugfleet.conf"
  inside plugfleet reload | grep 'Every process is new'
  there until_true 30 whole
  echo NO_SUCH_SETTING=1 >>"$machine/etc/plugfleet/plugfleet.conf"
  if inside plugfleet reload 2>&1; then return 1; fi
  sed -i '/NO_SUCH_SETTING/d' "$machine/etc/plugfleet/plugfleet.conf"
  inside plugfleet check
}

step 'settings are checked, then applied' applies_settings
step 'a second package is built' new_package
step 'it is installed under load, and every process is of it' under_load upgrades
# shellcheck disable=SC2016
{
  step 'two broken ones are built' eval 'broken_package 0.5.2 "exit 1" && broken_package 0.5.3 "if [[ \${PLUGFLEET_SLOT:-9} == [01] ]]; then exit 1; fi"'
  step 'one whose worker does not start is refused: the same processes serve on' keeps_processes
  step 'one that comes up only on trial is taken back under load' under_load refuses 0.5.3 'Release 0.5.3 does not come up'
}
