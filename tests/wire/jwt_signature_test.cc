#include "wire/jwt_signature.h"

#include <openssl/err.h>

#include <algorithm>

#include "support/check.h"
#include "wire/base64.h"
#include "wire/jwt_tokens.h"

using namespace plugfleet::test;
using namespace plugfleet;

namespace {

// The payload, keys and signatures of RFC 7515, appendices A.1 to A.3: not made with OpenSSL.
const std::string kPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const std::string kX = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const std::string kY = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

std::string decoded(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  const auto bytes = decode_base64(text).value();
  return {bytes.begin(), bytes.end()};
}

void takes_only(const SignatureVerifier& verifies, const std::string& text, const std::string& right) {
  CHECK(verifies(text, right));
  CHECK(!verifies(text + "x", right));
  CHECK(!verifies(text.substr(1), right));
  CHECK(!verifies("", right));
  for (const std::string& wrong :
       {std::string(), right.substr(1), right.substr(0, right.size() - 1), right + '\0', '\0' + right, right + right,
        std::string(right.size(), '\0'), std::string(right.size(), '\xff')}) {
    CHECK(!verifies(text, wrong));
  }
  CHECK_EQ(ERR_peek_error(), 0ul);
}

}  // namespace

TEST(the_hs256_signature_of_rfc_7515_is_right) {
  takes_only(
      hs256_verifier(decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")),
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + kPayload, decoded("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
}

TEST(the_rs256_signature_of_rfc_7515_is_right) {
  takes_only(
      rs256_verifier(
          decoded("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-"
                  "yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
                  "KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
                  "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"),
          decoded("AQAB")),
      "eyJhbGciOiJSUzI1NiJ9." + kPayload,
      decoded(
          "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
          "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
          "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
          "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"));
}

TEST(the_es256_signature_of_rfc_7515_is_right) {
  takes_only(es256_verifier(decoded(kX), decoded(kY)), "eyJhbGciOiJFUzI1NiJ9." + kPayload,
             decoded("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
}

TEST(a_number_may_begin_with_zeros_and_one_too_long_is_no_key) {
  const std::string x = decoded(kX), y = decoded(kY), zeros(3, '\0');
  CHECK(es256_verifier(zeros + x, zeros + y));
  for (const auto& [left, right] :
       {std::pair(x, x), std::pair(y, x), std::pair(std::string(), y), std::pair(x, zeros), std::pair(zeros, zeros),
        std::pair("\1" + x, y), std::pair(x, y + '\0'), std::pair(std::string(32, '\xff'), std::string(32, '\xff'))}) {
    CHECK(!es256_verifier(left, right));
  }
  CHECK_EQ(ERR_peek_error(), 0ul);
}
