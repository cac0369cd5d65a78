// Signing in and out with a browser: GET /auth/sign-in, GET /auth/callback, POST /auth/sign-out, GET /auth/session. An
// identity provider vouches for users (OIDC_ISSUER, accounts.conf), or a link that an operator's scripts/token printed.
//
//   G1  A session is begun for the browser alone that asked to sign in: what the provider sends back is good with the cookie
//       only that this browser was given, once, within ten minutes.
//   G2  A browser that has signed in goes to a path of ours (own_path.h).
//   G3  No reply is kept by anybody, and no token, code, state or cookie is logged.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> sign_in_routes(plugfleet::SettingReader& settings);

}  // namespace accounts
