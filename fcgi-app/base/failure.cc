#include "base/failure.h"

#include <algorithm>
#include <array>

namespace plugfleet {
namespace {

// Indexed by Kind.
constexpr std::array<KindInfo, 16> kTable{{
    {"invalid_request", 400, false, Severity::info},
    {"unauthorized", 401, false, Severity::info},
    {"forbidden", 403, false, Severity::info},
    {"not_found", 404, false, Severity::info},
    {"method_not_allowed", 405, false, Severity::info},
    {"request_timeout", 408, true, Severity::warning},
    {"conflict", 409, false, Severity::info},
    {"payload_too_large", 413, false, Severity::info},
    {"unsupported_media_type", 415, false, Severity::info},
    {"unprocessable", 422, false, Severity::info},
    {"rate_limited", 429, true, Severity::info},
    {"internal", 500, false, Severity::error},
    {"provider_error", 502, true, Severity::warning},
    {"unavailable", 503, true, Severity::warning},
    {"provider_timeout", 504, true, Severity::warning},
    {"cancelled", 499, false, Severity::info},
}};

}  // namespace

const KindInfo& info(Kind kind) { return kTable[static_cast<std::size_t>(kind)]; }

Kind kind_of(std::string_view code) {
  const auto found = std::ranges::find(kTable, code, &KindInfo::code);
  return found == kTable.end() ? Kind::internal : static_cast<Kind>(found - kTable.begin());
}

}  // namespace plugfleet
