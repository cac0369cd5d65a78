# shellcheck shell=bash
: "${machine:?}"
# What is changed without a failed request: settings, processes, the package; and the changes that are refused. The
# packages are the one that is installed with another version, one migration more, and what else a step needs.

# another_package VERSION [LINE]: with LINE its worker is a script: LINE, then the real one.
another_package() {
  local tree=$machine/opt/package bin
  dpkg-deb -R "$machine/opt/plugfleet.deb" "$tree"
  bin=$tree/usr/lib/plugfleet/build/release/bin
  if [[ ${2:-} ]]; then
    mv "$bin"/plugfleet-worker{,-real}
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/bash' "$2" 'exec "$0-real" "$@"' >"$bin/plugfleet-worker"
    chmod 0755 "$bin/plugfleet-worker"
  fi
  sed -i "s/^Version: .*/Version: $1/" "$tree/DEBIAN/control"
  echo "$1" >"$tree/usr/lib/plugfleet/VERSION"
  add_migrations "$tree/usr/lib/plugfleet/migrations" "${1##*.}"
  dpkg-deb --root-owner-group --build -Zgzip -z1 "$tree" "$machine/opt/plugfleet-$1.deb" >/dev/null
  rm -rf "$tree"
}
# add_migrations FOLDER LAST: those of 0.9.1 to 0.9.LAST.
add_migrations() {
  local number
  for ((number = 1; number <= $2; number++)); do
    echo "alter table jobs add column rehearsed_$number text not null default 'x';" \
      >"$1/900${number}_rehearse_migrations.sql"
  done
}
make_packages() {
  another_package 0.9.1
  another_package 0.9.2 'echo "this build is broken" >&2; exit 1'
  # On trial a process has no slot.
  # shellcheck disable=SC2016
  another_package 0.9.3 'if [[ ${PLUGFLEET_SLOT:-9} == [01] ]]; then exit 1; fi'
  another_package 0.9.4
}

# under_load [again] COMMAND...: while it is at work the fleet is asked; not one request fails. For "again" see load.py.
under_load() {
  local load result=0 how=()
  if [[ $1 == again ]]; then how=(again) && shift; fi
  rm -f "$machine/opt/stop"
  inside nice -n 5 python3 /opt/load.py /opt/stop "${how[@]}" >"$machine/opt/load" 2>&1 &
  load=$!
  "$@" || result=1
  touch "$machine/opt/stop"
  wait "$load" || result=1
  cat "$machine/opt/load"
  return "$result"
}
ours() { inside pgrep -u plugfleet; }
same_processes() { # COMMAND...: ours outlive it; the keeper's own doing is awaited first
  local before
  there until_true 150 whole || return
  before=$(ours)
  "$@" && [[ $before == "$(ours)" ]]
}
says() { # STATUS SENTENCE COMMAND...
  local status=0
  "${@:3}" >"$machine/opt/said" 2>&1 || status=$?
  cat "$machine/opt/said"
  [[ $status == "$1" ]] && said "$2"
}
said() { grep -F -- "$1" "$machine/opt/said" || { echo "It does not say: $1" && return 1; }; }
job_queue() { inside /usr/lib/plugfleet/scripts/jobs "$@"; }
plugfleet() { inside plugfleet "$@"; }
install_release() { inside env DEBIAN_FRONTEND=noninteractive dpkg -i "/opt/plugfleet-$1.deb"; }
release_is() { # VERSION, of the link and of every process
  [[ $(inside readlink /var/lib/plugfleet/release) == "releases/$1" ]] && there renames &&
    [[ $(inside sh -c 'readlink /proc/[0-9]*/exe' | grep -F '/plugfleet-' | grep -cvF "/releases/$1/") == 0 ]]
}
schema_has() { [[ $(there sql "select count(*) from schema_migrations where version like '900%'") == "$1" ]]; }

restarts() {
  local before
  before=$(there serving)
  says 0 'Every process is new' plugfleet restart &&
    [[ ! $(comm -12 <(echo "$before") <(there serving)) ]]
}

settings=$machine/etc/plugfleet/plugfleet.conf fleet_settings=$machine/etc/plugfleet/fleet.conf
names_what_is_wrong() {
  local prompt=$machine/etc/plugfleet/prompts/figma/empty.txt secret=$machine/etc/plugfleet/secrets/OPENAI_API_KEY
  says 0 'The settings are fine.' plugfleet check || return
  cp "$settings" "$fleet_settings" "$machine/opt/"
  printf '%s\n' NO_SUCH_SETTING=1 LOG_LEVEL=loud >>"$settings"
  echo WORKER=3 >>"$fleet_settings"
  : >"$prompt"
  install -m 0644 <(echo key) "$secret"
  says 1 'Nothing was changed.' plugfleet reload && said NO_SUCH_SETTING && said LOG_LEVEL &&
    said 'there is no setting WORKER' && said empty.txt && said "OPENAI_API_KEY: not root's alone" || return
  rm "$prompt" "$secret"
  cp "$machine/opt/plugfleet.conf" "$settings"
  echo 'RATE_GENERAL=often' >"$fleet_settings"
  says 1 "RATE_GENERAL is 'often'" plugfleet check || return
  cp "$machine/opt/fleet.conf" "$fleet_settings"
}

# Settings of our programs, while a client watches a job that waits.
applies_settings() {
  local job watching last
  job_queue pause rename-layers && job=$(there queued_job) || return
  there watch "$job" >"$machine/opt/stream" &
  watching=$!
  there until_true 10 grep -q '^id:' /opt/stream || return
  echo LOG_LEVEL=debug >>"$settings"
  says 0 'Every process is new' plugfleet reload || return
  wait "$watching" || return # curl says by its status whether the stream ended as it should
  last=$(sed -n 's/^id: *//p' "$machine/opt/stream" | tail -n 1)
  job_queue resume rename-layers && there watch "$job" "$last" | tee "$machine/opt/stream" | grep '^event: *completed'
}
applies_nginx_settings() {
  echo 'OPERATOR_ADDRESSES=127.0.0.1 ::1 192.0.2.9' >>"$fleet_settings"
  says 0 'nginx took its new settings' plugfleet reload && grep 'allow 192.0.2.9' "$machine/var/lib/plugfleet/conf/nginx"/*.conf &&
    ! said 'is new'
}

cp tests/rehearsal/load.py "$machine/opt/"
guest note_processes >/dev/null 2>&1 || true
step 'check names all that is wrong, and a reload changes nothing' same_processes names_what_is_wrong
step 'changed settings are applied under load, and a stream resumes' under_load applies_settings
step 'those of nginx too, our processes being left alone' under_load again applies_nginx_settings
step 'reload again replaces no process' same_processes says 0 'Nothing has changed.' plugfleet reload
step 'plugfleet restart under load' under_load restarts
step 'four packages are made' make_packages
step 'a package with a migration is installed under load' under_load eval \
  "says 0 'Release 0.9.1 runs' install_release 0.9.1 && release_is 0.9.1 && schema_has 1"
step 'upgrade again replaces no process' same_processes says 0 'Release 0.9.1 is what runs already.' plugfleet upgrade
step 'one whose worker does not start is refused: the same processes serve on' same_processes eval \
  "says 0 'this build is broken' install_release 0.9.2 && release_is 0.9.1 && schema_has 1"
step 'one that comes up on trial only is taken back under load' under_load eval \
  "says 0 'Release 0.9.3 does not come up: 0.9.1 serves on' install_release 0.9.3 && release_is 0.9.1 && schema_has 3"
step 'an upgrade that is killed half-way is finished by another, both under load' under_load eval \
  "there interrupted_upgrade 0.9.4 && says 0 'Release 0.9.4 runs; before it was 0.9.1.' plugfleet upgrade &&
    release_is 0.9.4 && schema_has 4"
step 'the fleet is whole after all that' there until_true 150 whole
step 'a restore, and the command that it prints' guest restores
step 'all that is theirs is as it was' guest others_are_untouched
