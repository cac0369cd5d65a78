// Tokens and keys for tests.
#pragma once

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <string>
#include <string_view>

namespace plugfleet::test {

inline const std::string kSecret = "0123456789abcdef0123456789abcdef";

using Key = std::shared_ptr<EVP_PKEY>;

inline std::string base64url(std::string_view bytes) {
  std::string text(bytes.size() * 4 / 3 + 4, '\0');
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  text.resize(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), from, static_cast<int>(bytes.size())));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

inline std::string hmac(std::string_view key, std::string_view text, const EVP_MD* digest = EVP_sha256()) {
  unsigned char code[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(digest, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), code, &size);
  return {reinterpret_cast<char*>(code), size};
}

inline std::string hs_token(const std::string& header, const std::string& payload, std::string_view key = kSecret,
                            const EVP_MD* digest = EVP_sha256()) {
  const std::string text = base64url(header) + "." + base64url(payload);
  return text + "." + base64url(hmac(key, text, digest));
}

inline Key make_rsa(unsigned bits) {
  return {EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits}), EVP_PKEY_free};
}
inline Key make_ec(const char* curve) { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve), EVP_PKEY_free}; }

inline Key rsa() {
  static const Key key = make_rsa(2048);
  return key;
}

inline Key ec() {
  static const Key key = make_ec("P-256");
  return key;
}

inline std::string number(const Key& key, const char* name) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key.get(), name, &value);
  std::string bytes(BN_num_bytes(value), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(value);
  return bytes;
}

inline std::string padded(std::string bytes, std::size_t size) {
  return std::string(size - bytes.size(), '\0') + bytes;
}

// `more` is further members, each after a comma.
inline std::string rsa_jwk(const Key& key, const std::string& more = "") {
  return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"{}}})", base64url(number(key, OSSL_PKEY_PARAM_RSA_N)),
                     base64url(number(key, OSSL_PKEY_PARAM_RSA_E)), more);
}

inline std::string ec_jwk(const Key& key, const std::string& curve, std::size_t size, const std::string& more = "") {
  return fmt::format(R"({{"kty":"EC","crv":"{}","x":"{}","y":"{}"{}}})", curve,
                     base64url(padded(number(key, OSSL_PKEY_PARAM_EC_PUB_X), size)),
                     base64url(padded(number(key, OSSL_PKEY_PARAM_EC_PUB_Y), size)), more);
}

inline std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

inline std::string signature(const Key& key, std::string_view text) {
  const std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* from = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
  EVP_DigestSign(context.get(), nullptr, &size, from, text.size());
  std::string bytes(size, '\0');
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size, from, text.size());
  bytes.resize(size);
  return bytes;
}

// An ECDSA signature from DER to two numbers of `size` bytes (RFC 7518, section 3.4, has 32).
inline std::string raw_from_der(const std::string& der, int size) {
  const auto* from = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(der.size()));
  std::string bytes(static_cast<std::size_t>(size) * 2, '\0');
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), to, size);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), to + size, size);
  ECDSA_SIG_free(pair);
  return bytes;
}

}  // namespace plugfleet::test
