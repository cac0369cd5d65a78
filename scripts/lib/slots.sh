# shellcheck shell=bash
# Sourced after common.sh and find_fleet: the slots of our pools (fleet.conf) and the keeper. Starting and stopping
# one, and replacing them all so that the fleet serves on. A slot is ready when its process says so in its metric cells
# (plugfleet_ready); that it runs is not enough. Whoever changes slots holds slots.lock; the keeper's scaling waits.
set -euo pipefail

ready_within=30
hears_within=15 # a process that is told to stop; each says at once that it is no longer ready

lock_slots() {
  exec 8>"$RUN/slots.lock"
  flock -w 300 8 || fail "Somebody else has been changing this fleet's slots for five minutes."
}
unlock_slots() { exec 8>&-; }

# NAME KIND MIN MAX of each pool, as configure.py noted them. A release before it had pools had these two.
pools_in() { cat -- "$1/pools" 2>/dev/null || printf '%s\n' 'worker workers 1 10' 'runner runners 0 10'; }
pools() { pools_in "$RUN/conf"; }
pools_of() { pools | awk -v kind="${1:-}" 'kind == "" || $2 == kind {print $1}'; }
has_workers() { pools | grep -q "^$1 workers "; }

# name_of POOL SLOT: supervisord's name. The keeper's slot 1 is there while slot 0 is replaced.
name_of() {
  case $1:$2 in
    keeper:0) echo keeper ;;
    keeper:*) echo spare:keeper ;;
    *) printf '%s:%s_%02d\n' "$1" "$1" "$2" ;;
  esac
}

# slots_of POOL [STATE]: the numbers of its slots, all or those in that state. The last one of a pool of workers is left out:
# it holds the socket and is not a worker.
slots_of() {
  local lines
  lines=$(ctl status "$1:*") || true # says by its status that some are stopped
  if has_workers "$1"; then lines=$(sed '$d' <<<"$lines"); fi
  awk -v state="${2:-}" '{sub(/.*_/, "", $1)} state == "" || $2 == state {print $1 + 0}' <<<"$lines"
}

processes() { "$RUN/build/bin/plugfleet-metrics" "$RUN/metrics"; }

# is_ready POOL SLOT: the process there does its work.
is_ready() {
  processes | jq -e --arg pool "$1" --argjson slot "$2" \
    'any(.pool == $pool and .slot == $slot and .alive and .values.plugfleet_ready == 1)' >/dev/null
}

# start_slot POOL SLOT: false, with the reason on stderr, where it is not ready in time.
start_slot() {
  local name log said
  name=$(name_of "$1" "$2") log=$FLEET_DIR/log/${name#*:}.out
  said=$(ctl start "$name" 2>&1) || true # says "already started" by its status too
  if [[ ! $said =~ spawn\ error|abnormal ]] && until_true "$ready_within" is_ready "$1" "$2"; then return; fi
  say "${name#*:} did not come up." >&2
  if [[ -s $log ]]; then tail -n 5 -- "$log" | sed 's/^/  /' >&2; fi
  return 1
}

# kill_deaf NAME...: those that were told to stop and have not heard it: they are frozen, and would never end.
kill_deaf() {
  local name slot
  for name in $(ctl status "$@" | awk '$2 == "STOPPING" {print $1}'); do
    slot=${name##*_}
    [[ $slot =~ ^[0-9]+$ ]] || slot=0
    is_ready "${name%%:*}" "$((10#$slot))" || continue
    say "${name#*:} did not hear that it should stop, and was killed." >&2
    ctl signal KILL "$name" >/dev/null || true
  done
}

# stop_slots NAME...: they end what they have first. supervisord loses the TERM for a process that it is just starting;
# QUIT tells it again, before or after it, and changes nothing for others.
stop_slots() {
  local begun=$SECONDS
  ctl stop "$@" >/dev/null &
  while sleep 0.5 && kill -0 $! 2>/dev/null; do
    ctl signal QUIT "$@" >/dev/null 2>&1 || true
    if ((SECONDS - begun >= hears_within)); then kill_deaf "$@"; fi
  done
  wait $! || true
}

# start_spare POOL SLOT: false, and it is stopped again, where it is not ready in time.
start_spare() {
  start_slot "$@" && return
  stop_slots "$(name_of "$@")"
  return 1
}

# replace_pool POOL: a new process for each that runs, one after another. One in a spare slot serves first (one more than
# the maximum is declared for it): so what does not come up is found before anything was stopped, and the pool is never
# short. False where a new process did not come up; the others are left as they are.
replace_pool() {
  local pool=$1 slot spare running=()
  mapfile -t running < <(slots_of "$pool" RUNNING)
  ((${#running[@]})) || return 0
  spare=$(slots_of "$pool" STOPPED | head -n 1)
  if [[ $spare ]]; then start_spare "$pool" "$spare" || return 1; fi
  for slot in "${running[@]}"; do
    stop_slots "$(name_of "$pool" "$slot")"
    start_slot "$pool" "$slot" || return 1
    say "  $(name_of "$pool" "$slot" | sed 's/.*://') is new"
  done
  if [[ $spare ]]; then stop_slots "$(name_of "$pool" "$spare")"; fi
}

replace_keeper() {
  start_spare keeper 1 || return 1
  stop_slots keeper
  start_slot keeper 0 || return 1
  stop_slots "$(name_of keeper 1)"
  say '  keeper is new'
}

# replace_pools [KIND]: the processes of each pool, or of those of a kind. The holders of pools on demand become the program of
# now, with the same socket (fcgi-app/main/holder.cc).
replace_pools() {
  local pool
  for pool in $(pools_of "${1:-}"); do
    replace_pool "$pool" || return 1
    if is_on_demand "$pool"; then ctl signal HUP "$(holder_of "$pool")" >/dev/null 2>&1 || true; fi
  done
}
is_on_demand() { pools | grep -q "^$1 workers 0 "; }
holder_of() { ctl status "$1:*" | awk 'END {print $1}'; }

# replace_all: every process of ours, each once its successor is ready.
replace_all() { replace_pools workers && replace_pools runners && replace_keeper; }

# start_wanted [POOL...]: of these pools, of all and the keeper where none is named, the holder of the socket and as many
# processes as there shall be at the least, side by side, for each takes a second; false where one did not come up. Whoever
# calls holds slots.lock.
start_wanted() {
  local name kind least most slot wanted=() started=() all=0
  if (($# == 0)); then wanted=('keeper 0'); fi
  while read -r name kind least most; do
    if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
    if [[ $kind == workers ]]; then ctl start "$(name_of "$name" $((most + 1)))" >/dev/null 2>&1 8>&- & fi
    for ((slot = 0; slot < least; slot++)); do wanted+=("$name $slot"); done
  done < <(pools)
  for slot in "${wanted[@]}"; do
    # shellcheck disable=SC2086
    start_slot $slot 8>&- &
    started+=($!)
  done
  for slot in "${started[@]}"; do
    wait "$slot" || all=1
  done
  return "$all"
}

# ---- Pools that come and go ------------------------------------------------------------------------------------------
# RUN/conf says which there shall be, supervisord which there are. In this order no request is without a worker that has its
# module: start_new_pools, nginx's new routes, replace_all, end_old_pools.

running_pools() { ctl status | sed -n 's/^\([a-z]*\):\1_[0-9]* .*/\1/p' | sort -u; }

# modules_of FOLDER POOL: one a line; `all` where it has all.
modules_of() {
  local list
  list=$(sed -n 's/^PLUGFLEET_MODULES=//p' "$1/$2.env" | tail -n 1)
  tr , '\n' <<<"${list:-all}" | sort
}

# start_new_pools FOLDER: starts them; and where a pool that stays gets a module, its workers are replaced by some that have
# what it had, too: FOLDER holds the environments of before. False where one does not come up.
start_new_pools() {
  local pool before now new
  mapfile -t new < <(comm -23 <(pools_of | sort) <(running_pools))
  if ((${#new[@]})); then
    ctl update "${new[@]}" >/dev/null || return 1
    start_wanted "${new[@]}" || return 1
  fi
  for pool in $(pools_of workers); do
    if [[ ! -e $1/$pool.env ]]; then continue; fi
    before=$(modules_of "$1" "$pool") now=$(modules_of "$RUN/conf" "$pool")
    if [[ $before == all || ! $(comm -13 <(echo "$before") <(echo "$now")) ]]; then continue; fi
    cp -p -- "$RUN/conf/$pool.env" "$1/$pool.env.now"
    if [[ $now != all ]]; then
      echo "PLUGFLEET_MODULES=$(sort -u <<<"$before"$'\n'"$now" | grep -vx -- - | paste -sd ,)" >>"$RUN/conf/$pool.env"
    fi
    replace_pool "$pool" || return 1
    cp -p -- "$1/$pool.env.now" "$RUN/conf/$pool.env"
  done
}

end_old_pools() {
  local pool
  for pool in $(comm -13 <(pools_of | sort) <(running_pools)); do
    stop_slots "$pool:*"
    ctl update "$pool" >/dev/null || true
    say "  the pool $pool is no more"
  done
}
