// Digests, in lower-case hexadecimal.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace plugfleet {

std::string sha1_hex(std::string_view bytes);    // for names only: it is broken as a proof
std::string sha256_hex(std::string_view bytes);  // FIPS 180-4; about 1 ms for a megabyte

// The same of what comes in parts.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view part);
  std::string hex();  // once, after the last

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace plugfleet
