#include "wire/jwt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "wire/base64.h"
#include "wire/json_view.h"
#include "wire/jwt_signature.h"

namespace plugfleet {
namespace {

using Refusal = std::unexpected<std::string_view>;

constexpr std::size_t kTokenMax = 8192;
constexpr std::size_t kTextMax = 255;         // OpenID Connect Core, section 2, for `sub`
constexpr double kLastSecond = 253402300799;  // the end of year 9999: a later date is milliseconds by mistake

// Header members that bring a key along or change what is signed. `crit` names extensions, and we know none.
constexpr std::array kRefusedHeaders = {"crit", "b64", "jwk", "jku", "x5c", "x5u"};

// An object over `text`, which must outlive it and gets the padding the parser asks for. No member stands twice in it.
std::optional<JsonView> parse_object(std::string& text) {
  const auto size = text.size();
  text.append(kJsonPadding, '\0');
  auto value = parse_json_view(std::string_view(text).substr(0, size));
  if (!value || value->type() != JsonView::Type::object) return std::nullopt;
  return *std::move(value);
}

// In what follows a null pointer is a member that is not there.
bool is_string(const JsonView* value) { return value && value->type() == JsonView::Type::string; }
bool is_text(const JsonView* value, std::string_view expected) {
  return is_string(value) && value->exact() && value->text() == expected;
}

// A text that may go into a log line, a row and a key: see Claims. C1 controls are C2 80 to C2 9F in UTF-8.
std::optional<std::string> clean_text_of(const JsonView* value) {
  if (!is_string(value) || !value->exact()) return std::nullopt;
  std::string text = value->text();
  if (text.empty() || text.size() > kTextMax) return std::nullopt;
  unsigned char before = 0;
  for (const unsigned char byte : text) {
    if (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) return std::nullopt;
    before = byte;
  }
  return text;
}

// A NumericDate (RFC 7519, section 2): seconds since 1970, perhaps with a fraction.
std::optional<double> date_of(const JsonView* value) {
  if (!value || value->type() != JsonView::Type::number) return std::nullopt;
  const double seconds = value->number();
  return seconds >= 0 && seconds <= kLastSecond ? std::optional(seconds) : std::nullopt;
}

bool holds(const JsonView* list, std::string_view expected) {
  if (!list || list->type() != JsonView::Type::array) return false;
  bool found = false;
  for (const auto& item : list->items()) {
    if (!is_string(&item)) return false;
    found |= is_text(&item, expected);
  }
  return found;
}

bool is_jwt_type(const JsonView& type) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; };
  return is_string(&type) && std::ranges::equal(type.text(), std::string_view("jwt"), {}, lower);
}

struct Segments {
  std::string header, payload, signature;  // decoded
};

std::optional<Segments> split(std::string_view token) {
  const auto first = token.find('.');
  const auto last = token.rfind('.');
  if (first == last) return std::nullopt;  // none or one; a dot in between is foreign to the payload's alphabet
  auto header = decode_base64url(token.substr(0, first), kJsonPadding);
  auto payload = decode_base64url(token.substr(first + 1, last - first - 1), kJsonPadding);
  auto signature = decode_base64url(token.substr(last + 1));
  if (!header || !payload || !signature) return std::nullopt;
  if (header->empty() || payload->empty() || signature->empty()) return std::nullopt;
  return Segments{*std::move(header), *std::move(payload), *std::move(signature)};
}

// The length, in bits, of an unsigned big-endian number.
std::size_t bit_length(std::string_view number) {
  number.remove_prefix(std::min(number.find_first_not_of('\0'), number.size()));
  return number.empty() ? 0 : number.size() * 8 - std::countl_zero(static_cast<unsigned char>(number.front()));
}

// What stops the start: a set that holds such a key is not what the operator believes it is.
[[noreturn]] void refuse_key(std::size_t index, std::string_view why) {
  throw std::invalid_argument(fmt::format("JWT: key {} of the JWKS {}", index + 1, why));
}

// Why a key is passed over (RFC 7517, section 5): it is for another use, or cannot be used.
struct PassedOver {
  std::string why;
};

void pass_over_other_uses(const JsonView& key, std::string_view algorithm) {
  const JsonView* use = key.find("use");
  const JsonView* alg = key.find("alg");
  const JsonView* operations = key.find("key_ops");
  const std::string_view type = algorithm == "RS256" ? "RSA" : "EC";
  if (!is_text(key.find("kty"), type)) throw PassedOver{fmt::format("is of another type than {}", type)};
  if (use && !is_text(use, "sig")) throw PassedOver{"is not for signatures"};
  if (alg && !is_text(alg, algorithm)) throw PassedOver{fmt::format("is for another algorithm than {}", algorithm)};
  if (operations && !holds(operations, "verify")) throw PassedOver{"is not for verifying"};
}

std::string number_of(const JsonView& key, const char* name) {
  const JsonView* value = key.find(name);
  auto bytes = is_string(value) ? decode_base64url(value->text()) : std::nullopt;
  if (!bytes || bytes->empty()) throw PassedOver{fmt::format("has no readable \"{}\"", name)};
  return *std::move(bytes);
}

SignatureVerifier rsa_key(const JsonView& key) {
  const std::string modulus = number_of(key, "n");
  const std::string exponent = number_of(key, "e");
  if (bit_length(modulus) < 2048) throw PassedOver{"is an RSA key under 2048 bits (RFC 7518, section 3.3)"};
  // With an exponent of 1 a signature is its own message; OpenSSL takes at most 64 bits.
  if (bit_length(exponent) < 2 || bit_length(exponent) > 64 || exponent.back() % 2 == 0)
    throw PassedOver{"has an unsafe exponent \"e\""};
  return rs256_verifier(modulus, exponent);
}

SignatureVerifier ec_key(const JsonView& key) {
  if (!is_text(key.find("crv"), "P-256")) throw PassedOver{"is not on the curve P-256"};
  const std::string x = number_of(key, "x");
  const std::string y = number_of(key, "y");
  return es256_verifier(x, y);
}

}  // namespace

UnverifiedJwt read_unverified(std::string_view token) {
  if (token.size() > kTokenMax) return {};
  auto segments = split(token);
  if (!segments) return {};
  const auto header = parse_object(segments->header), claims = parse_object(segments->payload);
  if (!header || !claims) return {};
  const auto text = [](const JsonView* value) { return is_string(value) && value->exact() ? value->text() : ""; };
  return {text(header->find("alg")), text(claims->find("iss"))};
}

struct JwtVerifier::Key {
  std::string id;  // empty: it has none
  SignatureVerifier signed_this;
  std::chrono::sys_seconds until = std::chrono::sys_seconds::max();

  static Key from_secret(const std::string& secret, std::string_view which);
  static std::vector<Key> from_secrets(const JwtRules& rules);
  static Key from_jwk(const JsonView& entry, std::size_t index, std::string_view algorithm);
  static std::vector<Key> from_jwks(std::string text, std::string_view algorithm,
                                    std::vector<std::string>& passed_over);
  static std::expected<std::span<const Key>, std::string_view> chosen_by(const JsonView* id, std::span<const Key> keys);
};

JwtVerifier::Key JwtVerifier::Key::from_secret(const std::string& secret, std::string_view which) {
  if (secret.size() < 32)
    throw std::invalid_argument(
        fmt::format("JWT: the {} is under 32 bytes, so it could be guessed (RFC 7518, 3.2)", which));
  if (secret.starts_with("-----BEGIN"))
    throw std::invalid_argument(
        fmt::format("JWT: the {} is a PEM file; a public key is not a secret, use RS256 or ES256", which));
  return {"", hs256_verifier(secret)};
}

std::vector<JwtVerifier::Key> JwtVerifier::Key::from_secrets(const JwtRules& rules) {
  std::vector<Key> keys;
  keys.push_back(from_secret(rules.secret, "HS256 secret"));
  if (rules.previous.empty()) return keys;
  keys.push_back(from_secret(rules.previous, "HS256 secret before it"));
  keys.back().until = rules.previous_until;
  return keys;
}

JwtVerifier::Key JwtVerifier::Key::from_jwk(const JsonView& entry, std::size_t index, std::string_view algorithm) {
  pass_over_other_uses(entry, algorithm);
  if (entry.find("d")) refuse_key(index, "is a private key; only its public half belongs here");
  const auto id = clean_text_of(entry.find("kid"));
  if (entry.find("kid") && !id) throw PassedOver{"has a \"kid\" that is not plain text"};
  auto key = algorithm == "RS256" ? rsa_key(entry) : ec_key(entry);
  if (!key) throw PassedOver{"is not a valid public key"};
  return {id.value_or(""), std::move(key)};
}

std::vector<JwtVerifier::Key> JwtVerifier::Key::from_jwks(std::string text, std::string_view algorithm,
                                                          std::vector<std::string>& passed_over) {
  const auto set = parse_object(text);
  const JsonView* list = set ? set->find("keys") : nullptr;
  if (!list || list->type() != JsonView::Type::array)
    throw std::invalid_argument("JWT: the JWKS is not a JSON object with an array \"keys\"");

  std::vector<Key> keys;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    try {
      Key key = from_jwk(list->items()[i], i, algorithm);
      if (!key.id.empty() && std::ranges::count(keys, key.id, &Key::id) > 0)
        refuse_key(i, "has the \"kid\" of an earlier one");
      keys.push_back(std::move(key));
    } catch (const PassedOver& key) {
      passed_over.push_back(fmt::format("key {} of the JWKS {}", i + 1, key.why));
    }
  }
  if (keys.empty()) {
    throw std::invalid_argument(fmt::format("JWT: the JWKS holds no key for {}{}{}", algorithm,
                                            passed_over.empty() ? "" : ": ", fmt::join(passed_over, ", ")));
  }
  if (keys.size() > 1 && std::ranges::count(keys, std::string(), &Key::id) > 0)
    throw std::invalid_argument("JWT: the JWKS holds several keys, so each needs a \"kid\"");
  return keys;
}

// A key without a name answers to any: it is alone or one of the secrets, and the signature decides.
std::expected<std::span<const JwtVerifier::Key>, std::string_view> JwtVerifier::Key::chosen_by(
    const JsonView* id, std::span<const Key> keys) {
  if (id && !is_string(id)) return Refusal("the token's kid is not a string");
  if (keys.front().id.empty() || (keys.size() == 1 && !id)) return keys;
  if (!id) return Refusal("the token names no key, and there are several");
  const auto found = std::ranges::find(keys, id->text(), &Key::id);
  if (found == keys.end()) return Refusal(kJwtKeyUnknown);
  return std::span(found, 1);
}

JwtVerifier::JwtVerifier(const JwtRules& rules)
    : algorithm_(kJwtAlgorithms.of(rules.algorithm)),
      issuer_(rules.issuer),
      audience_(rules.audience),
      leeway_(rules.leeway) {
  if (issuer_.empty()) throw std::invalid_argument("JWT: no issuer is set, so any issuer's token would pass");
  if (audience_.empty()) throw std::invalid_argument("JWT: no audience is set, so a token for another would pass");
  keys_ = std::make_shared<const std::vector<Key>>(rules.algorithm == JwtRules::Algorithm::HS256
                                                       ? Key::from_secrets(rules)
                                                       : Key::from_jwks(rules.jwks, algorithm_, passed_over_));
}

std::expected<Claims, std::string_view> JwtVerifier::verify(std::string_view token,
                                                            std::chrono::system_clock::time_point now) const {
  if (token.size() > kTokenMax) return Refusal("the token is too long");
  auto segments = split(token);
  if (!segments) return Refusal("the token is not three base64url segments");

  const auto header = parse_object(segments->header);
  if (!header) return Refusal("the token's header is not a JSON object of distinct members");
  const auto in_header = [&](const char* name) { return header->find(name); };
  if (!is_text(in_header("alg"), algorithm_)) return Refusal("the token's algorithm is not ours");
  if (std::ranges::any_of(kRefusedHeaders, in_header)) return Refusal("the token's header asks for what we refuse");
  if (in_header("typ") && !is_jwt_type(*in_header("typ"))) return Refusal("the token's type is not JWT");
  const auto keys = Key::chosen_by(in_header("kid"), *keys_);
  if (!keys) return Refusal(keys.error());
  const auto text = token.substr(0, token.rfind('.'));
  const auto is_signed_by = [&](const Key& key) {
    return std::chrono::floor<std::chrono::seconds>(now) < key.until && key.signed_this(text, segments->signature);
  };
  if (!std::ranges::any_of(*keys, is_signed_by)) return Refusal("the token's signature is not right");

  const auto claims = parse_object(segments->payload);
  if (!claims) return Refusal("the token's payload is not a JSON object of distinct members");
  const auto claim = [&](const char* name) { return claims->find(name); };
  const auto clock = std::chrono::duration<double>(now.time_since_epoch()).count();
  const auto leeway = static_cast<double>(leeway_.count());

  const auto expiry = date_of(claim("exp"));
  if (!expiry) return Refusal("the token's exp is missing or not a date");
  if (clock >= *expiry + leeway) return Refusal("the token has expired");
  if (claim("nbf")) {
    const auto start = date_of(claim("nbf"));
    if (!start) return Refusal("the token's nbf is not a date");
    if (clock < *start - leeway) return Refusal("the token is not valid yet");
  }
  if (claim("iat") && !date_of(claim("iat"))) return Refusal("the token's iat is not a date");
  if (!is_text(claim("iss"), issuer_)) return Refusal("the token is from another issuer");
  if (!is_text(claim("aud"), audience_) && !holds(claim("aud"), audience_))
    return Refusal("the token is for another audience");

  auto subject = clean_text_of(claim("sub"));
  if (!subject) return Refusal("the token's sub is missing or not a plain text");
  const JsonView* address = claim("email");
  const bool has_email = address && address->type() != JsonView::Type::null && !is_text(address, "");
  auto email = has_email ? clean_text_of(address) : std::nullopt;
  if (has_email && !email) return Refusal("the token's email is not a plain text");

  // Whoever may write any address into a token must not be taken for its owner. (Some write the word as a text.)
  const JsonView* verified = claim("email_verified");
  if (verified && (is_text(verified, "false") || (verified->type() == JsonView::Type::boolean && !verified->boolean())))
    email.reset();

  const std::chrono::sys_seconds until{std::chrono::seconds(static_cast<std::int64_t>(*expiry))};
  return Claims{.subject = *std::move(subject),
                .email = std::move(email),
                .name = clean_text_of(claim("name")),
                .nonce = clean_text_of(claim("nonce")),
                .authorized_party = clean_text_of(claim("azp")),
                .expiry = until};
}

}  // namespace plugfleet
