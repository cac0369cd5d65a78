# shellcheck shell=bash
# Sourced after database.sh, fleet-prepare.sh and draft.sh: the one check of the settings, before anything is touched with
# them. fleet.conf, plugfleet.conf, the prompts, the secrets, and the configuration that would be made of them: our
# programs and nginx say themselves what they refuse.
set -euo pipefail
: "${root:?}" "${fleet_settings:?}"

wrong=() # a sentence for each thing that is

# Lines that read_settings passes over.
check_lines() {
  local line key moved number=0
  while read -r line || [[ $line ]]; do
    number=$((number + 1))
    if [[ ! $line || $line == \#* ]]; then continue; fi
    key=${line%%=*} moved=''
    if [[ $key =~ ^(RATE|BURST)_([A-Z]+)$ ]]; then moved=${BASH_REMATCH[2]}_EDGE_${BASH_REMATCH[1]}; fi # a route's own guard
    if [[ ! $line =~ ^[A-Z_]+= ]]; then
      wrong+=("$1 line $number: expected NAME=value")
    elif [[ $key != CERTIFICATE && $key != EMAIL ]] && ! grep -q "^$key=" "$root/conf/fleet.conf"; then
      wrong+=("$1 line $number: there is no setting $key${moved:+; it is $moved in plugfleet.conf now}")
    fi
  done <"$1"
}

check_secrets() {
  local file
  for file in /etc/plugfleet/secrets/*; do
    [[ -e $file ]] || continue
    [[ ${file##*/} =~ ^[A-Z_]+$ ]] || wrong+=("$file: its name is no setting's, like OPENROUTER_API_KEY")
    [[ $(stat -c '%a %U' -- "$file") =~ ^[46]00\ root$ ]] ||
      wrong+=("$file: not root's alone; chown root and chmod 600 it")
    [[ -s $file ]] || wrong+=("$file: it is empty")
  done
  file=/etc/plugfleet/plugfleet.conf
  if grep -qE '^[A-Z_]*(KEY|SECRET)=.' "$file" && (($(stat -c '0%a' "$file") & 4)); then
    wrong+=("$file: it holds a secret and everybody may read it; chmod 640 it")
  fi
}

check_prompts() {
  local file folder
  for folder in "$root"/modules/*/prompts; do
    if [[ -d $folder && ! $(find -L "$folder" -name '*.txt' -print -quit) ]]; then wrong+=("$folder: it holds no prompt"); fi
  done
  for file in "$root"/modules/*/prompts/*.txt; do
    if [[ ! -e $file && ! -L $file ]]; then
      continue
    elif [[ ! -s $file ]]; then
      wrong+=("$file: it is empty")
    elif (($(stat -Lc %s -- "$file") > 65536)); then
      wrong+=("$file: it is larger than 64 KiB")
    elif ! iconv -f UTF-8 -t UTF-8 -- "$file" >/dev/null 2>&1; then
      wrong+=("$file: it is not text in UTF-8")
    elif [[ $installed ]] && ! runuser -u plugfleet -- test -r "$file"; then
      wrong+=("$file: the user plugfleet cannot read it; chmod 644 it")
    fi
  done
}

# check_programs RELEASE
check_programs() {
  local pool said line
  for pool in worker runner keeper; do
    said=$(as_program "$pool" "$1" "$1/bin/plugfleet-$pool" --check --settings "$FLEET_DIR/plugfleet.conf" 2>&1) && continue
    while read -r line; do wrong+=("${line#plugfleet-"$pool": }"); done <<<"${said:-plugfleet-$pool does not start}"
  done
}

check_nginx() {
  local said
  if [[ ! -e ${draft:?}/conf/nginx/routes-locations.conf ]]; then return; fi # the programs refuse to run, and said why
  sed -i "s|$RUN/conf/|${draft:?}/conf/|g" "$draft"/conf/nginx/*
  said=$(nginx -t -q -e stderr -c "$draft/conf/nginx/nginx.conf" 2>&1) && return
  wrong+=("nginx refuses its configuration: $(head -n 1 <<<"${said//"$draft"/"$RUN"}")")
}

# check_all_settings RELEASE: with the programs of the release in that folder. Exits 1, with a line on stderr for each
# thing that is wrong. In a subshell: what it sets and the draft it makes end with it.
check_all_settings() (
  local said
  if [[ -e $fleet_settings ]]; then check_lines "$fleet_settings"; fi
  if [[ $installed ]]; then check_secrets; fi
  check_prompts
  if said=$(read_settings_anew 2>&1); then
    read_settings_anew
    make_draft "$1"
    check_programs "$1"
    check_nginx
  else
    wrong+=("$said")
  fi
  if ((${#wrong[@]})); then
    printf '%s\n' "${wrong[@]}" | awk '!seen[$0]++' >&2
    exit 1
  fi
)
