#include "marketplace/publishing/secrets.h"

#include <algorithm>

namespace marketplace {
namespace {

struct Shape {
  std::string_view begins;
  std::size_t then;  // letters, digits, - and _ at the least
  std::string_view what;
};

// As their makers publish them: GitHub's secret scanning lists the same prefixes.
constexpr Shape kShapes[] = {
    {"sk-ant-", 24, "an Anthropic key"},
    {"sk-or-v1-", 32, "an OpenRouter key"},
    {"sk-proj-", 24, "an OpenAI key"},
    {"AIza", 35, "a Google key"},
    {"AKIA", 16, "an AWS key"},
    {"ghp_", 36, "a GitHub token"},
    {"github_pat_", 22, "a GitHub token"},
    {"glpat-", 20, "a GitLab token"},
    {"npm_", 36, "an npm token"},
    {"xoxb-", 24, "a Slack token"},
    {"sk_live_", 24, "a Stripe key"},
    {"whsec_", 32, "a webhook's secret"},
    {"pfu_", 43, "a personal access token of Plugfleet"},
};

bool in_a_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool has(std::string_view bytes, const Shape& shape) {
  for (std::size_t at = bytes.find(shape.begins); at != bytes.npos; at = bytes.find(shape.begins, at + 1)) {
    if (at > 0 && in_a_word(bytes[at - 1])) continue;
    const std::string_view rest = bytes.substr(at + shape.begins.size());
    const auto length = static_cast<std::size_t>(std::ranges::find_if_not(rest, in_a_word) - rest.begin());
    if (length >= shape.then) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string_view> secret_in(std::string_view bytes) {
  // RFC 7468 section 2, whatever the kind of key.
  for (std::size_t at = bytes.find("-----BEGIN "); at != bytes.npos; at = bytes.find("-----BEGIN ", at + 1)) {
    if (bytes.substr(at, 64).contains("PRIVATE KEY-----")) return "a private key";
  }
  for (const Shape& shape : kShapes) {
    if (has(bytes, shape)) return shape.what;
  }
  return std::nullopt;
}

}  // namespace marketplace
