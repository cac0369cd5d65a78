#include "core/call.h"

#include <algorithm>
#include <array>

#include "base/ids.h"

namespace plugfleet {
namespace {

constexpr auto kTraceIdBytes = [] {
  std::array<bool, 256> allowed{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")) {
    allowed[static_cast<unsigned char>(c)] = true;
  }
  return allowed;
}();

bool is_trace_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [](char c) { return kTraceIdBytes[static_cast<unsigned char>(c)]; });
}

// nginx has checked or made both ids (conf/nginx); another peer's are checked here again.
Trace trace_of(const Incoming& incoming) {
  const std::string_view id = incoming.param("TRACE_ID");
  return {is_trace_id(id) ? std::string(id) : random_hex(16), std::string(incoming.param("TRACEPARENT").substr(0, 64))};
}

}  // namespace

Call::Call(Incoming& incoming, Platform& platform)
    : Work(platform, trace_of(incoming)),
      incoming_(incoming),
      method_(parse_method(incoming.param("REQUEST_METHOD"))),
      path_(incoming.param("DOCUMENT_URI")),
      body_max_(platform.settings.body_max) {}

std::string_view Call::header(std::string_view name) const {
  if (name == "content-type") return incoming_.param("CONTENT_TYPE");
  std::string variable = "HTTP_";
  for (const char c : name) variable += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return incoming_.param(variable);
}

std::optional<std::string> Call::query(std::string_view name) const {
  for (auto& [key, value] : parse_query(incoming_.param("QUERY_STRING"))) {
    if (key == name) return std::move(value);
  }
  return std::nullopt;
}

std::string Call::client_key() const { return user_ ? "user:" + user_->id : "addr:" + std::string(client_address()); }

Async<const JsonView*> Call::json_view() {
  if (!body_) {
    if (!is_json_type(header("content-type"))) {
      throw Failure(Kind::unsupported_media_type, "the body must be JSON: Content-Type: application/json");
    }
    const std::string_view text = co_await incoming_.body(body_max_);
    auto parsed = parse_json_view(text);
    if (!parsed) throw Failure(Kind::invalid_request, parsed.error());
    body_ = std::move(*parsed);
  }
  co_return &*body_;
}

}  // namespace plugfleet
