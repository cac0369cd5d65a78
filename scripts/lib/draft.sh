# shellcheck shell=bash
# Sourced after find_fleet and fleet-prepare.sh, by whatever checks settings: the configuration as the settings of now
# would have it, filled in beside the one in use, which stays as it is. On an installed fleet only root may.
set -euo pipefail
: "${root:?}"

# read_settings_anew: fleet.conf's of now. A development fleet keeps the ports it runs with.
read_settings_anew() {
  if [[ $installed ]]; then unset HTTPS_PORT HTTP_PORT PUBLIC_NAME; fi
  read_fleet_settings
}

# make_draft [RELEASE]: $draft/conf is what RUN/conf would be or, with --in-use for the release, what it is; it goes when the
# script ends. It is on RUN's tmpfs and open to our user alone, for secrets are copied there.
make_draft() {
  find "$RUN" -maxdepth 1 -name 'draft-*' -mmin +60 -exec rm -rf -- {} + # of one that was killed
  draft=$(mktemp -d "$RUN/draft-XXXXXX")
  at_exit drop_draft
  (
    cd "$draft"
    umask 077
    mkdir secrets
    if [[ $installed ]]; then
      for file in /etc/plugfleet/secrets/*; do
        if [[ -f $file ]]; then install -m 0400 -o plugfleet -- "$file" secrets/; fi
      done
      chown plugfleet: secrets
      chgrp plugfleet .
      chmod 0750 .
      umask 022
    fi
    ln -s -- "$root" checkout
    if [[ ${1:-} == --in-use ]]; then
      cp -r -- "$RUN/conf" conf
    else
      mkdir -p conf/{nginx,redis,supervisord,pgbouncer,postgresql}
      configure "$@"
    fi
  )
}

drop_draft() { rm -rf -- "$draft"; }

# files_of NAME...: the draft's files that are NAME, or in the folder NAME, below conf/.
files_of() { (cd "$draft/conf" && find "$@" -type f); }

# differs NAME...: whether one of them is not as in use.
differs() {
  local file
  while read -r file; do
    if ! cmp -s -- "$draft/conf/$file" "$RUN/conf/$file"; then return; fi
  done < <(files_of "$@")
  return 1
}

# environments: the names of the draft's files that say what our processes are started with.
environments() { (cd "$draft/conf" && find . -maxdepth 1 -name '*.env' ! -name fleet.env -printf '%P\n' && echo pools); }

# take NAME...: the draft's take the place of those in use.
take() {
  local file
  while read -r file; do
    cp -- "$draft/conf/$file" "$RUN/conf/$file.new"
    mv -- "$RUN/conf/$file.new" "$RUN/conf/$file"
  done < <(files_of "$@")
}

# as_program POOL RELEASE COMMAND...: the command as that pool's user, in the environment its programs would have, with
# the modules of the release in that folder. The schema's files stay those of the release in use.
as_program() {
  local environment=$draft/$1.env run=()
  if [[ $installed ]]; then run=(runuser -u plugfleet --); fi
  sed "s|$RUN/build/modules|$2/modules|; s|/run/credentials/plugfleet.service/secrets_|$draft/secrets/|" \
    "$draft/conf/$1.env" >"$environment"
  if [[ $installed ]]; then chown plugfleet: -- "$environment"; fi # readable there whatever the caller's umask is
  # shellcheck disable=SC2016
  env -i PATH="$PATH" "${run[@]}" bash -c 'set -a; . "$0"; exec "$@"' "$environment" "${@:3}"
}
