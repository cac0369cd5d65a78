#include "base/failure.h"

#include <algorithm>
#include <array>

namespace plugfleet {
namespace {

// Indexed by Kind.
constexpr std::array<KindInfo, 19> kTable{{
    {"invalid_request", 400, Retry::never, Severity::info},
    {"unauthorized", 401, Retry::never, Severity::info},
    {"forbidden", 403, Retry::never, Severity::info},
    {"not_found", 404, Retry::never, Severity::info},
    {"method_not_allowed", 405, Retry::never, Severity::info},
    {"request_timeout", 408, Retry::again, Severity::warning},
    {"conflict", 409, Retry::never, Severity::info},
    {"payload_too_large", 413, Retry::never, Severity::info},
    {"unsupported_media_type", 415, Retry::never, Severity::info},
    {"unprocessable", 422, Retry::never, Severity::info},
    {"rate_limited", 429, Retry::again, Severity::info},
    {"internal", 500, Retry::never, Severity::error},
    {"provider_error", 502, Retry::again, Severity::warning},
    {"unavailable", 503, Retry::again, Severity::warning},
    {"provider_timeout", 504, Retry::again, Severity::warning},
    {"provider_error", 502, Retry::never, Severity::warning},
    {"provider_error", 502, Retry::later, Severity::warning},
    {"unavailable", 503, Retry::later, Severity::warning},
    {"cancelled", 499, Retry::never, Severity::info},
}};

}  // namespace

const KindInfo& info(Kind kind) { return kTable[static_cast<std::size_t>(kind)]; }

std::span<const std::string_view> error_codes() {
  static const auto codes = [] {
    std::vector<std::string_view> all;
    for (const KindInfo& kind : kTable) {
      if (std::ranges::find(all, kind.code) == all.end()) all.push_back(kind.code);
    }
    return all;
  }();
  return codes;
}

Kind kind_of(std::string_view code) {
  const auto found = std::ranges::find(kTable, code, &KindInfo::code);
  return found == kTable.end() ? Kind::internal : static_cast<Kind>(found - kTable.begin());
}

}  // namespace plugfleet
