# shellcheck shell=bash
: "${machine:?}"
# The machine has other inhabitants. What setup would have to take from them it refuses to, by name; it lists what it does.
printf '127.0.0.1 localhost\n127.0.1.1 plugfleet-test\n' >"$machine/etc/hosts"
cp tests/rehearsal/guest.sh "$machine/opt/"
guest() { inside bash -c '. /opt/inside.sh; . /opt/guest.sh; "$@"' - "$@"; }

step 'others move in: supervisor, Redis, nginx, two PostgreSQL clusters' guest others_move_in
step 'the package is installed' there install_package
step 'removed before it was set up, it stops nothing' guest removal_before_setup_stops_nothing
# shellcheck disable=SC2016
{
  step 'setup refuses where the default site was edited' guest refuses /etc/nginx/sites-enabled/default \
    'cp /etc/nginx/sites-available/default /tmp/site; sed -i "s/index.html/shop.html/" /etc/nginx/sites-available/default' \
    'cp /tmp/site /etc/nginx/sites-available/default'
  step 'where it serves a page of somebody'\''s' guest refuses /var/www/html/index.html \
    'echo hello >/var/www/html/index.html' 'rm /var/www/html/index.html'
  step 'where nginx has a site in conf.d' guest refuses /etc/nginx/conf.d/shop.conf \
    'echo "server { listen 81; }" >/etc/nginx/conf.d/shop.conf' 'rm /etc/nginx/conf.d/shop.conf'
  step 'where PgBouncer serves a database' guest refuses shop \
    'cp /etc/pgbouncer/pgbouncer.ini /tmp/ini; sed -i "s/^\[databases\]/&\nshop = host=127.0.0.1/" /etc/pgbouncer/pgbouncer.ini' \
    'cat /tmp/ini >/etc/pgbouncer/pgbouncer.ini'
  step 'where port 8080 is taken' guest refuses 'Port 8080 is taken by python3' \
    'python3 -m http.server --bind 127.0.0.1 8080 >/dev/null 2>&1 & until_true 10 curl -s http://127.0.0.1:8080/' 'kill %1'
  step 'where 15/main has a role plugfleet of somebody'\''s' guest refuses 'a role or a database plugfleet' \
    'theirs main -c "create role plugfleet"' 'theirs main -c "drop role plugfleet"'
}
step 'setup --dry-run lists what it would do, and does nothing' guest lists_and_does_nothing
step 'all that is theirs is as it was' guest others_are_untouched
