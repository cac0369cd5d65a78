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

# Ends with one sentence when a setting of fleet.conf makes no sense.
check_settings() {
  local key
  for key in HTTPS_PORT HTTP_PORT WORKERS WORKERS_MAX POOL_REQUESTS POOL_JOBS POOL_OPS BURST_GENERAL; do
    [[ ${!key} =~ ^[1-9][0-9]{0,4}$ ]] || fail "$key is '${!key}', not a number from 1 to 99999."
  done
  for key in HTTPS_PORT HTTP_PORT; do
    ((${!key} <= 65535)) || fail "$key is ${!key}; the last port there is is 65535."
  done
  ((HTTPS_PORT != HTTP_PORT)) || fail "HTTPS_PORT and HTTP_PORT are both $HTTP_PORT."
  for key in POOL_REQUESTS POOL_JOBS POOL_OPS; do
    ((${!key} <= 1000)) || fail "$key is ${!key}, more than 1000."
  done
  [[ $POSTGRES_MEMORY =~ ^[1-9][0-9]*(kB|MB|GB)$ ]] || fail "POSTGRES_MEMORY is '$POSTGRES_MEMORY', not a size like 128MB."
  for key in REDIS_STATE_MEMORY REDIS_PAYLOADS_MEMORY; do
    [[ ${!key} =~ ^[1-9][0-9]*([kKmMgG][bB]?)?$ ]] || fail "$key is '${!key}', not a size like 256mb."
  done
  [[ $BACKUP_KEEP_DAYS =~ ^[0-9]{1,5}$ ]] || fail "BACKUP_KEEP_DAYS is '$BACKUP_KEEP_DAYS', not a number of days."
  for key in RUNNERS RUNNERS_MAX; do
    [[ ${!key} =~ ^[0-9]{1,2}$ ]] || fail "$key is '${!key}', not a number from 0 to 64."
  done
  # A fleet that was given more at the least than the default is at the most has as many at the most.
  if ((WORKERS > WORKERS_MAX)); then WORKERS_MAX=$WORKERS; fi
  if ((RUNNERS > RUNNERS_MAX)); then RUNNERS_MAX=$RUNNERS; fi
  ((WORKERS_MAX <= 64)) || fail "WORKERS_MAX is $WORKERS_MAX, more than 64."
  ((RUNNERS_MAX <= 64)) || fail "RUNNERS_MAX is $RUNNERS_MAX, more than 64."
  [[ $RATE_GENERAL =~ ^[1-9][0-9]*r/[sm]$ ]] || fail "RATE_GENERAL is '$RATE_GENERAL', not a rate like 30r/m or 5r/s."
  [[ $CLIENT_PREFIX =~ ^(32|40|48|56|64|72|80|88|96|104|112|120|128)$ ]] ||
    fail "CLIENT_PREFIX is '$CLIENT_PREFIX', not a number of bits from 32 to 128 in steps of 8."
  [[ $HTTPS_ADDRESS == 127.0.0.1 || $HTTPS_ADDRESS == 0.0.0.0 ]] ||
    fail "HTTPS_ADDRESS is '$HTTPS_ADDRESS', neither 127.0.0.1 nor 0.0.0.0."
  for key in $HOST_ADDRESS $OTHER_HOSTS $DATABASE_HOST $REPLICA_HOST; do
    [[ $key =~ ^[0-9.]+$ ]] || fail "'$key' is no address like 10.8.0.1: see HOST_ADDRESS and what follows it in fleet.conf."
  done
  [[ ! $OTHER_HOSTS || $HOST_ADDRESS ]] || fail 'OTHER_HOSTS needs HOST_ADDRESS, this host among them.'
  [[ " $OPERATOR_ADDRESSES " == *' 127.0.0.1 '* ]] || fail 'OPERATOR_ADDRESSES lacks 127.0.0.1, where this script asks from.'
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
    say "/dev/shm is no tmpfs: sockets and request bodies go to $RUN, which may be on a disk."
  fi
  mkdir -p -- "$RUN"
  [[ -O $RUN && ! -L $RUN ]] || fail "$RUN belongs to somebody else."
  cd "$RUN"
  mkdir -p conf/{nginx,redis,supervisord,pgbouncer,postgresql} nginx static redis metrics postgresql pgbouncer
  mkdir -p -- "$FLEET_DIR"/{log,tls,redis-state}
  ln -sfn -- "$RUN" "$FLEET_DIR/run"
  ln -sfn -- "$FLEET_DIR" data
  ln -sfn -- "$root" checkout
  local pgdata=$FLEET_DIR/postgresql
  if ((EUID == 0)); then
    # The servers' own users may pass through to what is theirs.
    chmod 0711 -- "$FLEET_DIR" . conf conf/nginx conf/postgresql conf/pgbouncer nginx static
    chown postgres: postgresql pgbouncer
    if ! may_enter postgres "$FLEET_DIR"; then
      pgdata=/var/lib/plugfleet-${RUN##*-}/postgresql
      mkdir -p "${pgdata%/*}"
      chmod 0711 "${pgdata%/*}"
      say "The user postgres cannot enter $FLEET_DIR: the database is in $pgdata."
    fi
  fi
  ln -sfn -- "$pgdata" pgdata
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

# nginx serves modules/NAME/static, and the page of the API (scripts/dev/docs-page), through links, or from copies where
# its user cannot enter the checkout.
make_static() {
  local folder modules=$root/modules link=(ln -sfn --)
  if [[ $installed ]]; then
    modules=$RUN/build/sources # the active release's, whichever that is
  elif ! may_enter www-data "$root/modules"; then
    link=(cp -r --)
    rm -rf static/*
  fi
  find static/ -xtype l -delete
  for folder in "$modules"/*/static; do
    if [[ -d $folder ]]; then "${link[@]}" "$folder" "static/$(basename "${folder%/static}")"; fi
  done
  if [[ -d $RUN/build/docs ]]; then "${link[@]}" "$RUN/build/docs" static/api-docs; fi
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

# keep_others_certificate: one in tls/ that an authority signed, and that is no link to certbot's, is somebody's: before
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

# keep FILE TEXT: the file holds the text; one that did not is noted in `changed`.
changed=()
keep() {
  [[ -e $1 && $(<"$1") == "$2" ]] && return
  printf '%s\n' "$2" >"$1.new"
  mv -- "$1.new" "$1"
  changed+=("$1")
}

# fill TEMPLATE: its text with every @NAME@ replaced by that variable.
fill() {
  local text name
  text=$(<"$1")
  for name in $(grep -o '@[A-Z_]*@' "$1" | tr -d @ | sort -u); do
    text=${text//"@$name@"/"${!name}"}
  done
  printf '%s\n' "$text"
}

# limit_wait RATE: the seconds until an address that ran into the limit may ask once more.
limit_wait() {
  local number=${1%r/*}
  if [[ $1 == *r/s ]]; then echo 1; else echo $(((60 + number - 1) / number)); fi
}

# environment_of POOL DATABASE: a program's environment: ours, then whatever PLUGFLEET_* and sanitizer options the
# caller set.
environment_of() {
  local key migrations=$RUN/checkout/migrations sources=$RUN/checkout/modules
  if [[ $installed ]]; then migrations=$RUN/build/migrations sources=$RUN/build/sources; fi # the release's own
  cat <<END
PLUGFLEET_POOL=$1
PLUGFLEET_MODULES_DIR=$RUN/build/modules
PLUGFLEET_PROMPTS_DIR=$RUN/checkout/prompts
PLUGFLEET_MIGRATIONS_DIR=$migrations
PLUGFLEET_MODULES_SOURCE_DIR=$sources
PLUGFLEET_RUN_DIR=$RUN
PLUGFLEET_LOG_FILE=$RUN/data/log/$1.log
PLUGFLEET_CLIENT_PREFIX=$CLIENT_PREFIX
PLUGFLEET_DATABASE_URL='host=$RUN/pgbouncer port=6432 dbname=$2 user=plugfleet'
PLUGFLEET_REPORTS_DATABASE_URL='host=$RUN/pgbouncer port=6432 dbname=plugfleet_ops user=plugfleet'
PLUGFLEET_REDIS_SOCKET=$(printf %q "${REDIS_STATE:-$RUN/redis/state.sock}")
PLUGFLEET_PAYLOADS_SOCKET=$(printf %q "${REDIS_PAYLOADS:-$RUN/redis/payloads.sock}")
END
  if [[ $REPLICA_HOST ]]; then
    echo "PLUGFLEET_REPLICA_DATABASE_URL='host=$RUN/pgbouncer port=6432 dbname=plugfleet_replica user=plugfleet'"
  fi
  if [[ $1 == keeper ]]; then # it scales them
    printf 'PLUGFLEET_%s\n' "WORKERS_MIN=$WORKERS" "WORKERS_MAX=$WORKERS_MAX" "RUNNERS_MIN=$RUNNERS" "RUNNERS_MAX=$RUNNERS_MAX"
  fi
  if [[ $installed ]]; then # what the caller has in his environment is his; secrets come from plugfleet.service
    for key in /etc/plugfleet/secrets/*; do
      if [[ ${key##*/} =~ ^[A-Z_]+$ ]]; then
        printf 'PLUGFLEET_%s_FILE=/run/credentials/plugfleet.service/secrets_%s\n' "${key##*/}" "${key##*/}"
      fi
    done
    return
  fi
  for key in $(compgen -e); do
    if [[ $key == PLUGFLEET_* && $key != PLUGFLEET_SLOT || $key == ?*SAN_OPTIONS ]]; then
      printf '%s=%q\n' "$key" "${!key}"
    fi
  done
}

# of_routes PART RELEASE: what nginx is told, or whoever asks for /openapi.json, of the routes that the modules of a release
# have.
of_routes() {
  # shellcheck disable=SC2016
  sed "s|$RUN/build/modules|$2/modules|" conf/worker.env |
    env -i PATH="$PATH" bash -c 'set -a; . /dev/stdin; exec "$2/bin/plugfleet-worker" "--print-$1" --settings "$3"' \
      - "$1" "$2" "$FLEET_DIR/plugfleet.conf" |
    sed "s|^  include \(.*\)\.conf;|  include $RUN/conf/nginx/\1.conf;|"
}

# configure [RELEASE]: fills in every template of conf/, whose names are those of fleet.conf and of the variables here, and
# asks the programs of a release, that in use where none is given, for their part.
# shellcheck disable=SC2034
configure() {
  local POSTGRES_CONNECTIONS=$((POOL_REQUESTS + POOL_JOBS + POOL_OPS)) WORKER_SLOTS=$((WORKERS_MAX + 2)) RUNNER_SLOTS=$((RUNNERS_MAX + 1)) FILES
  local LIMIT_GENERAL=${RATE_GENERAL%r/*} WAIT_GENERAL CLIENT_BYTES=$((CLIENT_PREFIX / 8)) CLIENT_REST=$((16 - CLIENT_PREFIX / 8))
  local NGINX_USER='' POSTGRES_USER='' SUPERVISORD_USER='' WORKER_SOCKET WORKER_SERVERS REAL_IP='' OPERATORS=''
  local LISTEN_HTTPS_TOO='' LISTEN_HTTP_TOO='' STAPLING=''
  local DATABASE=${DATABASE_HOST:-$RUN/postgresql} DATABASE_PORT=5432 REPLICA=''
  local address template text name hosts owner
  POSTGRES_PORT=5432
  if [[ $installed ]]; then POSTGRES_PORT=$(cluster_setting port 5432); fi
  if [[ ! $DATABASE_HOST ]]; then DATABASE_PORT=$POSTGRES_PORT; fi
  FILES=$(ulimit -Hn)
  if [[ $installed ]]; then FILES=$(awk '/^Max open files/ {print $5}' /proc/1/limits); fi # whoever calls
  if [[ $FILES == unlimited ]] || ((FILES > 65536)); then FILES=65536; fi
  WAIT_GENERAL=$(limit_wait "$RATE_GENERAL")
  owner=$(id -un):$(id -gn)
  if ((EUID == 0)); then
    NGINX_USER='user www-data;' POSTGRES_USER='user=postgres' SUPERVISORD_USER='user=root'
    owner=root:www-data
  fi
  if [[ $installed ]]; then SUPERVISORD_USER='' owner=plugfleet:www-data; fi
  if [[ $HOST_ADDRESS ]]; then
    read -ra hosts <<<"$HOST_ADDRESS $OTHER_HOSTS"
    WORKER_SOCKET=socket=tcp://$HOST_ADDRESS:9000
    WORKER_SERVERS='    zone workers 64k;'
    for address in "${hosts[@]}"; do WORKER_SERVERS+=$'\n'"    server $address:9000 max_fails=3 fail_timeout=10s;"; done
    WORKER_SERVERS+=$'\n'"    server $HOST_ADDRESS:9000 max_fails=0 backup;"
    POSTGRES_CONNECTIONS=$((POSTGRES_CONNECTIONS * ${#hosts[@]}))
  else
    WORKER_SOCKET="socket=unix://$RUN/worker.sock"$'\n'socket_mode=0660$'\n'"socket_owner=$owner"
    WORKER_SERVERS="    server unix:$RUN/worker.sock max_fails=0;"
    for address in ./ ././ ./././ ././././ ./././././; do
      WORKER_SERVERS+=$'\n'"    server unix:$RUN/${address}worker.sock max_fails=0 backup;"
    done
  fi
  POSTGRES_CONNECTIONS=$((POSTGRES_CONNECTIONS + 10))
  if [[ $REPLICA_HOST ]]; then REPLICA="plugfleet_replica = host=$REPLICA_HOST dbname=plugfleet user=plugfleet pool_size=$POOL_OPS"; fi
  # Where the kernel has IPv6; the size of a file there is 0, whatever it holds.
  if [[ $HTTPS_ADDRESS == 0.0.0.0 && -e /proc/net/if_inet6 ]]; then
    LISTEN_HTTPS_TOO="listen [::]:$HTTPS_PORT ssl http2 backlog=4096 reuseport deferred so_keepalive=30s:10s:3;"
    LISTEN_HTTP_TOO='listen [::]:80 default_server backlog=4096;'
  fi
  if [[ $(openssl x509 -in "$FLEET_DIR/tls/certificate.pem" -noout -ocsp_uri 2>/dev/null) ]]; then STAPLING='ssl_stapling on;'; fi
  for address in $TRUSTED_PROXIES; do REAL_IP+="  set_real_ip_from $address;"$'\n'; done
  for address in $OPERATOR_ADDRESSES; do OPERATORS+="  allow $address;"$'\n'; done

  for template in checkout/conf/{nginx,redis,supervisord,pgbouncer,postgresql}/*; do
    case ${installed:-no}:$template in # an installed fleet's servers are Debian's; the other one is for this machine
      yes:*/servers.conf | yes:*/postgresql.conf | no:*/public.conf) continue ;;
    esac
    text=$(fill "$template")
    keep "${template#checkout/}" "$text"
  done
  if ((EUID == 0)) && [[ ! $installed ]]; then chown postgres: conf/postgresql/* conf/pgbouncer/*; fi
  keep conf/fleet.env "HTTPS_PORT=$HTTPS_PORT"$'\n'"HTTP_PORT=$HTTP_PORT"$'\n'"PUBLIC_NAME=$PUBLIC_NAME"$'\n'"POSTGRES_PORT=$POSTGRES_PORT"
  text=$(environment_of worker plugfleet)
  keep conf/worker.env "$text"
  for name in openapi nginx-{maps,limits,locations}; do
    if text=$(of_routes "$name" "${1:-$RUN/build}" 2>&1); then
      template=conf/nginx/routes-${name#nginx-}.conf
      if [[ $name == openapi ]]; then template=conf/nginx/openapi.json; fi
      keep "$template" "$text"
    elif [[ ! ${draft:-} ]]; then # a draft's programs are asked what they refuse
      fail "$text"
    fi
  done
  if [[ -e conf/nginx/openapi.json ]]; then chmod a+r conf/nginx/openapi.json; fi # nginx's workers read it
  for name in runner keeper; do
    text=$(environment_of "$name" plugfleet_jobs)
    keep "conf/$name.env" "$text"
  done
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
