#include "base/failure.h"

#include <algorithm>
#include <array>

namespace plugfleet {
namespace {

// In the order of the enum.
constexpr std::array<KindInfo, 23> kTable{{
    {FailureKind::invalid_request, "invalid_request", 400, Retry::never, Severity::info},
    {FailureKind::unauthorized, "unauthorized", 401, Retry::never, Severity::info},
    {FailureKind::insufficient_credits, "insufficient_credits", 402, Retry::never, Severity::info},
    {FailureKind::forbidden, "forbidden", 403, Retry::never, Severity::info},
    {FailureKind::not_found, "not_found", 404, Retry::never, Severity::info},
    {FailureKind::method_not_allowed, "method_not_allowed", 405, Retry::never, Severity::info},
    {FailureKind::request_timeout, "request_timeout", 408, Retry::again, Severity::warning},
    {FailureKind::conflict, "conflict", 409, Retry::never, Severity::info},
    {FailureKind::payload_too_large, "payload_too_large", 413, Retry::never, Severity::info},
    {FailureKind::unsupported_media_type, "unsupported_media_type", 415, Retry::never, Severity::info},
    {FailureKind::unprocessable, "unprocessable", 422, Retry::never, Severity::info},
    {FailureKind::rate_limited, "rate_limited", 429, Retry::again, Severity::info},
    {FailureKind::internal, "internal", 500, Retry::never, Severity::error},
    {FailureKind::provider_error, "provider_error", 502, Retry::again, Severity::warning},
    {FailureKind::unavailable, "unavailable", 503, Retry::again, Severity::warning},
    {FailureKind::provider_timeout, "provider_timeout", 504, Retry::again, Severity::warning},
    {FailureKind::provider_refused, "provider_error", 502, Retry::never, Severity::warning},
    {FailureKind::provider_limited, "provider_error", 502, Retry::later, Severity::warning},
    {FailureKind::provider_closed, "unavailable", 503, Retry::later, Severity::warning},
    {FailureKind::cancelled, "cancelled", 499, Retry::never, Severity::info},
    {FailureKind::timeout, "timeout", 500, Retry::again, Severity::warning},
    {FailureKind::payload_lost, "payload_lost", 500, Retry::never, Severity::warning},
    {FailureKind::payload_expired, "payload_expired", 500, Retry::never, Severity::warning},
}};
static_assert([] {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].kind != static_cast<FailureKind>(i)) return false;
  }
  return kTable.back().kind == FailureKind::payload_expired;
}());

}  // namespace

const KindInfo& info(FailureKind kind) { return kTable[static_cast<std::size_t>(kind)]; }

std::span<const std::string_view> error_codes() {
  static const auto codes = [] {
    std::vector<std::string_view> all;
    for (const KindInfo& kind : kTable) {
      if (kind.kind < FailureKind::timeout && std::ranges::find(all, kind.code) == all.end()) all.push_back(kind.code);
    }
    return all;
  }();
  return codes;
}

FailureKind kind_of(std::string_view code) {
  const auto found = std::ranges::find(kTable, code, &KindInfo::code);
  return found == kTable.end() || found->kind >= FailureKind::timeout ? FailureKind::internal : found->kind;
}

}  // namespace plugfleet
