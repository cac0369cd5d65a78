# shellcheck shell=bash
# Removal leaves data and gives back what was taken; purging asks, and leaves nothing.
comes_back() {
  there install_package
  inside plugfleet setup
  there renames
  there whole
}
guest note_processes >/dev/null 2>&1 || true
step 'removing the package ends the fleet, leaves its data, and gives nginx back as it was' guest is_given_back
step 'all that is theirs is as it was' guest others_are_untouched
step 'installed again, plugfleet setup brings all of it back' comes_back
step 'purging leaves the data where nobody can be asked' guest data_stay
step 'PLUGFLEET_PURGE=yes deletes them, and nothing is left' guest nothing_is_left
step 'all that is theirs is as it was' guest others_are_untouched
step 'where nobody else has a database, PostgreSQL is sized, and lowered in nothing' guest alone_it_is_sized
