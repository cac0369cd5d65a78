#include "accounts/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace accounts {

using namespace plugfleet;

namespace {

constexpr std::int64_t kDay = 86'400, kLifetimeDefault = 90 * kDay, kLifetimeMost = 366 * kDay;

struct NewToken {
  std::string name;
  std::vector<std::string> scopes;
  std::optional<std::int64_t> expires_in;  // seconds
  void fields(auto& f) {
    f("name", name, words(1, 100));
    f("scopes", scopes, Rule{.items_min = 1, .items_max = std::size(kScopes), .one_of = kScopes});
    f("expiresIn", expires_in, range(60, kLifetimeMost));
  }
};

struct Token {
  std::string id, name;
  std::vector<std::string> scopes;
  std::string created_at;
  std::optional<std::string> expires_at, last_used_at;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("name", name);
    f("scopes", scopes, one_of(kScopes));
    f("createdAt", created_at, time_text());
    f("expiresAt", expires_at, time_text());
    f("lastUsedAt", last_used_at, time_text());
  }
};

struct MadeToken : Token {
  std::string token;  // here and never again
  void fields(auto& f) {
    Token::fields(f);
    f("token", token);
  }
};

struct Tokens {
  std::vector<Token> tokens;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("tokens", tokens);
    f("nextCursor", next_cursor);
  }
};

struct Row {
  std::string id, name, scopes, created_at;
  std::optional<std::string> expires_at, last_used_at;
  void fields(auto& f) {
    f("id", id);
    f("name", name);
    f("scopes", scopes);
    f("createdAt", created_at);
    f("expiresAt", expires_at);
    f("lastUsedAt", last_used_at);
  }
};

constexpr std::string_view kSelect = R"sql(
select id, name, array_to_string(scopes, ' ') as scopes, rfc3339(created_at) as created_at,
       rfc3339(expires_at) as expires_at, rfc3339(last_used_at) as last_used_at
  from access_tokens where user_id = $1)sql";

Token shown(const Row& row) {
  Token token{.id = row.id,
              .name = row.name,
              .scopes = {},
              .created_at = row.created_at,
              .expires_at = row.expires_at,
              .last_used_at = row.last_used_at};
  for (const auto scope : std::views::split(row.scopes, ' ')) token.scopes.emplace_back(scope.begin(), scope.end());
  return token;
}

// One that is stolen must not outlive its end, nor grow.
void refuse_access_token(const Call& call) {
  if (call.user()->proof == User::Proof::access_token)
    throw Failure(FailureKind::forbidden, "a personal access token makes no others: sign in to do this");
}

Async<Reply> make(Call& call) {
  refuse_access_token(call);
  auto wanted = co_await call.json<NewToken>();
  std::ranges::sort(wanted.scopes);
  const auto twice = std::ranges::unique(wanted.scopes);
  wanted.scopes.erase(twice.begin(), twice.end());
  const std::string account = co_await call.account();
  const MadeAccessToken made = co_await make_access_token(
      call.services.database, {.account = account,
                               .name = wanted.name,
                               .scopes = wanted.scopes,
                               .lifetime = std::chrono::seconds(wanted.expires_in.value_or(kLifetimeDefault))});
  const std::string statement = fmt::format("{} and id = $2", kSelect);
  const Row row = co_await call.services.database.one<Row>(statement, account, made.id);
  co_return json(201, MadeToken{shown(row), made.token}).with("Cache-Control", "no-store");
}

Async<Reply> list(Call& call) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  const std::string account = co_await call.account();
  const std::string statement = fmt::format("{} and ($2::uuid is null or id > $2) order by id limit $3", kSelect);
  auto rows = co_await call.services.database.all<Row>(statement, account, after.uuid(0), page.rows());
  Tokens all;
  all.next_cursor = page.next(rows, [](const Row& last) { return page_cursor({last.id}); });
  for (const Row& row : rows) all.tokens.push_back(shown(row));
  co_return json(200, all);
}

Async<Reply> revoke(Call& call, std::string token) {
  const auto id = canonical_uuid(token);
  const std::string account = co_await call.account();
  if (!id) throw Failure(FailureKind::not_found, "there is no such token of yours");
  const Rows gone =
      co_await call.services.database.query("delete from access_tokens where user_id = $1 and id = $2", {account, *id});
  if (gone.affected() == 0) throw Failure(FailureKind::not_found, "there is no such token of yours");
  co_return Reply{.status = 204};
}

}  // namespace

std::vector<Route> token_routes() {
  constexpr const char *kAll = "/api/v1/user/tokens", *kOne = "/api/v1/user/tokens/{id}";
  return {{Method::POST,
           kAll,
           make,
           {.summary = "Makes a personal access token, which is shown once",
            .body = json_of<NewToken>(R"({"name": "My script", "scopes": ["read"], "expiresIn": 2592000})"),
            .answers = {{201, json_of<MadeToken>()}},
            .fails = {FailureKind::conflict},
            .auth = Auth::required,
            .limit = per_client(20, 1min)}},
          {Method::GET,
           kAll,
           list,
           {.summary = "Your personal access tokens",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Tokens>()}},
            .auth = Auth::required}},
          {Method::DELETE,
           kOne,
           revoke,
           {.summary = "Revokes one of them: within ten seconds it is refused everywhere",
            .answers = {{204, nothing()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required}}};
}

}  // namespace accounts
