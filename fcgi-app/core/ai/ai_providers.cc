#include "core/ai/ai_providers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <string_view>

#include "base/text.h"
#include "core/ai/ai_addresses.h"

namespace plugfleet {
namespace {

using Complain = std::function<void(std::string)>;

struct Known {
  std::string prefix;  // of its settings' names
  std::string api_key;
  AiProviderSettings provider;
};

void take(std::string& target, const std::string& name, std::expected<std::string, std::string> read,
          const Complain& complain) {
  if (read) {
    target = std::move(*read);
  } else {
    complain(fmt::format("{}: {}", name, read.error()));
  }
}

// In the order of `auto`.
std::array<Known, 3> known_providers(const Settings& s, const Complain& complain) {
  constexpr auto kChat = Protocol::chat_completions;
  std::array<Known, 3> known{
      {{"OPENROUTER",
        s.openrouter_api_key,
        {{"openrouter", kChat, s.openrouter_base_url, "", s.openrouter_model, s.openrouter_image_model}}},
       {"GEMINI",
        s.gemini_api_key,
        {{"gemini", Protocol::gemini, s.gemini_base_url, "", s.gemini_model, s.gemini_image_model}}},
       {"OPENAI", s.openai_api_key, {{"openai", kChat, s.openai_base_url, "", s.openai_model, s.openai_image_model}}}}};
  const PlainHttp plain = s.ai_plain_http == "anywhere" ? PlainHttp::anywhere : PlainHttp::loopback;
  for (Known& one : known) {
    AiTarget& target = one.provider.target;
    take(target.base_url, one.prefix + "_BASE_URL", read_base_url(target.base_url, plain), complain);
    if (target.protocol == Protocol::gemini) {
      take(target.model, "GEMINI_MODEL", read_gemini_model(target.model), complain);
      take(target.image_model, "GEMINI_IMAGE_MODEL", read_gemini_model(target.image_model), complain);
    }
    one.provider.keys = read_keys(
        one.api_key, [&](const std::string& what) { complain(fmt::format("{}_API_KEY: {}", one.prefix, what)); });
  }
  return known;
}

// The names are not shown: one of them may be a key in the wrong place.
void check_names(const std::vector<std::string>& names, const Complain& complain) {
  constexpr std::array<std::string_view, 5> kNames{"openrouter", "gemini", "openai", "offline", "auto"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto wrong = [&](std::string_view what) {
      complain(fmt::format("AI_PROVIDER: the {} name {}", ordinal(i + 1), what));
    };
    if (std::ranges::find(kNames, names[i]) == kNames.end())
      wrong("is none of openrouter, gemini, openai, offline and auto");
    if (std::ranges::find(names, names[i]) - names.begin() < static_cast<std::ptrdiff_t>(i))
      wrong("stands there twice");
    if (names[i] == "auto" && names.size() > 1) wrong("stands for all of them, and may only stand alone");
    if (names[i] == "offline" && i + 1 < names.size()) wrong("may only be the last: it always answers");
  }
}

}  // namespace

AiOrder read_ai_order(const Settings& settings, const Complain& complain) {
  std::array<Known, 3> known = known_providers(settings, complain);
  std::vector<std::string> names;
  for (const auto part : std::views::split(settings.ai_provider, ','))
    names.emplace_back(trimmed(std::string_view(part.begin(), part.end())));
  if (names.empty()) names.emplace_back();
  check_names(names, complain);
  AiOrder order;
  const auto add = [&](Known& one) {
    if (one.provider.target.model.empty()) complain(one.prefix + "_MODEL: must not be empty");
    order.providers.push_back(std::move(one.provider));
  };
  for (const std::string& name : names) {
    for (Known& one : known) {
      if (name == "auto" && !one.provider.keys.empty()) add(one);
      if (name != one.provider.target.name) continue;
      if (one.api_key.empty()) complain(fmt::format("{}_API_KEY: must be set where AI_PROVIDER names it", one.prefix));
      add(one);
    }
  }
  order.offline = order.providers.empty() || names.back() == "offline";
  return order;
}

}  // namespace plugfleet
