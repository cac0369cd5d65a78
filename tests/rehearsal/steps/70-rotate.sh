# shellcheck shell=bash
: "${machine:?}"
# A new secret beside the old one, then without it, under load.
cp tests/rehearsal/{rotate.sh,load.py} "$machine/opt/"
rotates() { inside bash -c '. /opt/inside.sh; . /opt/rotate.sh; "$@"' - "$@"; }

step 'bearer tokens are taken after a reload' rotates knows_users
step 'plugfleet rotate jwt-secret under load, and no log or process shows one' rotates rotates_jwt_secret
step 'plugfleet rotate operator-token' rotates rotates_operator_token
