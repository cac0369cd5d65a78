#include "base/digest.h"

#include <openssl/evp.h>

namespace plugfleet {
namespace {

std::string hex_of(const unsigned char* digest, unsigned size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2UZ * size);
  for (unsigned i = 0; i < size; ++i) {
    hex += digits[digest[i] >> 4];
    hex += digits[digest[i] & 15];
  }
  return hex;
}

std::string hex_digest(std::string_view bytes, const EVP_MD* kind) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind, nullptr);
  return hex_of(digest, size);
}

}  // namespace

std::string sha1_hex(std::string_view bytes) { return hex_digest(bytes, EVP_sha1()); }
std::string sha256_hex(std::string_view bytes) { return hex_digest(bytes, EVP_sha256()); }

void Sha256::Free::operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }

void Sha256::add(std::string_view part) { EVP_DigestUpdate(context_.get(), part.data(), part.size()); }

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &size);
  return hex_of(digest, size);
}

}  // namespace plugfleet
