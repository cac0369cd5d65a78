#include "core/jwt_issuers.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <stdexcept>

#include "base/files.h"
#include "base/utf8.h"
#include "wire/fields.h"
#include "wire/url.h"

namespace plugfleet {
namespace {

using Algorithm = JwtRules::Algorithm;

[[noreturn]] void refuse(std::string_view setting, std::string_view why) {
  throw Failure(FailureKind::internal, fmt::format("{}: {}", setting, why));
}

// JWT_SECRET: the secret; a second line may hold the one before it, and until when that is taken:
// "until 2026-11-23T10:00:00Z SECRET".
void read_secrets(const std::string& text, JwtRules& rules) {
  const bool is_pem = text.starts_with("-----BEGIN");  // which the verifier refuses
  const std::size_t end = is_pem ? text.npos : text.find('\n');
  rules.secret = text.substr(0, end);
  if (end == text.npos) return;
  std::tm time{};
  const char* const second = text.c_str() + end + 1;
  const char* const rest = ::strptime(second, "until %Y-%m-%dT%H:%M:%SZ", &time);
  if (!rest || *rest != ' ' || !rest[1] || text.find('\n', end + 1) != text.npos)
    refuse("JWT_SECRET", "a second line must be like \"until 2026-11-23T10:00:00Z SECRET\", and there is no third");
  rules.previous = without_mark(rest + 1);
  rules.previous_until = std::chrono::sys_seconds(std::chrono::seconds(::timegm(&time)));
}

std::string read_jwks(std::string_view setting, const std::string& path) {
  auto jwks = read_file(path);
  if (!jwks) refuse(setting, fmt::format("cannot read \"{}\"", path));
  return *std::move(jwks);
}

// One of JWT_ISSUERS.
struct Entry {
  std::string issuer, audience, algorithm;
  std::optional<std::string> secret, jwks_file, jwks_url;
  void fields(auto& f) {
    f("issuer", issuer, length(1, 255));
    f("audience", audience, length(1, 255));
    f("algorithm", algorithm, one_of(kJwtAlgorithms.all()));
    f("secret", secret);
    f("jwksFile", jwks_file);
    f("jwksUrl", jwks_url);
  }
};

struct Entries {
  std::vector<Entry> issuers;
  void fields(auto& f) { f("issuers", issuers, items(0, 50)); }
};

std::vector<Entry> read_entries(std::string text) {
  if (text.empty()) return {};
  const std::size_t size = text.size();
  text.append(kJsonPadding, '\0');
  const auto view = parse_json_view(std::string_view(text).substr(0, size));
  if (!view) refuse("JWT_ISSUERS", view.error());
  try {
    return read_fields<Entries>(*view).issuers;
  } catch (const Failure& wrong) {
    if (wrong.details().empty()) refuse("JWT_ISSUERS", wrong.message());
    refuse("JWT_ISSUERS", fmt::format("{} {}", wrong.details()[0].field, wrong.details()[0].message));
  }
}

// With its keys, or where they are.
JwtIssuer complete(std::string_view setting, JwtRules rules, std::string jwks_url) {
  JwtIssuer issuer{.rules = std::move(rules), .jwks_url = std::move(jwks_url), .verifier = {}};
  const std::string& name = issuer.rules.issuer;
  if (name == kLocalIssuer) refuse(setting, "\"local\" is the issuer of this server's own users");
  if (name.contains('|')) refuse(setting, "an issuer's name holds no |, which stands behind it in users' ids");
  if (!issuer.jwks_url.empty()) {
    if (!is_private_url(issuer.jwks_url))
      refuse(setting, fmt::format("the address of {}'s keys must begin with https://, or be this machine's", name));
    return issuer;
  }
  try {
    issuer.verifier.emplace(issuer.rules);
  } catch (const std::invalid_argument& unsafe) {
    refuse(setting, unsafe.what());
  }
  return issuer;
}

JwtIssuer issuer_of(const Entry& entry, std::size_t index) {
  const std::string setting = fmt::format("JWT_ISSUERS: issuers[{}]", index);
  JwtRules rules{.algorithm = *kJwtAlgorithms.find(entry.algorithm),
                 .secret = entry.secret.value_or(""),
                 .issuer = entry.issuer,
                 .audience = entry.audience};
  const bool symmetric = rules.algorithm == Algorithm::HS256;
  const int asymmetric_keys = (entry.jwks_file ? 1 : 0) + (entry.jwks_url ? 1 : 0);
  if (symmetric ? !entry.secret || asymmetric_keys > 0 : entry.secret || asymmetric_keys != 1)
    refuse(setting, symmetric ? "HS256 takes a secret, and nothing else" : "it takes either jwksFile or jwksUrl");
  if (entry.jwks_file) rules.jwks = read_jwks(setting, *entry.jwks_file);
  return complete(setting, std::move(rules), entry.jwks_url.value_or(""));
}

JwtIssuer issuer_of(const Settings& settings) {
  JwtRules rules{.algorithm = *kJwtAlgorithms.find(settings.jwt_alg),
                 .issuer = settings.jwt_issuer,
                 .audience = settings.jwt_audience};
  std::string jwks_url;
  if (rules.algorithm == Algorithm::HS256) {
    read_secrets(settings.jwt_secret, rules);
  } else if (!settings.jwt_jwks_url.empty()) {
    if (!settings.jwt_jwks_file.empty()) refuse("JWT_JWKS_URL", "JWT_JWKS_FILE is set too, and one of them is enough");
    jwks_url = settings.jwt_jwks_url;
  } else {
    rules.jwks = read_jwks("JWT_JWKS_FILE", settings.jwt_jwks_file);
  }
  return complete(fmt::format("JWT_ALG={}", settings.jwt_alg), std::move(rules), std::move(jwks_url));
}

}  // namespace

std::vector<JwtIssuer> read_jwt_issuers(const Settings& settings) {
  std::vector<JwtIssuer> issuers;
  if (settings.jwt_alg != "none") issuers.push_back(issuer_of(settings));
  const auto entries = read_entries(settings.jwt_issuers);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    JwtIssuer issuer = issuer_of(entries[i], i);
    if (std::ranges::any_of(issuers, [&](const auto& other) { return other.rules.issuer == issuer.rules.issuer; }))
      refuse("JWT_ISSUERS", fmt::format("{} stands there twice, or is JWT_ISSUER too", issuer.rules.issuer));
    issuers.push_back(std::move(issuer));
  }
  return issuers;
}

JwtIssuers::JwtIssuers(std::vector<JwtIssuer> issuers, Reactor& reactor, HttpClient& http) {
  for (JwtIssuer& issuer : issuers) {
    Keys& keys = issuers_[issuer.rules.issuer];
    if (issuer.verifier) {
      keys.known = std::move(issuer.verifier);
    } else {
      keys.published = std::make_unique<Jwks>(reactor, http, std::move(issuer.rules), std::move(issuer.jwks_url));
    }
  }
}

std::vector<std::string> JwtIssuers::passed_over() const {
  std::vector<std::string> all;
  for (const auto& [issuer, keys] : issuers_) {
    if (keys.known) all.insert(all.end(), keys.known->passed_over().begin(), keys.known->passed_over().end());
  }
  return all;
}

Async<std::expected<JwtIssuers::Verified, std::string_view>> JwtIssuers::verify(std::string token) {
  // Where there is one, it says itself what is wrong with a token that can't be read.
  const auto found = issuers_.size() == 1 ? issuers_.begin() : issuers_.find(read_unverified(token).issuer);
  if (found == issuers_.end()) co_return std::unexpected("the token is from another issuer");
  const auto& [issuer, keys] = *found;
  std::expected<Claims, std::string_view> claims;
  if (keys.known) {
    claims = keys.known->verify(token, WallClock::now());
  } else {
    claims = co_await keys.published->verify(std::move(token));
  }
  if (!claims) co_return std::unexpected(claims.error());
  co_return Verified{issuer, *std::move(claims)};
}

}  // namespace plugfleet
