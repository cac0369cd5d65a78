#include "wire/jwt_signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

namespace plugfleet {
namespace {

template <class T, void (*release)(T*)>
using Owned = std::unique_ptr<T, decltype([](T* taken) { release(taken); })>;
using Number = Owned<BIGNUM, BN_free>;
using Parts = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using PublicKey = std::shared_ptr<EVP_PKEY>;

constexpr std::size_t kCoordinateSize = 32;  // of P-256, and of each half of a signature on it

// What OpenSSL could not do stands in a queue, where the next user of this thread's TLS would find it.
struct ErrorsForgotten {
  ErrorsForgotten() = default;
  ~ErrorsForgotten() { ERR_clear_error(); }
  ErrorsForgotten(const ErrorsForgotten&) = delete;
};

const std::uint8_t* data_of(std::string_view bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(data_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

PublicKey public_key(const char* type, const Parts& parts) {
  const Owned<OSSL_PARAM, OSSL_PARAM_free> made(OSSL_PARAM_BLD_to_param(parts.get()));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!made || !context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, made.get()) != 1) return nullptr;
  return {key, &EVP_PKEY_free};
}

bool is_signed_by(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(text), text.size()) == 1;
}

// The two numbers of an ECDSA signature, one after the other, as OpenSSL asks for them; empty without memory.
std::string der_of(std::string_view signature) {
  const Owned<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  Number r = number_of(signature.substr(0, kCoordinateSize));
  Number s = number_of(signature.substr(kCoordinateSize));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release(), (void)s.release();  // the pair's now
  std::uint8_t* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &bytes);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

SignatureVerifier hs256_verifier(std::string secret) {
  return [secret = std::move(secret)](std::string_view text, std::string_view signature) {
    const ErrorsForgotten errors;
    std::array<std::uint8_t, 32> code;
    return signature.size() == code.size() &&
           HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), data_of(text), text.size(), code.data(),
                nullptr) != nullptr &&
           CRYPTO_memcmp(signature.data(), code.data(), code.size()) == 0;
  };
}

SignatureVerifier rs256_verifier(std::string_view n, std::string_view e) {
  const ErrorsForgotten errors;
  const Parts parts(OSSL_PARAM_BLD_new());
  const Number modulus = number_of(n), exponent = number_of(e);
  if (!parts || !modulus || !exponent ||
      OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return {};
  PublicKey key = public_key("RSA", parts);
  if (!key) return {};
  return [key = std::move(key)](std::string_view text, std::string_view signature) {
    const ErrorsForgotten errors_of_it;
    return std::cmp_equal(signature.size(), EVP_PKEY_get_size(key.get())) && is_signed_by(key.get(), text, signature);
  };
}

SignatureVerifier es256_verifier(std::string_view x, std::string_view y) {
  const ErrorsForgotten errors;
  const Parts parts(OSSL_PARAM_BLD_new());
  const Number across = number_of(x), up = number_of(y);
  std::array<std::uint8_t, 1 + 2 * kCoordinateSize> point{POINT_CONVERSION_UNCOMPRESSED};  // SEC 1, section 2.3.3
  constexpr int kSize = kCoordinateSize;
  if (!parts || !across || !up || BN_bn2binpad(across.get(), &point[1], kSize) != kSize ||
      BN_bn2binpad(up.get(), &point[1 + kSize], kSize) != kSize ||
      OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return {};
  PublicKey key = public_key("EC", parts);  // none for a point that is not on the curve
  if (!key) return {};
  return [key = std::move(key)](std::string_view text, std::string_view signature) {
    const ErrorsForgotten errors_of_it;
    return signature.size() == 2 * kCoordinateSize && is_signed_by(key.get(), text, der_of(signature));
  };
}

}  // namespace plugfleet
