# shellcheck shell=bash
# Sourced after lib.sh: secrets of an installed fleet. They rest in /etc/plugfleet/secrets/NAME, root's alone; systemd
# shows plugfleet.service a copy in memory as it starts. Never prints one.
set -euo pipefail

secrets=/etc/plugfleet/secrets
credentials=/run/credentials/plugfleet.service

# refresh_secrets: the running service's copies become what is in /etc now, so that a rolling restart takes them; systemd
# itself would read them only when the whole service starts. The folder is read-only but for that moment.
refresh_secrets() {
  local file
  mountpoint -q "$credentials" || return 0 # it does not run, and will read them when it does
  mount -o remount,rw "$credentials"
  for file in "$secrets"/*; do
    [[ -f $file ]] || continue
    install -m 0400 -o plugfleet -g root -- "$file" "$credentials/.new"
    mv -- "$credentials/.new" "$credentials/secrets_${file##*/}"
  done
  mount -o remount,ro,nosuid,nodev,noexec "$credentials"
}
