// accounts: people and how they sign in, their teams, and who may join them (the contract's "Accounts"; the tables are the platform's,
// core/accounts.h).
#include "accounts/audit.h"
#include "accounts/invitations.h"
#include "accounts/members.h"
#include "accounts/profile.h"
#include "accounts/sign_in/sign_in.h"
#include "accounts/teams.h"
#include "accounts/tokens.h"

namespace accounts {

using namespace plugfleet;

namespace {

Module describe(SettingReader& settings) {
  Module module{.name = "accounts"};
  for (auto routes : {profile_routes(), token_routes(), team_routes(), member_routes(), invitation_routes(),
                      audit_routes(), sign_in_routes(settings)})
    std::ranges::move(routes, std::back_inserter(module.routes));
  return module;
}

}  // namespace
}  // namespace accounts

PLUGFLEET_MODULE(accounts::describe)
