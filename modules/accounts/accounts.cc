// accounts: people, their teams, and who may join them (the contract's "Accounts"; the tables are the platform's,
// core/accounts.h).
#include "accounts/invitations.h"
#include "accounts/members.h"
#include "accounts/profile.h"
#include "accounts/teams.h"

namespace accounts {

using namespace plugfleet;

namespace {

Module describe(SettingReader&) {
  Module module{.name = "accounts"};
  for (auto routes : {profile_routes(), team_routes(), member_routes(), invitation_routes()})
    std::ranges::move(routes, std::back_inserter(module.routes));
  return module;
}

}  // namespace
}  // namespace accounts

PLUGFLEET_MODULE(accounts::describe)
