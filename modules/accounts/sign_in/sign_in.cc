#include "accounts/sign_in/sign_in.h"

#include <fmt/format.h>

#include "accounts/sign_in/own_path.h"
#include "accounts/sign_in/provider.h"
#include "wire/base64.h"
#include "wire/http.h"

namespace accounts {

using namespace plugfleet;

namespace {

constexpr std::string_view kAttemptCookie = "__Host-sign-in";
constexpr int kAttemptSeconds = 600;
// The longest that browsers keep one (RFC 6265bis, section 4.1.2.2): when a session ends the database says.
constexpr int kSessionSeconds = 400 * 86'400;

constexpr std::string_view kElsewhere = "must be a path of this server's, such as /market";

struct SignInQuery {
  std::optional<std::string> next, token;
  void fields(auto& f) {
    f("next", next, length(1, 1000));
    f("token", token, length(1, 100));  // a link's
  }
};

struct CallbackQuery {
  std::optional<std::string> code, state, error, iss;
  void fields(auto& f) {
    f("code", code, length(1, 4000));
    f("state", state, length(1, 200));
    f("error", error, length(1, 200));
    f("iss", iss, length(1, 1000));  // RFC 9207
  }
};

struct SignedIn {
  std::string id;
  std::optional<std::string> email, name, avatar_url;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("email", email);
    f("name", name);
    f("avatarUrl", avatar_url);
  }
};

constexpr std::string_view kWaysIn[] = {"provider", "link"};

struct Session {
  std::optional<SignedIn> user;
  std::string sign_in;  // how one signs in here
  void fields(auto& f) {
    f("user", user);
    f("signIn", sign_in, one_of(kWaysIn));
  }
};

// Of the process; made when the first request has brought what it is made of.
struct SignIn {
  ProviderSettings settings;
  std::optional<Provider> provider;

  Provider* provider_for(Services& services) {
    if (!provider && !settings.issuer.empty()) provider.emplace(settings, services);
    return provider ? &*provider : nullptr;
  }
};
using SignInPtr = std::shared_ptr<SignIn>;

std::string cookie(std::string_view name, std::string_view value, int seconds) {
  return fmt::format("{}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax", name, value, seconds);
}

Reply go_to(std::string where) { return text(303, "").with("Location", std::move(where)); }

// What stays with the browser until the provider sends it back: the attempt's secret, and where it goes then.
std::string attempt_value(const Attempt& attempt, const std::string& next) {
  return attempt.secret + "." + encode_base64url({reinterpret_cast<const std::uint8_t*>(next.data()), next.size()});
}
std::optional<std::pair<Attempt, std::string>> read_attempt(std::string_view value) {
  const std::size_t dot = value.find('.');
  if (dot != kTokenRandomLength) return std::nullopt;
  auto next = decode_base64url(value.substr(dot + 1));
  if (!next || !is_own_path(*next)) return std::nullopt;
  return std::pair(Attempt{std::string(value.substr(0, dot))}, *std::move(next));
}

// S1 (core/sessions.h): whatever session the browser had ends, and its secret is good for nothing.
Async<Reply> enter(Call& call, User user, std::string next) {
  Database& database = call.services.database;
  Accounts accounts(database);
  const std::string account = co_await accounts.account_of(std::move(user));
  const std::string before(cookie_in(call.header("cookie"), kSessionCookie));
  if (!before.empty()) co_await end_session(database, before);
  const std::string secret = co_await begin_session(database, account);
  call.reply_header("Set-Cookie", cookie(kSessionCookie, secret, kSessionSeconds));
  co_return go_to(std::move(next));
}

// Whether somebody has opened the address, as browsers say (Fetch Metadata, Sec-Fetch-Dest; those before 2023 do not).
// Chats that preview a link and scanners of mail ask for it too.
bool is_opened(const Call& call) { return call.method() == Method::GET && call.header("sec-fetch-dest") == "document"; }

Async<Reply> sign_in(Call& call, SignInPtr self) {
  call.reply_header("Cache-Control", "no-store");
  const auto query = call.query<SignInQuery>();
  const std::string next = query.next.value_or("/");
  if (!is_own_path(next)) throw_wrong_query({{"next", std::string(kElsewhere)}});
  if (query.token) {
    if (!call.header("sec-purpose").empty()) co_return Reply{.status = 204};  // which browsers do not show later
    if (!is_opened(call)) co_return text(200, "Open this link in a browser to sign in: it is good once.\n");
    const auto email = co_await use_sign_in_link(call.services.database, *query.token);
    if (!email) throw Failure(FailureKind::forbidden, "this link is not good, or not any more: ask for a new one");
    Reply reply = co_await enter(call, local_user(*email), next);
    co_return reply;
  }
  Provider* const provider = self->provider_for(call.services);
  if (!provider)
    throw Failure(FailureKind::not_found,
                  "here one signs in by a link, which an operator has: scripts/token sign-in EMAIL");
  const Attempt attempt{new_token("")};
  std::string url = co_await provider->authorization_url(attempt);
  call.reply_header("Set-Cookie", cookie(kAttemptCookie, attempt_value(attempt, next), kAttemptSeconds));
  co_return go_to(std::move(url));
}

Async<Reply> callback(Call& call, SignInPtr self) {
  call.reply_header("Cache-Control", "no-store");
  const auto query = call.query<CallbackQuery>();
  Provider* const provider = self->provider_for(call.services);
  if (!provider) throw Failure(FailureKind::not_found, "there is no identity provider here");
  const auto attempt = read_attempt(cookie_in(call.header("cookie"), kAttemptCookie));
  if (!attempt || query.state != attempt->first.state())
    throw Failure(FailureKind::forbidden,
                  "this sign-in was not begun with this browser, or took too long: begin again");
  call.reply_header("Set-Cookie", cookie(kAttemptCookie, "", 0));
  if (query.iss.value_or(provider->issuer()) != provider->issuer())
    throw Failure(FailureKind::forbidden, "this answer is of another identity provider");
  if (query.error || !query.code) throw Failure(FailureKind::forbidden, "the identity provider did not let you in");
  User user = co_await provider->user_of(*query.code, attempt->first);
  Reply reply = co_await enter(call, std::move(user), attempt->second);
  co_return reply;
}

Async<Reply> sign_out(Call& call) {
  call.reply_header("Cache-Control", "no-store");
  const bool by_session = call.user() && call.user()->proof == User::Proof::session;
  if (by_session)
    co_await end_session(call.services.database, std::string(cookie_in(call.header("cookie"), kSessionCookie)));
  co_return Reply{.status = 204}.with("Set-Cookie", cookie(kSessionCookie, "", 0));
}

Async<Reply> session(Call& call, SignInPtr self) {
  call.reply_header("Cache-Control", "no-store");
  Session shown{.user = {}, .sign_in = std::string(kWaysIn[self->settings.issuer.empty() ? 1 : 0])};
  if (call.user()) {
    const std::string account = co_await call.account();
    shown.user = co_await call.services.database.one<SignedIn>(
        "select id, email, name, avatar_url from users where id = $1", account);
  }
  co_return json(200, shown);
}

}  // namespace

std::vector<Route> sign_in_routes(SettingReader& settings) {
  auto self = std::make_shared<SignIn>();
  self->settings.rows(settings);
  const RateLimit tries = per_client(60, 1min);
  return {{Method::GET,
           "/auth/sign-in",
           Handler([self](Call& call, const PathValues&) { return sign_in(call, self); }),
           {.summary = "Signs a browser in: it is sent to the identity provider or, with a link's token, to `next`",
            .query = type_of<SignInQuery>(),
            .answers = {{200, text_of()}, {204, nothing()}, {303, text_of()}},
            .fails = {FailureKind::forbidden, FailureKind::not_found},
            .limit = tries}},
          {Method::GET,
           "/auth/callback",
           Handler([self](Call& call, const PathValues&) { return callback(call, self); }),
           {.summary = "Where the identity provider sends a browser back to",
            .query = type_of<CallbackQuery>(),
            .answers = {{303, text_of()}},
            .fails = {FailureKind::forbidden, FailureKind::not_found},
            .limit = tries}},
          {Method::POST,
           "/auth/sign-out",
           sign_out,
           {.summary = "Ends the browser's session",
            .body = nothing(),
            .answers = {{204, nothing()}},
            .auth = Auth::optional}},
          {Method::GET,
           "/auth/session",
           Handler([self](Call& call, const PathValues&) { return session(call, self); }),
           {.summary = "Who is signed in, if anybody, and how one signs in",
            .answers = {{200, json_of<Session>()}},
            .auth = Auth::optional}}};
}

}  // namespace accounts
