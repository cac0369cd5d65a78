// What verifies a token's signature (RFC 7515; RFC 7518, sections 3.2 to 3.4). OpenSSL does the arithmetic, and is
// included in jwt_signature.cc alone, but for digests. Threads may call a verifier at the same time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace plugfleet {

// Whether its key signed exactly these bytes. A signature has one spelling: one of another length is refused.
using SignatureVerifier = std::function<bool(std::string_view text, std::string_view signature)>;

SignatureVerifier hs256_verifier(std::string secret);

// Of a public key's numbers, unsigned and big-endian. Empty where they are not a key, as a point off the curve is none.
SignatureVerifier rs256_verifier(std::string_view n, std::string_view e);
SignatureVerifier es256_verifier(std::string_view x, std::string_view y);

}  // namespace plugfleet
