// plugfleet-token: makes, lists and revokes operators' tokens (core/operator_tokens.h); lets somebody sign in by a link, or
// have a personal access token, where no identity provider vouches for them. Reads and writes the database. scripts/token
// runs it for a fleet. A new token is printed on standard output, once, and is nowhere else: not in the database, a log, or
// an argument.
//
//   plugfleet-token [--settings FILE] [VERB] [--json]     without a verb: list; --help prints them all
//
// Exit status: main/verbs.h.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ranges>

#include "base/log.h"
#include "base/text.h"
#include "core/access_tokens.h"
#include "core/accounts.h"
#include "core/operator_tokens.h"
#include "core/sessions.h"
#include "core/settings.h"
#include "main/table.h"
#include "main/verbs.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

constexpr const char* kProgram = "plugfleet-token";
constexpr std::size_t kNameMax = 100;
constexpr int kYearsMax = 10;

struct Desk {
  OperatorTokens& tokens;
  Database& database;
  std::string public_url;
  std::string name;
  std::optional<std::chrono::seconds> lifetime, overlap;
  std::vector<std::string> scopes;
  bool json = false;
};

constexpr std::chrono::seconds kOverlapDefault{86'400};
constexpr std::chrono::seconds kUserTokenDefault{90 * 86'400};
constexpr std::size_t kAddressMax = 254;  // RFC 5321, section 4.5.3.1.3

void print_json(const Json& json) { fmt::print("{}\n", json.dump()); }

Async<void> list(Desk& desk) {
  const auto tokens = co_await desk.tokens.list();
  Json all = Json::array();
  Table table({"NAME", "STATE", "AGE", "LAST USED", "EXPIRES"});
  for (const OperatorToken& token : tokens) {
    all.push(write_fields(token));
    table.add({printable(token.name, 60), token.state, shown_age(token.created_at),
               token.last_used_at ? shown_age(*token.last_used_at) + " ago" : "never",
               token.expires_at.value_or("never")});
  }
  if (desk.json) {
    print_json(all);
  } else {
    fmt::print("{}", table.text());
  }
}

void show_new(const Desk& desk, const std::string& token) {
  if (desk.json) {
    print_json(Json::object({{"name", desk.name}, {"token", token}}));
  } else {
    fmt::print("{}\n", token);
    fmt::print(stderr, "Keep it: it is not shown again.\n");
  }
}

Async<void> create(Desk& desk) {
  const auto token = co_await desk.tokens.create(desk.name, desk.lifetime);
  if (!token) throw Refused(fmt::format("There is a token {} already; a name is used once.", desk.name));
  show_new(desk, *token);
}

Async<void> replace(Desk& desk) {
  const auto token = co_await desk.tokens.replace(desk.name, desk.overlap.value_or(kOverlapDefault));
  if (!token) throw Refused(fmt::format("There is no token {} that could be replaced.", desk.name));
  show_new(desk, *token);
}

Async<void> revoke_replaced(Desk& desk) {
  const std::size_t count = co_await desk.tokens.revoke_replaced(desk.name);
  if (desk.json) {
    print_json(Json::object({{"name", desk.name}, {"revoked", static_cast<std::int64_t>(count)}}));
  } else {
    fmt::print("{} that {} replaced: revoked; within ten seconds every process refuses them.\n", count, desk.name);
  }
}

Async<void> revoke(Desk& desk) {
  const bool revoked = co_await desk.tokens.revoke(desk.name);
  if (!revoked) throw Refused(fmt::format("There is no token {} that could be revoked.", desk.name));
  if (desk.json) {
    print_json(Json::object({{"name", desk.name}, {"revoked", true}}));
  } else {
    fmt::print("{} is revoked; within ten seconds every process refuses it.\n", desk.name);
  }
}

// In small letters, as a local user's subject is.
std::string checked_address(const std::string& text) {
  const std::size_t at = text.find('@');
  if (at == 0 || at == text.npos || at + 1 == text.size() || text.size() > kAddressMax ||
      text.find_first_of(" |\t") != text.npos)
    throw UsageError(fmt::format("{} is not an email address", printable(text, 60)));
  return lower(text);
}

Async<void> sign_in(Desk& desk) {
  const std::string address = checked_address(desk.name);
  const std::string token = co_await make_sign_in_link(desk.database, address);
  const std::string url = fmt::format("{}/auth/sign-in?token={}", desk.public_url, token);
  if (desk.json) {
    print_json(Json::object({{"email", address}, {"url", url}}));
  } else {
    fmt::print("{}\n", url);
    fmt::print(stderr, "Good once, within 15 minutes.\n");
  }
}

Async<void> user(Desk& desk) {
  const std::string address = checked_address(desk.name);
  Accounts accounts(desk.database);
  const std::string account = co_await accounts.account_of(local_user(address));
  const MadeAccessToken made =
      co_await make_access_token(desk.database, {.account = account,
                                                 .name = "scripts/token",
                                                 .scopes = desk.scopes,
                                                 .lifetime = desk.lifetime.value_or(kUserTokenDefault)});
  desk.name = address;
  show_new(desk, made.token);
}

constexpr Verb<Desk> kVerbs[]{
    {"list", "", "", "every token's name, state and last use", 0, 0, list},
    {"create", "NAME", "[--expires 90d]", "prints a new token, once; it expires as told, or never", 1, 1, create},
    {"replace", "NAME", "[--overlap 24h]", "prints a new token of that name; the old one is good so long yet", 1, 1,
     replace},
    {"revoke-replaced", "NAME", "", "those that it replaced are refused from now on", 1, 1, revoke_replaced},
    {"revoke", "NAME", "", "it is refused from now on", 1, 1, revoke},
    {"sign-in", "EMAIL", "", "prints a link by which whoever has that address signs in, once", 1, 1, sign_in},
    {"user", "EMAIL", "[--expires 90d] [--scopes read,write]", "prints a personal access token of theirs, once", 1, 1,
     user},
};

std::string checked_name(const std::string& name) {
  if (name.empty() || name.size() > kNameMax || printable(name, kNameMax) != name)
    throw UsageError(fmt::format("a name has 1 to {} printable characters", kNameMax));
  return name;
}

// "90d", "12h", "30m"; none where it is not given.
std::optional<std::chrono::seconds> read_time(const Asked<Desk>& asked, const std::string& option) {
  const auto given = asked.options.find(option);
  if (given == asked.options.end()) return std::nullopt;
  const std::string& text = given->second;
  const auto [number, unit] = number_before<std::int64_t>(text).value_or(std::pair(0, ""));
  const int seconds = unit == "d" ? 86'400 : unit == "h" ? 3600 : unit == "m" ? 60 : 0;
  if (seconds == 0 || number < 1 || number > kYearsMax * std::int64_t{366 * 86'400} / seconds)
    throw UsageError(fmt::format("{} is a time such as 90d, 12h or 30m, of {} years at most", option, kYearsMax));
  return std::chrono::seconds(number * seconds);
}

// Both, where it is not given.
std::vector<std::string> read_scopes(const Asked<Desk>& asked) {
  const auto given = asked.options.find("--scopes");
  if (given == asked.options.end()) return {std::begin(kScopes), std::end(kScopes)};
  std::vector<std::string> scopes;
  for (const auto part : std::views::split(given->second, ',')) {
    const std::string scope(part.begin(), part.end());
    if (std::ranges::find(kScopes, scope) == std::end(kScopes))
      throw UsageError(fmt::format("--scopes are {}, with commas between them", fmt::join(kScopes, " and ")));
    if (std::ranges::find(scopes, scope) == scopes.end()) scopes.push_back(scope);
  }
  return scopes;
}

int run(const Asked<Desk>& asked) {
  SettingReader reader(asked.settings_file);
  Settings settings;
  settings.rows(reader);
  log_open("/dev/null", Severity::error);  // what goes wrong is told in one sentence, by main
  Reactor reactor;
  Database database(reactor, {.conninfo = settings.reports_database_url, .pool_max = 1});
  OperatorTokens tokens(database);
  Desk desk{.tokens = tokens,
            .database = database,
            .public_url = settings.public_url,
            .json = asked.options.contains("--json")};
  if (!asked.words.empty()) desk.name = checked_name(asked.words[0]);
  desk.lifetime = read_time(asked, "--expires");
  desk.overlap = read_time(asked, "--overlap");
  desk.scopes = read_scopes(asked);
  run_to_end(reactor, database, asked.verb->run(desk));
  return 0;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  using namespace plugfleet;
  return run_told(kProgram, [&] {
    const auto asked = read_arguments<Desk>("token", kVerbs, "", {argv + 1, argv + argc});
    return asked.options.contains("--help") ? print_usage<Desk>("token", kVerbs) : run(asked);
  });
}
