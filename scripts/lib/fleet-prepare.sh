# shellcheck shell=bash
# Sourced by scripts/fleet, and by scripts/operate/setup for an installed fleet: what is made before a process starts.
# Settings, folders, certificate, configuration, database. Each function may run again: it leaves alone what is right
# already. After make_folders the current directory is RUN.
set -euo pipefail
: "${root:?}" "${pg_bin:?}" "${fleet_settings:?}"

# give_up SENTENCE LOG: says it with the log's end, where the reason most likely is.
give_up() {
  printf '%s\n' "$1" >&2
  if [[ -s $FLEET_DIR/log/$2 ]]; then
    printf 'The end of %s:\n' "$FLEET_DIR/log/$2" >&2
    tail -n 15 -- "$FLEET_DIR/log/$2" | sed 's/^/  /' >&2
  fi
  exit 1
}

# what_is_wrong MODULES: prints a sentence for each setting of fleet.conf that makes no sense; MODULES is the folder of the
# modules that there are.
what_is_wrong() {
  (
    export_settings
    exec python3 -B "$root/scripts/lib/fleet_conf.py" "$root/conf/fleet.conf" "$fleet_settings" "${PLUGFLEET_MODULES_DIR:-$1}"
  )
}

# Ends with these sentences where there is one.
check_settings() {
  local said modules=$BUILD/modules
  if [[ $installed && ! -d $modules ]]; then modules=$root/build/release/modules; fi # setup has no release yet
  said=$(what_is_wrong "$modules") || fail "$said"
}

# check_ports PORT...: ends with one sentence when somebody but this fleet's nginx listens on one of them.
check_ports() {
  local port lines holder ours='' how='choose others: make run HTTPS_PORT=9443 HTTP_PORT=9080'
  if [[ -e ${RUN:-}/nginx.pid ]]; then ours=$(<"$RUN/nginx.pid"); fi
  for port in "$@"; do
    lines=$(ss -Hltnp "sport = :$port")
    if [[ ! $lines || ($ours && $lines == *",pid=$ours,"*) ]]; then continue; fi
    holder='another program'
    if [[ $lines =~ \(\(\"([^\"]+)\",pid=([0-9]+) ]]; then holder="${BASH_REMATCH[1]} (pid ${BASH_REMATCH[2]})"; fi
    fail "Port $port is taken by $holder; $how"
  done
}

# may_enter USER FOLDER: whether it can, where root starts the fleet for several users.
may_enter() { ((EUID != 0)) || runuser -u "$1" -- test -x "$2"; }

make_folders() {
  if [[ $installed ]]; then
    RUN=/run/plugfleet
    systemd-tmpfiles --create plugfleet.conf || fail 'The folders of tmpfiles.d/plugfleet.conf could not be made.'
    cd "$RUN"
    return
  fi
  RUN=$(readlink -- "$FLEET_DIR/run") || RUN=
  if [[ $(stat -f -c %T /dev/shm) == tmpfs && -w /dev/shm ]]; then
    RUN=/dev/shm/plugfleet-$UID-$(printf %s "$FLEET_DIR" | sha256sum | cut -c 1-8)
  elif [[ ! -d $RUN ]]; then
    RUN=$(mktemp -d /tmp/plugfleet-XXXXXXXX)
    say "/dev/shm is not a tmpfs: sockets and request bodies go to $RUN, which may be on a disk."
  fi
  mkdir -p -- "$RUN"
  [[ -O $RUN && ! -L $RUN ]] || fail "$RUN belongs to somebody else."
  cd "$RUN"
  mkdir -p conf/{nginx,redis,supervisord,pgbouncer,postgresql} nginx static redis metrics postgresql pgbouncer
  mkdir -p -- "$FLEET_DIR"/{log,tls,redis-state}
  ln -sfn -- "$RUN" "$FLEET_DIR/run"
  ln -sfn -- "$FLEET_DIR" data
  ln -sfn -- "$root" checkout
  local pgdata=$FLEET_DIR/postgresql files=$FLEET_DIR/files
  if ((EUID == 0)); then
    # The servers' own users may pass through to what is theirs.
    chmod 0711 -- "$FLEET_DIR" . conf conf/nginx conf/postgresql conf/pgbouncer nginx static
    chown postgres: postgresql pgbouncer
    if ! may_enter postgres "$FLEET_DIR" || ! may_enter www-data "$FLEET_DIR"; then
      pgdata=/var/lib/plugfleet-${RUN##*-}/postgresql files=${pgdata%/*}/files
      mkdir -p "${pgdata%/*}"
      chmod 0711 "${pgdata%/*}"
      say "The users postgres and www-data cannot enter $FLEET_DIR: the database and modules' files are in ${pgdata%/*}."
    fi
  fi
  mkdir -p -- "$files"
  chmod 0755 -- "$files"
  ln -sfn -- "$pgdata" pgdata
  ln -sfn -- "$files" files
  say_room
}

# say_room: where RUN has little, as /dev/shm in a container. A request's body may have 20 MB.
say_room() {
  local free
  free=$(df -B 1M --output=avail -- "$RUN" | tail -n 1)
  if ((free < 256)); then
    say "$(df --output=target -- "$RUN" | tail -n 1) has only $((free)) MB left for request bodies, of 20 MB each at the most: what finds no room is refused (503). In a container: docker run --shm-size=1g"
  fi
}

# nginx serves modules/NAME/static, and the pages that were built (scripts/dev/docs-page, scripts/dev/web-shell), through
# links, or from copies where its user cannot enter the checkout.
make_static() {
  local folder modules=$root/modules link=(ln -sfn --)
  if [[ $installed ]]; then
    modules=$RUN/build/sources # the active release's, whichever that is
  elif ! may_enter www-data "$root/modules"; then
    link=(cp -r --)
    rm -rf static/*
  fi
  find static/ -xtype l -delete
  for folder in "$modules"/*/static "$RUN"/build/pages/*; do
    if [[ -d $folder ]]; then "${link[@]}" "$folder" "static/$(basename "${folder%/static}")"; fi
  done
  chmod -R a+rX static
}

# take_build: what runs next is from BUILD. The current directory is RUN.
take_build() {
  [[ $(readlink build) == "$BUILD" ]] && return
  ln -sfn -- "$BUILD" build
  rm -f programs-started
}

# certificate_is_right FOLDER NAME: its certificate has begun, lasts another day, names that host, and has its key.
certificate_is_right() {
  local certificate=$1/certificate.pem begins what=-checkhost
  if [[ $2 =~ ^[0-9.]+$ || $2 == *:* ]]; then what=-checkip; fi
  openssl x509 -in "$certificate" -noout -checkend 86400 >/dev/null 2>&1 || return 1
  begins=$(openssl x509 -in "$certificate" -noout -startdate)
  (($(date -d "${begins#*=}" +%s) <= $(date +%s))) || return 1
  [[ $(openssl x509 -in "$certificate" -noout "$what" "$2") == *'does match'* ]] || return 1
  [[ $(openssl x509 -in "$certificate" -noout -pubkey) == "$(openssl pkey -in "$1/key.pem" -passin pass: -pubout 2>/dev/null)" ]]
}
# signs_itself FILE: a certificate that we made, or one like it; or none.
signs_itself() {
  local issuer subject
  issuer=$(openssl x509 -in "$1" -noout -issuer 2>/dev/null) subject=$(openssl x509 -in "$1" -noout -subject 2>/dev/null)
  [[ ${issuer#issuer=} == "${subject#subject=}" ]]
}

# keep_others_certificate: one in tls/ that an authority signed, and that is not a link to certbot's, is somebody's: before
# another takes its place it is kept beside it, with its key.
keep_others_certificate() {
  local file
  if [[ ! -s data/tls/certificate.pem || -L data/tls/certificate.pem ]] || signs_itself data/tls/certificate.pem; then return; fi
  say "The certificate in $FLEET_DIR/tls is replaced; it is kept there, as certificate.pem.before and key.pem.before."
  for file in certificate.pem key.pem; do
    if [[ -e data/tls/$file ]]; then cp -p -- "data/tls/$file" "data/tls/$file.before"; fi
  done
}

# make_certificate NAME: one that signs itself, for that name or address and localhost, where there is none that is right.
# What stands in tls/ may be a link to a file of certbot's, which is never written to.
make_certificate() {
  local names=DNS:localhost,IP:127.0.0.1,IP:::1 tls=data/tls file
  certificate_is_right "$tls" "$1" && return
  if [[ $1 =~ ^[0-9.]+$|: ]]; then names+=,IP:$1; elif [[ $1 != localhost ]]; then names+=,DNS:$1; fi
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=${1:0:64}" \
    -addext "subjectAltName=$names" -addext extendedKeyUsage=serverAuth \
    -keyout "$tls/key.pem.new" -out "$tls/certificate.pem.new" 2>/dev/null || fail 'openssl could not make a certificate.'
  keep_others_certificate
  for file in key.pem certificate.pem; do mv -- "$tls/$file.new" "$tls/$file"; done
  changed+=("conf/nginx/certificate.pem") # nginx has to take it
}

make_settings_file() {
  [[ -e data/plugfleet.conf ]] && return
  cat >data/plugfleet.conf <<'END'
# The settings of this fleet's programs, KEY=value. conf/plugfleet.conf lists every one with its default; the environment
# (PLUGFLEET_KEY) wins over both. `make run` restarts the workers one after another when this file changed, and the
# runners and the keeper. For example:
# AI_PROVIDER=openrouter
# OPENROUTER_API_KEY=...
END
}

# configure [RELEASE]: fills in every template of conf/ and asks the programs of a release, that in use where none is given,
# for their part; `changed` names the files that were not so already (configure.py).
changed=()
configure() {
  local said files file
  POSTGRES_PORT=5432
  if [[ $installed ]]; then POSTGRES_PORT=$(cluster_setting port 5432); fi
  files=$(ulimit -Hn)
  if [[ $installed ]]; then files=$(awk '/^Max open files/ {print $5}' /proc/1/limits); fi # whoever calls
  if [[ $files == unlimited ]] || ((files > 65536)); then files=65536; fi
  said=$(
    export_settings
    RUN=$RUN FLEET_DIR=$FLEET_DIR ROOT=$root INSTALLED=$installed DRAFT=${draft:-} FILES=$files POSTGRES_PORT=$POSTGRES_PORT \
      exec python3 -B "$root/scripts/lib/configure.py" "$@"
  ) || exit 1
  while IFS= read -r file; do
    if [[ $file ]]; then changed+=("$file"); fi
  done <<<"$said"
  if ((EUID == 0)) && [[ ! $installed ]]; then chown postgres: conf/postgresql/* conf/pgbouncer/*; fi
  if [[ -e conf/nginx/openapi.json ]]; then chmod a+r conf/nginx/openapi.json; fi # nginx's workers read it
}

make_database() {
  local as_postgres=() pgdata
  pgdata=$(readlink pgdata)
  [[ -e $pgdata/PG_VERSION ]] && return
  say "Making the database in $pgdata"
  # Under another name until it is whole.
  rm -rf -- "$pgdata.new"
  mkdir -- "$pgdata.new"
  if ((EUID == 0)); then
    chown postgres: "$pgdata.new"
    as_postgres=(runuser -u postgres --)
  fi
  "${as_postgres[@]}" "$pg_bin/initdb" -D "$pgdata.new" --username=postgres --auth=trust --encoding=UTF8 \
    --locale=C.UTF-8 --data-checksums >data/log/initdb.log 2>&1 || give_up 'The database could not be made.' initdb.log
  mv -T -- "$pgdata.new" "$pgdata"
}
