// Pieces of HTTP that handlers meet: paths, queries, header fields. Pure functions over text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugfleet {

enum class Method { GET, HEAD, POST, PUT, PATCH, DELETE, other };
Method parse_method(std::string_view text);
std::string_view method_name(Method method);

// RFC 3986 section 2.1. Empty on a broken or cut escape, and where the result holds a NUL or is not UTF-8.
std::optional<std::string> percent_decode(std::string_view text);

// The other way: all but letters, digits and -._~ is escaped.
std::string percent_encode(std::string_view text);

// "a=1&b=x%20y" in order; "+" is a space (WHATWG URL, application/x-www-form-urlencoded). A value that does not decode
// is nullopt; a pair whose name does not is left out, and so is what follows the first 100.
std::vector<std::pair<std::string, std::optional<std::string>>> parse_query(std::string_view query);

// The other way: "a=1&b=x%20y".
std::string query_of(const std::vector<std::pair<std::string_view, std::string_view>>& pairs);

// The value of the first cookie of that name in a Cookie header (RFC 6265, section 4.2.1); empty where there is none.
std::string_view cookie_in(std::string_view cookies, std::string_view name);

// "application/json; charset=utf-8" -> "application/json", in lower case.
std::string media_type_of(std::string_view content_type);
// application/json, or a type that ends in +json (RFC 6839).
bool is_json_type(std::string_view content_type);

// The token68 of `Authorization: Bearer ...` (RFC 6750 section 2.1); empty where it is something else.
std::string_view bearer_token(std::string_view authorization);

// Whether `Prefer` asks for respond-async (RFC 7240 section 4.1).
bool prefers_async(std::string_view prefer);

// What an Idempotency-Key may be: 1 to 255 printable characters of ASCII.
bool is_idempotency_key(std::string_view text);

}  // namespace plugfleet
