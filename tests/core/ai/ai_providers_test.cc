#include "core/ai/ai_providers.h"

#include <fmt/ranges.h>

#include "support/check.h"

using namespace plugfleet;

namespace {

// With a key for each of `keyed`.
Settings with(std::string order, std::vector<std::string> keyed) {
  Settings settings;
  SettingReader defaults(std::map<std::string, std::string>{});
  settings.rows(defaults);
  settings.ai_provider = std::move(order);
  for (const std::string& name : keyed) {
    if (name == "openrouter") settings.openrouter_api_key = "sk-r*2,sk-s";
    if (name == "gemini") settings.gemini_api_key = "sk-g";
    if (name == "openai") settings.openai_api_key = "sk-o";
  }
  return settings;
}

std::string complaints(const Settings& settings) {
  std::string all;
  read_ai_order(settings, [&](const std::string& what) { all += what + ". "; });
  return all;
}

std::string names(const Settings& settings) {
  const AiOrder order = read_ai_order(settings, [](const std::string& what) { test::fail(what); });
  std::vector<std::string> list;
  for (const AiProviderSettings& provider : order.providers) list.push_back(provider.target.name);
  if (order.offline) list.emplace_back("offline");
  return fmt::format("{}", fmt::join(list, " "));
}

}  // namespace

TEST(auto_is_every_provider_that_has_a_key_and_offline_where_none_has) {
  CHECK_EQ(names(with("auto", {})), "offline");
  CHECK_EQ(names(with("auto", {"openai"})), "openai");
  CHECK_EQ(names(with("auto", {"openai", "gemini", "openrouter"})), "openrouter gemini openai");
}

TEST(an_order_is_kept_and_offline_may_be_its_last) {
  CHECK_EQ(names(with("gemini,openrouter", {"openrouter", "gemini", "openai"})), "gemini openrouter");
  CHECK_EQ(names(with(" openrouter , offline", {"openrouter"})), "openrouter offline");
  CHECK_EQ(names(with("offline", {"openrouter"})), "offline");
}

TEST(each_provider_has_its_own_settings) {
  const AiOrder order = read_ai_order(with("auto", {"openrouter", "gemini"}), {});
  CHECK_EQ(order.providers[0].keys.size(), 2u);
  CHECK_EQ(order.providers[0].keys[0].weight, 2);
  CHECK_EQ(order.providers[0].target.image_model, "google/gemini-2.5-flash-image");
  CHECK(order.providers[1].target.protocol == Protocol::gemini);
  CHECK_EQ(order.providers[1].target.model, "gemini-2.5-flash-lite");
}

TEST(addresses_and_names_are_taken_as_they_are_meant) {
  Settings settings = with("auto", {"openai", "gemini", "openrouter"});
  settings.openai_base_url = "https://api.example.com/v1/";
  settings.gemini_model = "models/gemini-x";
  settings.gemini_image_model = "models/gemini-y";
  const AiOrder order = read_ai_order(settings, [](const std::string& what) { test::fail(what); });
  CHECK_EQ(order.providers[2].target.base_url, "https://api.example.com/v1");
  CHECK_EQ(order.providers[1].target.model, "gemini-x");
  CHECK_EQ(order.providers[1].target.image_model, "gemini-y");
}

TEST(addresses_and_names_that_are_wrong_are_complained_of_and_not_shown) {
  for (const char* name : {"OPENROUTER", "GEMINI", "OPENAI"}) {
    Settings settings = with("offline", {});
    (name[2] == 'M'   ? settings.gemini_base_url
     : name[4] == 'R' ? settings.openrouter_base_url
                      : settings.openai_base_url) = "api.example.com/v1?key=sk-key";
    const std::string wrong = complaints(settings);
    CHECK_CONTAINS(wrong, std::string(name) + "_BASE_URL: must ");
    CHECK(wrong.find("sk-key") == std::string::npos);
  }
  Settings settings = with("offline", {});
  settings.openai_base_url = "http://api.example.com/v1";
  settings.gemini_model = "google/gemini";
  settings.gemini_image_model = "a b";
  const std::string wrong = complaints(settings);
  for (const char* part :
       {"OPENAI_BASE_URL: must begin with https://", "GEMINI_MODEL: must be", "GEMINI_IMAGE_MODEL: must"})
    CHECK_CONTAINS(wrong, part);
  CHECK(wrong.find("sk-key") == std::string::npos);
  settings = with("offline", {});
  settings.openai_base_url = "http://api.example.com/v1";
  settings.ai_plain_http = "anywhere";
  CHECK_EQ(complaints(settings), "");
}

TEST(every_wrong_part_is_complained_of_and_no_key_is_shown) {
  CHECK_EQ(complaints(with("gemini", {})), "GEMINI_API_KEY: must be set where AI_PROVIDER names it. ");
  CHECK_EQ(complaints(with("", {})),
           "AI_PROVIDER: the 1st name is none of openrouter, gemini, openai, offline and auto. ");
  const std::string wrong = complaints(with("offline,gemini,sk-key,auto,gemini,", {"gemini"}));
  for (const char* part :
       {"the 1st name may only be the last", "the 3rd name is none of", "the 4th name stands for all",
        "the 5th name stands there twice", "the 6th name is none of"}) {
    CHECK_CONTAINS(wrong, part);
  }
  CHECK(wrong.find("sk-key") == std::string::npos);
  Settings settings = with("gemini", {"gemini"});
  settings.gemini_api_key = "sk-a,sk-b*101";
  settings.gemini_model = "";
  CHECK_EQ(
      complaints(settings),
      "GEMINI_API_KEY: the 2nd key's weight must be a whole number from 0 to 100. GEMINI_MODEL: must not be empty. ");
}
