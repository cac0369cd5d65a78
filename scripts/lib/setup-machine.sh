# shellcheck shell=bash
# Sourced by scripts/operate/setup: is this machine fit, what did the operator say, which release runs.
set -euo pipefail
: "${root:?}"

cluster=/etc/postgresql/15/main

# Where Debian's servers have their files; tests look at a tree of their own.
: "${etc:=/etc}"
# How a server was as setup took it, a line each: UNIT ENABLED ACTIVE, or sysctl KEY VALUE. scripts/give-back restores it
# as the package is removed. The line "database" says that the role and the database plugfleet are ours.
taken=/var/lib/plugfleet/taken
# Each thing that is wrong, and, once PostgreSQL was asked, the databases of others in the cluster.
wrong=() others_databases=''

memory_mb() { awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo; }

end_if_wrong() {
  ((${#wrong[@]})) || return 0
  printf '%s\n' "${wrong[@]}" >&2
  exit 1
}

# ---- Is it somebody else's? ------------------------------------------------------------------------------------------

# is_edited PACKAGE FILE [PATH]: whether PATH, or FILE itself, is there and is not what the package brought as FILE.
is_edited() {
  local sum path=${3:-$etc${2#/etc}}
  sum=$(dpkg-query -W -f '${Conffiles}\n' "$1" 2>/dev/null | awk -v file="$2" '$1 == file {print $2}')
  [[ $sum && -e $path && $(md5sum <"$path") != "$sum "* ]]
}

# Why nginx is somebody's, a line each: other sites, or Debian's own with something to serve.
others_nginx() {
  local site=$etc/nginx/sites-enabled/default
  find -L "$etc/nginx/sites-enabled" -type f ! -name default 2>/dev/null || true
  find -L "$etc/nginx/conf.d" -type f -name '*.conf' 2>/dev/null || true
  if is_edited nginx-common /etc/nginx/sites-available/default "$site"; then
    echo "$site was edited"
  elif [[ -e $site ]]; then
    find "${www:-/var/www/html}" -mindepth 1 ! -name index.nginx-debian.html 2>/dev/null | head -n 1 || true
  fi
  if is_edited nginx-common /etc/nginx/nginx.conf; then echo "$etc/nginx/nginx.conf was edited"; fi
}

# Databases, or a file that may name some.
others_pgbouncer() {
  local file=$etc/pgbouncer/pgbouncer.ini
  [[ -e $file ]] || return 0
  awk -v file="$file" '/^[[:space:]]*%include/ {print file ": " $0; next}
    /^[[:space:]]*\[/ {here = tolower($0) ~ /\[databases\]/; next}
    here && !/^[[:space:]]*([;#]|$)/ {sub(/[[:space:]]*=.*/, ""); print file ": " $0}' "$file"
}

# A unit that does not start what Debian's does: who wrote that has something else there.
others_unit() {
  local file
  while read -r file; do
    case $file in
      '' | */plugfleet.conf) ;;
      /etc/*.service) echo "$file" ;;
      *) if grep -qs '^[[:space:]]*ExecStart=' "$file" && [[ $file == *.d/* ]]; then echo "$file"; fi ;;
    esac
  done < <(systemctl show -p FragmentPath -p DropInPaths --value "$1" | tr ' ' '\n')
}

# listeners PORT: "ADDRESS PID NAME" of everybody who listens there.
listeners() {
  ss -Hltnp "sport = :$1" |
    sed -nE 's/^[A-Z]+ +[0-9]+ +[0-9]+ +([^ ]+):[0-9]+ [^(]*(users:\(\("([^"]+)",pid=([0-9]+).*)?$/\1 \4 \3/p'
}
is_of_nginx_unit() { grep -qs 'nginx\.service' "/proc/$1/cgroup"; }

# judge_ports: those that nginx will listen on are free, or nginx.service's already.
judge_ports() {
  local port address holder pid choice='' ports=(80 "$HTTPS_PORT" "$HTTP_PORT")
  [[ $(printf '%s\n' "${ports[@]}" | sort -u | wc -l) == 3 ]] ||
    wrong+=("HTTPS_PORT ($HTTPS_PORT), HTTP_PORT ($HTTP_PORT) and 80, which leads to https, must be three ports.")
  for port in "${ports[@]}"; do
    if [[ $port != 80 ]]; then choice=', or choose another port in /etc/plugfleet/fleet.conf'; fi
    while read -r address pid holder; do
      # Plain http is for this machine only.
      if [[ $port == "$HTTP_PORT" && ! $address =~ ^(127\.0\.0\.1|0\.0\.0\.0|\*|\[::ffff:127\.0\.0\.1\])$ ]]; then continue; fi
      if [[ $pid ]] && is_of_nginx_unit "$pid"; then continue; fi
      wrong+=("Port $port is taken by ${holder:-another program} (pid ${pid:-unknown}) at $address: stop it${choice}.")
      break
    done < <(listeners "$port")
  done
}

databases_of_others="select string_agg(datname, ', ' order by datname) from pg_database
  where datname not in ('postgres', 'template0', 'template1')
    and not (datname ~ '^plugfleet(_|\$)' and pg_get_userbyid(datdba) = 'plugfleet')"
plugfleet_is_there="select 1 from pg_roles where rolname = 'plugfleet' union select 1 from pg_database where datname = 'plugfleet'"
ask_postgresql() { RUN=/var/run psql_as postgres "$1" postgresql -c "$2" 2>/dev/null; } # /run/plugfleet may not be there yet
# Made by an earlier setup, or, before there was `taken`, by one that left its filled-in configuration.
database_is_ours=''
if [[ -e $taken ]]; then
  if grep -qx database "$taken"; then database_is_ours=yes; fi
elif [[ -e /var/lib/plugfleet/conf/fleet.env ]]; then
  database_is_ours=yes
fi

# uses_cluster: whether this host's cluster is the fleet's database, or its replica.
uses_cluster() { [[ ! $DATABASE_HOST || $HOST_ADDRESS && $REPLICA_HOST == "$HOST_ADDRESS" ]]; }

# check_postgresql: what can be known of the cluster 15/main; where it runs, whose databases are in it too.
check_postgresql() {
  local sockets most needed
  if ! uses_cluster || [[ ! -e $cluster/postgresql.conf ]]; then return; fi
  POSTGRES_PORT=$(cluster_setting port 5432)
  sockets=$(cluster_setting unix_socket_directories /var/run/postgresql)
  if [[ ! ",${sockets// /}," =~ ,(/var)?/run/postgresql, ]]; then
    wrong+=("The PostgreSQL cluster 15/main has its socket in $sockets; Plugfleet looks for it in /var/run/postgresql.")
  fi
  if ! others_databases=$(ask_postgresql postgres "$databases_of_others"); then
    if systemctl -q is-active postgresql@15-main; then
      wrong+=('The PostgreSQL cluster 15/main runs, but does not answer the user postgres by its socket: see its pg_hba.conf.')
    fi
    return 0
  fi
  if [[ ! $database_is_ours && $(ask_postgresql postgres "$plugfleet_is_there") &&
    ! $(ask_postgresql plugfleet "select to_regclass('schema_migrations')") ]]; then
    wrong+=('The PostgreSQL cluster 15/main has a role or a database plugfleet that is not of Plugfleet: give it another name.')
  fi
  if [[ $others_databases ]]; then
    most=$(ask_postgresql postgres 'show max_connections') needed=$((POOL_REQUESTS * (1 + $(wc -w <<<"$MODULE_DATABASES")) + POOL_JOBS + POOL_OPS + 10))
    ((most >= needed)) || wrong+=("PostgreSQL has other databases ($others_databases), so setup leaves its settings alone; its max_connections is $most, and Plugfleet alone needs $needed: raise it.")
  fi
}

# check_machine: everything that is wrong is said at once, before anything is touched.
check_machine() {
  local memory line unit
  # shellcheck source=/dev/null
  source /etc/os-release
  [[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]] || wrong+=("This is ${PRETTY_NAME:-no Debian}; Plugfleet is built for Debian 12.")
  [[ -d /run/systemd/system ]] || wrong+=('systemd does not run here.')
  memory=$(memory_mb)
  ((memory >= 900)) || wrong+=("$memory MB of memory; Plugfleet needs 1 GB at the least (docs: Sizing).")
  for unit in nginx pgbouncer; do
    if is_ours "$unit"; then continue; fi
    while read -r line; do
      wrong+=("$unit.service, which Plugfleet would take for itself, is somebody's: $line")
    done < <("others_$unit" && others_unit "$unit.service")
  done
  judge_ports
  check_postgresql
  end_if_wrong
}

# ---- What it does ----------------------------------------------------------------------------------------------------

# list_plan: what setup is going to do here, said before it does any of it.
list_plan() {
  local unit
  say "plugfleet setup, for $(public_url):"
  if [[ ! -s /etc/plugfleet/fleet.conf ]]; then say '- makes /etc/plugfleet/fleet.conf and plugfleet.conf, sized for this machine'; fi
  say '- makes what is missing of its users, its folders (/usr/lib/tmpfiles.d/plugfleet.conf) and a certificate'
  say '- raises the kernel limits of /usr/lib/sysctl.d/60-plugfleet.conf where they are lower'
  for unit in nginx pgbouncer; do
    if ! is_ours "$unit"; then
      say "- takes $unit.service, now $(systemctl is-active "$unit" || true): it gets our configuration; apt remove gives it back"
    fi
  done
  if uses_cluster; then
    if [[ -e $cluster/postgresql.conf ]]; then
      say "- uses the PostgreSQL cluster 15/main, port $POSTGRES_PORT, and starts it where it does not run:"
    else
      say '- makes the PostgreSQL cluster 15/main:'
    fi
    say '  - makes what is missing of the role and the database plugfleet there, and migrates that database'
    say '  - puts a rule for the role plugfleet into pg_hba.conf and pg_ident.conf, between marks'
    if [[ $others_databases ]]; then
      say "  - leaves its settings as they are, for it has other databases: $others_databases"
    else
      say '  - raises the sizes that conf.d/plugfleet.conf asks for where they are lower, which takes a restart of it'
    fi
    say '  - has systemd start it again where it crashed'
  fi
  say '- starts, now and at each boot, redis-server@plugfleet-state, redis-server@plugfleet-payloads, pgbouncer, plugfleet,'
  say '  nginx, and the timers plugfleet-health and plugfleet-backup; what runs and has not changed runs on'
  if [[ ${CERTIFICATE:-} == certbot ]]; then
    say "- asks certbot for a certificate for $PUBLIC_NAME, and has it reload nginx after each renewal"
  fi
  say 'Nothing else is touched: no other unit (redis-server, supervisor), site, database or setting.'
}

# remember UNIT...: how it was before it became ours.
remember() {
  local unit
  for unit; do
    if is_ours "$unit" || grep -qs "^$unit " "$taken"; then continue; fi
    echo "$unit $(systemctl is-enabled "$unit" 2>/dev/null || true) $(systemctl is-active "$unit" || true)" >>"$taken"
  done
}

# What the kernel has lower than packaging/sysctl.conf asks is raised; where that may not be done here, it is said.
raise_kernel_limits() {
  local key value before
  while IFS=' =' read -r key value; do
    if [[ $key != *.* ]] || (($(sysctl -n "$key" 2>/dev/null || echo 0) >= value)); then continue; fi
    before=$(sysctl -n "$key" 2>/dev/null) || continue
    if sysctl -q -w "$key=$value" 2>/dev/null; then
      grep -qs "^sysctl $key " "$taken" || echo "sysctl $key $before" >>"$taken"
    else
      say "$key is $(sysctl -n "$key") and cannot be set from in here; set it on the machine that hosts this one: sysctl -w $key=$value"
    fi
  done </usr/lib/sysctl.d/60-plugfleet.conf
}

# check_sizes: says where PostgreSQL's buffers and both Redis leave our programs too little.
check_sizes() {
  local size total=0 memory
  memory=$(memory_mb)
  for size in "$POSTGRES_MEMORY" "$REDIS_STATE_MEMORY" "$REDIS_PAYLOADS_MEMORY"; do
    size=${size,,} size=${size/%b/}
    if [[ $size =~ ^[0-9]+[kmg]$ ]]; then total=$((total + $(numfmt --from=iec "${size^^}") / 1024 / 1024)); fi
  done
  if ((total > memory / 2)); then
    say "POSTGRES_MEMORY and the REDIS_* sizes are $total MB of this machine's $memory; half of it should be left for the programs. See Sizing."
  fi
}

# settings_text CERTIFICATE NAME EMAIL: what /etc/plugfleet/fleet.conf shall hold; arguments that are empty change nothing.
settings_text() {
  local file=/etc/plugfleet/fleet.conf key memory text='' made
  memory=$(memory_mb)
  if [[ -e $file ]]; then text=$(<"$file"); fi
  if [[ ! $text =~ (^|$'\n')CERTIFICATE= ]]; then # setup never was here
    [[ $1 ]] || fail 'Say how it is reached: plugfleet setup --domain example.org, or plugfleet setup --self-signed'
    made="# What is set otherwise here than by default. /usr/lib/plugfleet/conf/fleet.conf is the manual: WORKERS, RATE_GENERAL ...
# After a change: plugfleet reload. What the programs do is set in plugfleet.conf.
HTTPS_ADDRESS=0.0.0.0
HTTPS_PORT=443
# For the $memory MB of memory that this machine had at its first setup; see Sizing.
POSTGRES_MEMORY=$((memory / 8))MB
REDIS_STATE_MEMORY=$((memory / 16))mb
REDIS_PAYLOADS_MEMORY=$((memory / 8))mb"
    # What somebody put there before wins.
    for key in HTTPS_ADDRESS HTTPS_PORT POSTGRES_MEMORY REDIS_STATE_MEMORY REDIS_PAYLOADS_MEMORY; do
      if grep -q "^$key=" <<<"$text"; then made=$(grep -v "^$key=" <<<"$made"); fi
    done
    text=$made${text:+$'\n'$text}
  fi
  if [[ $1 == certbot && ! $2 =~ ^([a-z0-9-]+\.)+[a-z]{2,}$ ]]; then fail "'$2' is not a domain; for example: plugfleet setup --domain example.org"; fi
  [[ ! $2 || $2 =~ ^[A-Za-z0-9.:-]+$ ]] || fail "'$2' is neither a name nor an address."
  [[ ! $3 || $3 =~ ^[^[:space:]]+@[^[:space:]]+$ ]] || fail "'$3' is not an e-mail address."
  local -A values=([CERTIFICATE]=$1 [PUBLIC_NAME]=$2 [EMAIL]=$3)
  if [[ $1 == self-signed && ! $2 ]] && ! grep -q '^PUBLIC_NAME=' <<<"$text"; then values[PUBLIC_NAME]=$(hostname -f 2>/dev/null || hostname); fi
  for key in CERTIFICATE PUBLIC_NAME EMAIL; do
    if [[ ${values[$key]} ]]; then text=$(grep -v "^$key=" <<<"$text" || true)$'\n'$key=${values[$key]}; fi
  done
  printf '%s\n' "$text"
}

# make_settings TEXT: fleet.conf holds it, and plugfleet.conf is there.
make_settings() {
  local file=/etc/plugfleet/fleet.conf memory
  memory=$(memory_mb)
  mkdir -p /etc/plugfleet
  if [[ ! -e $file || $(<"$file") != "$1" ]]; then
    printf '%s\n' "$1" >"$file.new"
    if [[ -e $file ]]; then chown --reference="$file" "$file.new" && chmod --reference="$file" "$file.new"; fi
    mv -- "$file.new" "$file"
  fi
  if [[ ! -e /etc/plugfleet/plugfleet.conf ]]; then
    cat >/etc/plugfleet/plugfleet.conf <<END
# What our programs do, KEY=value. /usr/lib/plugfleet/conf/plugfleet.conf lists every setting with its default, those of
# a module are in /usr/lib/plugfleet/modules/NAME/NAME.conf. After a change: plugfleet reload. Secrets do not belong
# here but into /etc/plugfleet/secrets/NAME. For example:
# AI_PROVIDER=openrouter

# An eighth of this machine's memory, from 128 MiB to 1 GiB.
MEMORY_LIMIT=$((memory / 8 < 128 ? 128 : memory / 8 > 1024 ? 1024 : memory / 8))MiB
END
    chown root:plugfleet /etc/plugfleet/plugfleet.conf
    chmod 0640 /etc/plugfleet/plugfleet.conf
  fi
}

# The release in the package is the active one where there is none yet.
adopt_release() {
  [[ -x $BUILD/bin/plugfleet-worker ]] && return
  add_release
  activate_release "${release:?}"
}
