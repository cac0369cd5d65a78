# shellcheck shell=bash
# Sourced by the scripts: where things are, and how to say, fail, wait and read settings. Starts nothing.
# FLEET_DIR chooses the fleet, BUILD its programs; both may hold spaces and be relative.

# What the caller's environment says to other programs (PGOPTIONS, PYTHONHOME, CDPATH, LC_ALL ...) is not said to ours.
own_environment() {
  local name kept settings
  settings=$(dirname "${BASH_SOURCE[0]}")/../../conf/fleet.conf
  for name in $(compgen -A function); do unset -f "$name"; done
  kept=" FLEET_DIR BUILD SERVER SAN VERSION KEEP CI $(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$settings" | xargs) "
  kept+='HOME USER LOGNAME SHELL PATH PWD TERM COLUMNS LINES TMPDIR DEBIAN_FRONTEND '
  for name in $(compgen -e); do
    case $name in # ours, make's, sudo's, systemd's, the sanitizers', and what package managers and proxies need
      PLUGFLEET_* | MAKE* | MFLAGS | SUDO_* | *_DIRECTORY | NOTIFY_SOCKET | XDG_RUNTIME_DIR | *SAN_OPTIONS) continue ;;
      WORKER_POOL_* | RUNNER_POOL_*) continue ;;
      npm_config_* | NPM_CONFIG_* | *_proxy | *_PROXY | SSL_CERT_* | *_CA_BUNDLE | *_CA_CERTS) continue ;;
    esac
    if [[ $kept != *" $name "* ]]; then unset "$name" 2>/dev/null || true; fi
  done
  export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
}

set +o posix # POSIXLY_CORRECT
own_environment
root=$(cd -- "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Where the scripts are the package's they work on the installed fleet; its programs are those of the active release.
# shellcheck disable=SC2034
if [[ $root == /usr/lib/plugfleet ]]; then
  installed=yes FLEET_DIR=/var/lib/plugfleet BUILD=/var/lib/plugfleet/release fleet_settings=/etc/plugfleet/fleet.conf
else
  installed='' FLEET_DIR=$(realpath -m -- "${FLEET_DIR:-$root/.fleet}") BUILD=$(realpath -m -- "${BUILD:-$root/build/release}")
  fleet_settings=$FLEET_DIR/fleet.conf
fi

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# take_values: NAME=value lines that our own programs wrote become variables.
take_values() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^[A-Z_]+= ]]; then declare -g "${line%%=*}=${line#*=}"; fi
  done
}

# export_settings: those of fleet.conf that have a value here, for the programs that are asked next.
export_settings() {
  local name
  for name in $(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$root/conf/fleet.conf") CERTIFICATE EMAIL "${!WORKER_POOL_@}" "${!RUNNER_POOL_@}"; do
    if [[ ${!name:-} ]]; then export "${name?}"; fi
  done
}

# read_fleet_settings: a variable for each setting of fleet.conf: where it has no value yet, that of the fleet's own file
# ($fleet_settings), else its default. fleet_conf.py is the one reader of such files.
read_fleet_settings() {
  take_values < <(
    export_settings
    exec python3 -B "$root/scripts/lib/fleet_conf.py" "$root/conf/fleet.conf" "$fleet_settings"
  )
}

# at_exit FUNCTION: called when the script ends, whatever it ends by; the last one named is the first. The one place that
# sets a trap: two of them would not know of each other, and a trap's text is evaluated.
exit_functions=()
at_exit() {
  exit_functions=("$1" "${exit_functions[@]}")
  trap at_the_end EXIT
}
at_the_end() {
  local function
  for function in "${exit_functions[@]}"; do "$function" || true; done
}

# is_ours UNIT: whether it runs with our configuration, which `plugfleet setup` gives it by a drop-in. Of any other unit
# nothing is stopped, started or killed.
is_ours() { [[ -e /etc/systemd/system/$1.service.d/plugfleet.conf ]]; }

# until_true SECONDS COMMAND...: false when the command has not succeeded by then. Its output is dropped.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# find_fleet: sets RUN, the runtime folder of the fleet in FLEET_DIR, its ports, PostgreSQL's too, and PUBLIC_NAME; false when there is none.
find_fleet() {
  RUN=$(readlink -- "$FLEET_DIR/run" 2>/dev/null) && [[ -f $RUN/conf/fleet.env ]] || return 1
  unset HTTPS_PORT HTTP_PORT PUBLIC_NAME POSTGRES_PORT
  take_values <"$RUN/conf/fleet.env"
}

# redis_at state|payloads COMMAND...: asks the Redis that our programs use: a socket's, or the master that sentinels name.
redis_at() {
  local setting=REDIS_SOCKET address sentinel named=()
  if [[ $1 == payloads ]]; then setting=PAYLOADS_SOCKET; fi
  # shellcheck source=/dev/null
  address=$(source "$RUN/conf/worker.env" && declare -n value=PLUGFLEET_$setting && echo "$value")
  if [[ $address == /* ]]; then
    redis-cli -s "$address" "${@:2}"
    return
  fi
  if [[ $address == sentinel://* ]]; then
    address=${address#*://}
    for sentinel in $(tr , ' ' <<<"${address%/*}"); do
      mapfile -t named < <(timeout 2 redis-cli -h "${sentinel%:*}" -p "${sentinel##*:}" sentinel get-master-addr-by-name "${address#*/}" 2>/dev/null)
      if ((${#named[@]} == 2)); then break; fi
    done
    ((${#named[@]} == 2)) || return 1
    address=${named[0]}:${named[1]}
  fi
  timeout 5 redis-cli -h "${address%:*}" -p "${address##*:}" "${@:2}"
}

# forget_replies TAG...: what ReplyCache::invalidate (fcgi-app/core/reply_cache.h) does.
forget_replies() {
  local tag
  for tag in "$@"; do
    tag=$(printf %s "$tag" | sha256sum)
    redis_at state set "cache-tag:${tag:0:40}" "$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' ')" EX 90000 >/dev/null ||
      echo 'Redis does not answer: some replies may be as they were for up to ten minutes.' >&2
  done
}

# One setup, reload or upgrade of an installed fleet at a time: held by descriptor 9.
lock_setup() {
  exec 9>/run/lock/plugfleet-setup
  flock -w 300 9 || fail 'Another plugfleet setup, reload or upgrade has been at work for five minutes.'
}

# reload_nginx COMMAND...: the command has nginx read its file anew; false where its workers are still those of before
# after 15 s: it kept its old settings, and the error log says why. One that only finishes what it has is named otherwise.
reload_nginx() {
  local before
  before=$(nginx_workers)
  "$@" >/dev/null && until_true 15 nginx_is_past "$before"
}
nginx_workers() { pgrep -P "$(<"$RUN/nginx.pid")" -f 'worker process$' | sort; }
nginx_is_past() {
  local now
  now=$(nginx_workers)
  [[ $now && ! $(comm -12 <(echo "$1") <(echo "$now")) ]]
}

ctl() { supervisorctl -c "$RUN/conf/supervisord/supervisord.conf" "$@"; }
fleet_is_up() { ctl pid >/dev/null 2>&1; }

# This fleet's servers that outlived their supervisord (killed, not stopped). RUN, a name of its own, tells them apart.
leftovers() {
  local pid
  pgrep -f "^(nginx: master process nginx|redis-server|[^ ]*/postgres|[^ ]*pgbouncer|[^ ]*plugfleet-[a-z]+) .*${RUN:?}/" || true
  # nginx's workers live on without their master, and hold its ports. Their titles name no fleet; their log does.
  for pid in $(pgrep -f '^nginx: worker process'); do
    if [[ $(readlink "/proc/$pid/fd/2") == "$FLEET_DIR/log/"* ]]; then echo "$pid"; fi
  done
}
