# shellcheck shell=bash
# Removal leaves data; purging asks.
comes_back() {
  there install_package
  inside plugfleet setup
  there renames
  there whole
}
step 'removing the package ends the fleet and leaves its data' there is_removed
step 'installed again, plugfleet setup brings all of it back' comes_back
step 'purging leaves the data, and deletes them where PLUGFLEET_PURGE=yes says so' there is_purged
