# shellcheck shell=bash
# Sourced after common.sh: the fleet's secrets. Each rests in a file of its own, which the setting NAME_FILE names: on an
# installed fleet /etc/plugfleet/secrets/NAME, root's alone, of which systemd shows plugfleet.service a copy in memory as
# it starts. A secret goes through files and builtins: never into an argument, an environment or a message.
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

# setting NAME: its value in this fleet's programs, as they read it; of a secret only where it rests (NAME_FILE), or that it
# stands among the settings (NAME). After find_fleet.
setting() {
  (
    set -a
    # shellcheck source=/dev/null
    source "$RUN/conf/worker.env"
    exec "$RUN/build/bin/plugfleet-worker" --print-values --settings "$FLEET_DIR/plugfleet.conf"
  ) | sed -n "s/^$1=//p"
}

# secret_file NAME: sets `file`, where that secret rests. In a checkout, one that stands in plugfleet.conf itself is moved
# into a file beside it first.
secret_file() {
  local line
  file=$(setting "$1_FILE")
  if [[ $file == "$credentials"/* ]]; then file=$secrets/$1; fi
  if [[ $file ]]; then
    [[ -f $file ]] || fail "$file, which $1_FILE names, is not there."
    file=$(realpath -- "$file")
    return
  fi
  [[ $(setting "$1") ]] || fail "There is no $1 yet, so nothing to rotate."
  if [[ $installed ]] || grep -q "^PLUGFLEET_$1=" "$RUN/conf/worker.env"; then
    fail "$1 stands in plugfleet.conf or the environment: put it into a file of its own first, see Install in docs/operating.md."
  fi
  file=$FLEET_DIR/secrets/$1
  mkdir -p -- "$FLEET_DIR/secrets"
  while IFS= read -r line || [[ $line ]]; do
    if [[ $line =~ ^[[:space:]]*$1[[:space:]]*=[[:space:]]*(.*[^[:space:]]) ]]; then
      printf '%s\n' "${BASH_REMATCH[1]}" >"$file"
      line=$1_FILE=$file
    fi
    printf '%s\n' "$line"
  done <"$FLEET_DIR/plugfleet.conf" >"$FLEET_DIR/plugfleet.conf.new"
  mv -- "$FLEET_DIR/plugfleet.conf.new" "$FLEET_DIR/plugfleet.conf"
}

drop_next() { rm -f -- "$next"; }

# keep_secret NAME FILE TEXT: the file holds the text from now on, for those who could read it before; refused where our
# programs would not start with it.
keep_secret() {
  local said
  next=${2%/*}/.$1.new
  at_exit drop_next
  printf '%s\n' "$3" >"$next"
  chown --reference="$2" -- "$next"
  chmod --reference="$2" -- "$next"
  said=$(
    set -a
    # shellcheck source=/dev/null
    source "$RUN/conf/worker.env"
    declare "PLUGFLEET_$1_FILE=$next"
    "$RUN/build/bin/plugfleet-worker" --check --settings "$FLEET_DIR/plugfleet.conf" 2>&1
  ) || fail "$said"$'\n''Nothing was changed.'
  mv -- "$next" "$2"
}

# read_secret WHAT: sets `given` to what comes on standard input, without the last line's end; asked for at a terminal.
read_secret() {
  given=''
  if [[ -t 0 ]]; then
    IFS= read -rsp "$1 (it is not shown): " given
    echo >&2
  elif IFS= read -rd '' given; then
    fail "$1: there is a zero byte in it."
  fi
  while [[ $given == *[$'\r\n'] ]]; do given=${given%?}; done
  [[ $given ]] || fail "$1: nothing came on standard input."
}
