# shellcheck shell=bash
# Sourced after database.sh, fleet-prepare.sh and draft.sh: the one check of the settings, before anything is touched with
# them. fleet.conf, plugfleet.conf, the prompts, the secrets, and the configuration that would be made of them: our
# programs and nginx say themselves what they refuse.
set -euo pipefail
: "${root:?}" "${fleet_settings:?}"

wrong=() # a sentence for each thing that is

check_secrets() {
  local file
  for file in /etc/plugfleet/secrets/*; do
    [[ -e $file ]] || continue
    [[ ${file##*/} =~ ^[A-Z_]+$ ]] || wrong+=("$file: its name is not a setting's, like OPENROUTER_API_KEY")
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
  local file folder files=()
  for folder in "$root"/modules/*/prompts; do
    [[ -d $folder ]] || continue
    folder=$(realpath -- "$folder") # an installed fleet's are in /etc
    if [[ ! $(find "$folder" -name '*.txt' -print -quit) ]]; then wrong+=("$folder: it holds no prompt"); fi
    files+=("$folder"/*.txt)
  done
  for file in "${files[@]}"; do
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

# check_program RELEASE POOL PROGRAM [COMMAND...]: what the program refuses in that pool's environment.
check_program() {
  local said line
  said=$(as_program "$2" "$1" "${@:4}" "$1/bin/plugfleet-$3" --check --settings "$FLEET_DIR/plugfleet.conf" 2>&1) && return
  while read -r line; do wrong+=("${line#plugfleet-"$3": }"); done <<<"${said:-plugfleet-$3 does not start}"
}

# check_programs RELEASE: in each pool, with its modules and with those of all pools: only then is every name known and can two
# routes be at odds.
check_programs() {
  local pool kind
  while read -r pool kind _; do
    check_program "$1" "$pool" "${kind%s}" env -u PLUGFLEET_MODULES
    if grep -q '^PLUGFLEET_MODULES=' "${draft:?}/conf/$pool.env"; then check_program "$1" "$pool" "${kind%s}"; fi
  done <"${draft:?}/conf/pools"
  check_program "$1" keeper keeper
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
  if [[ $installed ]]; then check_secrets; fi
  check_prompts
  read_settings_anew
  if said=$(what_is_wrong "$1/modules"); then
    make_draft "$1"
    check_programs "$1"
    check_nginx
  else # nothing can be made of fleet.conf; what plugfleet.conf says is judged all the same
    wrong+=("$said")
    make_draft --in-use
    check_programs "$1"
  fi
  if ((${#wrong[@]})); then
    printf '%s\n' "${wrong[@]}" | awk '!seen[$0]++' >&2
    exit 1
  fi
)
