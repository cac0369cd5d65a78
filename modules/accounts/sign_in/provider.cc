#include "accounts/sign_in/provider.h"

#include <fmt/format.h>

#include <stdexcept>

#include "base/digest.h"
#include "wire/base64.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/url.h"

namespace accounts {

using namespace plugfleet;

namespace {

using Algorithm = JwtRules::Algorithm;

constexpr std::size_t kReplyMax = 64 * 1024;
constexpr auto kPatience = 10s;

std::string text_in(const Json& object, std::string_view name) {
  return std::string(object[name].string().value_or(""));
}

bool lists(const Json& list, std::string_view word) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list.at(i).string() == word) return true;
  }
  return false;
}

// "invalid_grant" (RFC 6749, section 5.2): for the log, where it is such a word.
std::string error_word(const std::string& body) {
  const auto reply = Json::parse(body);
  const std::string word = reply ? text_in(*reply, "error") : "";
  const bool plain =
      !word.empty() && word.size() <= 60 && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == word.npos;
  return plain ? word : "it does not say";
}

std::span<const std::uint8_t> bytes_of_text(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

[[noreturn]] void refuse(std::string_view why) {
  log(Severity::warning, "sign_in_refused", {{"why", why}});
  throw Failure(FailureKind::forbidden, "the identity provider's answer is not good for this sign-in: begin again");
}

}  // namespace

void ProviderSettings::rows(SettingReader& settings) {
  settings.text("OIDC_ISSUER", issuer, "");
  settings.text("OIDC_CLIENT_ID", client_id, "");
  settings.secret("OIDC_CLIENT_SECRET", client_secret);
  if (issuer.empty()) return;
  if (!is_private_url(issuer) || issuer.contains('|'))
    settings.complain("OIDC_ISSUER: must be an address that begins with https://, or be this machine's");
  if (client_id.empty()) settings.complain("OIDC_CLIENT_ID: must be set where OIDC_ISSUER is");
}

// ---- What goes out with a browser and must come back with it ------------------------------------------------------------

std::string Attempt::state() const { return sha256_hex("state " + secret); }
std::string Attempt::nonce() const { return sha256_hex("nonce " + secret); }
std::string Attempt::verifier() const { return sha256_hex("verifier " + secret); }
std::string Attempt::challenge() const {
  const std::string hex = sha256_hex(verifier());
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return encode_base64url(bytes);
}

// ---- The provider -------------------------------------------------------------------------------------------------------

Provider::Provider(ProviderSettings settings, Services& services)
    : settings_(std::move(settings)),
      services_(services),
      callback_(services.public_url + "/auth/callback"),
      description_(
          services.reactor, services.http,
          settings_.issuer + (settings_.issuer.ends_with('/') ? "" : "/") + ".well-known/openid-configuration",
          [issuer = settings_.issuer](std::string text) { return read_description(std::move(text), issuer); }) {}

Provider::Description Provider::read_description(std::string text, const std::string& issuer) {
  const auto json = Json::parse(text);
  if (!json || !json->is_object()) throw std::runtime_error("it is not a JSON object");
  if (text_in(*json, "issuer") != issuer) throw std::runtime_error("it is of another issuer than OIDC_ISSUER");
  Description description{.authorization_endpoint = text_in(*json, "authorization_endpoint"),
                          .token_endpoint = text_in(*json, "token_endpoint"),
                          .jwks_uri = text_in(*json, "jwks_uri")};
  const std::string& page = description.authorization_endpoint;
  for (const std::string& url : {page.substr(0, page.find('?')), description.token_endpoint, description.jwks_uri}) {
    if (!is_private_url(url)) throw std::runtime_error("one of its addresses is missing, or is not https://");
  }
  const Json algorithms = (*json)["id_token_signing_alg_values_supported"];
  if (lists(algorithms, "ES256") && !lists(algorithms, "RS256")) description.algorithm = Algorithm::ES256;
  const Json ways = (*json)["token_endpoint_auth_methods_supported"];
  description.secret_in_body = lists(ways, "client_secret_post") && !lists(ways, "client_secret_basic");
  return description;
}

Async<std::string> Provider::authorization_url(Attempt attempt) {
  const auto description = co_await description_.get();
  const std::string& page = description->authorization_endpoint;
  co_return page + (page.contains('?') ? "&" : "?") +
      query_of({{"response_type", "code"},
                {"client_id", settings_.client_id},
                {"redirect_uri", callback_},
                {"scope", "openid email profile"},
                {"state", attempt.state()},
                {"nonce", attempt.nonce()},
                {"code_challenge", attempt.challenge()},
                {"code_challenge_method", "S256"}});
}

Async<std::string> Provider::id_token_of(std::string code, Attempt attempt) {
  const auto description = co_await description_.get();
  const std::string verifier = attempt.verifier();
  std::vector<std::pair<std::string_view, std::string_view>> form{{"grant_type", "authorization_code"},
                                                                  {"code", code},
                                                                  {"redirect_uri", callback_},
                                                                  {"client_id", settings_.client_id},
                                                                  {"code_verifier", verifier}};
  HttpRequest request{.url = description->token_endpoint,
                      .headers = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json"},
                      .timeout = kPatience,
                      .reply_max = kReplyMax};
  if (!settings_.client_secret.empty() && description->secret_in_body) {
    form.emplace_back("client_secret", settings_.client_secret);
  } else if (!settings_.client_secret.empty()) {  // RFC 6749, section 2.3.1
    const std::string pair = percent_encode(settings_.client_id) + ":" + percent_encode(settings_.client_secret);
    request.headers.push_back("Authorization: Basic " + encode_base64(bytes_of_text(pair)));
  }
  const std::string body = query_of(form);
  request.body = {body};
  const HttpReply reply = co_await services_.http.send(std::move(request));
  if (reply.status >= 400 && reply.status < 500)
    refuse("the provider did not take the code: " + error_word(reply.body));
  const auto json = reply.status == 200 && reply.unread.empty() ? Json::parse(reply.body) : std::nullopt;
  std::string token = json ? text_in(*json, "id_token") : "";
  if (token.empty()) throw Failure(FailureKind::provider_error, "the identity provider's answer can't be read");
  co_return token;
}

// A provider that moves its keys has a new set of them.
std::shared_ptr<Jwks> Provider::keys_of(const Description& description) {
  if (!keys_ || jwks_uri_ != description.jwks_uri) {
    jwks_uri_ = description.jwks_uri;
    keys_ = std::make_shared<Jwks>(
        services_.reactor, services_.http,
        JwtRules{.algorithm = description.algorithm, .issuer = settings_.issuer, .audience = settings_.client_id},
        jwks_uri_);
  }
  return keys_;
}

Async<User> Provider::user_of(std::string code, Attempt attempt) {
  const std::string token = co_await id_token_of(std::move(code), attempt);
  const auto description = co_await description_.get();
  const auto keys = keys_of(*description);
  auto claims = co_await keys->verify(token);
  if (!claims) refuse(claims.error());
  if (claims->nonce != attempt.nonce()) refuse("the token is for another sign-in");
  if (claims->authorized_party && claims->authorized_party != settings_.client_id)
    refuse("the token was made for another client");
  co_return User{.id = {},
                 .issuer = settings_.issuer,
                 .subject = std::move(claims->subject),
                 .email = std::move(claims->email),
                 .name = std::move(claims->name)};
}

}  // namespace accounts
