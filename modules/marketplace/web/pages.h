// The paths at which nginx serves the web shell (web/main.tsx knows what to show at each), and its policy. It frames plugins'
// pages, which come from this server too; what may frame them, and what they may do, their own policy says.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

inline plugfleet::Pages shell_pages() {
  return {.index_at = {"/", "/invitations/{token}", "/marketplace", "/marketplace/{slug}", "/new-team", "/open/{slug}",
                       "/profile", "/publish", "/sign-in", "/team", "/tokens", "/usage", "/wallet"},
          .policy =
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
              "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"};
}

}  // namespace marketplace
