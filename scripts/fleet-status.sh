# shellcheck shell=bash
# Sourced by scripts/fleet: one screen about every process, what is wrong first. Changes nothing.
set -euo pipefail

wrong=()

# memory_of PID: megabytes of the process and its children; a page several of them share counts once. A worker's pages
# are nobody's to look at but root's: its resident memory is told instead.
memory_of() {
  local pid pss sum=0
  for pid in "$1" $(pgrep -P "$1"); do
    pss=$(awk '/^Pss:/{print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null) || true
    [[ $pss ]] || pss=$(ps -o rss= -p "$pid") || continue
    sum=$((sum + ${pss:-0}))
  done
  say "$(((sum + 1023) / 1024)) MB"
}

# Restarts are the starts since supervisord itself started, but for the first.
restarts_of() {
  awk -v name="'$1'" '/supervisord started with pid/ {n = 0} /spawned: / && $5 == name {n++}
    END {print (n > 1 ? n - 1 : 0)}' "$FLEET_DIR/log/supervisord.log"
}

process_table() {
  local name state pid age memory holds format='%-16s %-9s %8s %12s %9s %9s\n'
  # shellcheck disable=SC2059
  printf "$format" PROGRAM STATE PID AGE MEMORY RESTARTS
  while read -r name state _ pid _; do
    age='-' memory='-' holds=''
    if [[ $state == RUNNING ]]; then
      pid=${pid%,}
      age=$(ps -o etime= -p "$pid" | xargs) || age='-'
      memory=$(memory_of "$pid")
      if [[ $(ps -o args= -p "$pid") == plugfleet-holder* ]]; then holds=' socket'; fi
    else
      pid='-'
    fi
    # shellcheck disable=SC2059
    printf "$format" "${name#*:}$holds" "$state" "$pid" "$age" "$memory" "$(restarts_of "${name#*:}")"
  done <<<"$1"
}

check_health() {
  local reply
  if ! reply=$(curl -s --noproxy '*' --max-time 5 "http://127.0.0.1:$HTTP_PORT/health"); then
    wrong+=('/health does not answer')
  elif ! jq -e '.status == "ok"' <<<"$reply" >/dev/null 2>&1; then
    wrong+=("/health says: $(jq -c '.checks // .' <<<"$reply" 2>/dev/null || head -c 200 <<<"$reply")")
  fi
}

# jobs_lines METRICS: what runs, what waits and how the keeper does. A line that begins with WRONG is one of `wrong`.
# A runner without a job asks for one every second; the keeper does each of its duties every minute.
jobs_lines() {
  awk -v now="$(date +%s)" '
    function label(name) {return match($0, name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 3) : ""}
    /^#/ {next}
    {value = $NF}
    /^plugfleet_runner_running[{ ]/ {running += value; busy[label("slot")] = value}
    /^plugfleet_runner_last_poll_seconds[{ ]/ {poll[label("slot")] = value}
    /^plugfleet_jobs_finished_total[{ ]/ {ended[label("outcome")] += value}
    /^plugfleet_jobs_(ready|processing|oldest_seconds)[{ ]/ {kind[label("kind")] = 1; depth[label("kind"), substr($0, 16, 3)] = value}
    /^plugfleet_keeper_last_turn_seconds[{ ]/ {
      duties++
      if (value == 0) print "WRONG keeper: " label("duty") " has never gone well"
      else if (now - value > 150) print "WRONG keeper: " label("duty") " went well " now - value " s ago for the last time"
      if (now - value > slowest) slowest = now - value
    }
    END {
      for (slot in poll)
        if (poll[slot] && !busy[slot] && now - poll[slot] > 15)
          printf "WRONG runner_%02d has not asked for jobs for %d s\n", slot, now - poll[slot]
      line = sprintf("%d running", running)
      for (outcome in ended) line = line ", " ended[outcome] " " outcome
      printf "%-16s %s\n", "jobs", line
      for (name in kind)
        if (depth[name, "rea"] + depth[name, "pro"] > 0)
          queues = queues (queues ? "; " : "") sprintf("%s: %d ready, the oldest for %d s, %d processing", name,
            depth[name, "rea"], depth[name, "old"], depth[name, "pro"])
      printf "%-16s %s\n", "queue", queues ? queues : "empty"
      if (duties) printf "%-16s each duty went well within the last %d s\n", "keeper", slowest
    }' <<<"$1"
}

postgresql_line() {
  psql_as plugfleet plugfleet pgbouncer -c \
    "select 'answers through PgBouncer; the database holds ' || pg_size_pretty(pg_database_size('plugfleet'))" 2>/dev/null
}
pgbouncer_line() {
  psql_as plugfleet pgbouncer pgbouncer -F ' ' -c 'show pools' 2>/dev/null |
    awk '/^plugfleet/ {clients += $3; waiting += $4; servers += $7 + $8 + $9 + $10}
      END {printf "%d clients, %d of them waiting; %d connections to PostgreSQL\n", clients, waiting, servers}'
}
redis_line() {
  redis "$1" info 2>/dev/null | tr -d '\r' | awk -F : '{value[$1] = $2} END {
    if (!("used_memory_human" in value)) exit 1
    printf "%s of %s used, %s clients, ", value["used_memory_human"], value["maxmemory_human"], value["connected_clients"]
    print value["aof_enabled"] == 1 ? "append-only file " value["aof_last_write_status"] : "in memory only"}'
}

status() {
  local states table name lines='' line metrics
  if ! find_fleet || ! fleet_is_up; then
    not_running
    if find_fleet && ! no_leftovers; then
      say "But these processes outlived it; make stop ends them: $(leftovers | xargs)"
    fi
    return
  fi
  states=$(ctl status || true)
  states=$(grep -vE '^(worker|runner):.* STOPPED ' <<<"$states") # slots in reserve
  mapfile -t wrong < <(awk '$2 != "RUNNING" {print $1 " is " $2}' <<<"$states")
  table=$(process_table "$states")
  check_health
  for name in postgresql pgbouncer redis-state redis-payloads; do
    if [[ $name == redis-* ]]; then line=$(redis_line "${name#redis-}"); else line=$("${name}_line"); fi || {
      line='does not answer'
      wrong+=("$name does not answer")
    }
    lines+=$(printf '%-16s %s' "$name" "$line")$'\n'
  done
  if metrics=$(curl -sf --noproxy '*' --max-time 5 "http://127.0.0.1:$HTTP_PORT/metrics"); then
    while read -r line; do
      if [[ $line == WRONG* ]]; then wrong+=("${line#WRONG }"); else lines+=$line$'\n'; fi
    done < <(jobs_lines "$metrics")
  fi
  if ((${#wrong[@]})); then
    printf 'WRONG: %s\n' "${wrong[@]}"
    say "Logs: $FLEET_DIR/log"
    say
  fi
  say "Plugfleet in $FLEET_DIR: https://localhost:$HTTPS_PORT  http://127.0.0.1:$HTTP_PORT"
  printf '\n%s\n\n%s\n' "$table" "${lines%$'\n'}"
}
