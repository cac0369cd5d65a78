#include "core/ai/ai_keys.h"

#include <fmt/ranges.h>

#include <map>

#include "support/check.h"

using namespace plugfleet;

namespace {

const Clock::time_point kNow = Clock::now();

struct Read {
  std::vector<std::string> keys;  // "text*weight"
  std::string wrong;
};

Read read(std::string_view text) {
  Read out;
  const auto keys = read_keys(text, [&](const std::string& what) { out.wrong += what + ". "; });
  for (const AiKey& key : keys) out.keys.push_back(fmt::format("{}*{}", key.text, key.weight));
  return out;
}

KeyRing ring(std::vector<int> weights) {
  std::vector<AiKey> keys;
  for (const int weight : weights) keys.push_back({"k", weight});
  return KeyRing(std::move(keys));
}

// Which keys are chosen, by all dice that make a difference.
std::map<std::size_t, int> chosen(KeyRing keys, Clock::time_point now, std::optional<std::size_t> except = {}) {
  std::map<std::size_t, int> counts;
  for (std::uint64_t dice = 0; dice < 60; ++dice) {
    if (const auto key = keys.choose(now, dice, except)) ++counts[*key];
  }
  return counts;
}

using Counts = std::map<std::size_t, int>;

}  // namespace

TEST(keys_are_read_with_their_weights) {
  const Read commas = read("sk-a*3, sk-b ,\tsk-c * 100");
  CHECK_EQ(fmt::format("{}", fmt::join(commas.keys, " ")), "sk-a*3 sk-b*1 sk-c*100");
  const Read lines = read("sk-a\r\n\r\nsk-b*0\n");
  CHECK_EQ(fmt::format("{}", fmt::join(lines.keys, " ")), "sk-a*1 sk-b*0");
  CHECK_EQ(commas.wrong + lines.wrong + read("").wrong + read(" ").wrong, "");
  CHECK(read("").keys.empty() && read(" \n").keys.empty());
}

TEST(a_byte_order_mark_is_no_part_of_a_key) {
  const Read marked = read("\xEF\xBB\xBFsk-a*3\n\xEF\xBB\xBFsk-b*0\n");
  CHECK_EQ(fmt::format("{}", fmt::join(marked.keys, " ")), "sk-a*3 sk-b*0");
  CHECK_EQ(marked.wrong, "");
  CHECK_EQ(read("sk-a,\"sk-b\"").wrong, "the 2nd key holds a quotation mark. ");
}

TEST(every_wrong_key_is_complained_of_and_none_is_shown) {
  const Read wrong = read("sk-a*-1,sk-b*101,sk-c*x,sk-d*,,*3,sk e,sk-\x01,sk-fine,sk-fine,sk-g*2*3x");
  CHECK_EQ(fmt::format("{}", fmt::join(wrong.keys, " ")), "sk-fine*1");
  for (const char* part :
       {"the 1st key's weight must be a whole number from 0 to 100", "the 2nd key's weight", "the 3rd key's weight",
        "the 4th key's weight", "the 5th key is empty", "the 6th key is empty", "the 7th key holds a space",
        "the 8th key holds", "the 10th key stands there twice", "the 11th key's weight"}) {
    CHECK_CONTAINS(wrong.wrong, part);
  }
  CHECK(wrong.wrong.find("sk") == std::string::npos);
}

TEST(ordinals_are_english) {
  for (const auto& [number, text] : std::map<std::size_t, std::string>{{1, "1st"},
                                                                       {2, "2nd"},
                                                                       {3, "3rd"},
                                                                       {4, "4th"},
                                                                       {11, "11th"},
                                                                       {12, "12th"},
                                                                       {13, "13th"},
                                                                       {21, "21st"},
                                                                       {111, "111th"}}) {
    CHECK_EQ(ordinal(number), text);
  }
}

TEST(K1_keys_are_chosen_by_weight_among_those_that_do_not_rest) {
  KeyRing keys = ring({3, 1, 2});
  CHECK((chosen(keys, kNow) == Counts{{0, 30}, {1, 10}, {2, 20}}));
  CHECK((chosen(keys, kNow, 0) == Counts{{1, 20}, {2, 40}}));
  keys.limited(0, kNow, 5s);
  CHECK((chosen(keys, kNow) == Counts{{1, 20}, {2, 40}}));
  CHECK((chosen(keys, kNow + 5s) == Counts{{0, 30}, {1, 10}, {2, 20}}));
  CHECK(!ring({1}).choose(kNow, 7, 0));
}

TEST(K1_a_key_of_weight_0_is_chosen_only_while_all_others_rest) {
  KeyRing keys = ring({1, 0, 0});
  CHECK((chosen(keys, kNow) == Counts{{0, 60}}));
  CHECK(chosen(keys, kNow, 0).empty());  // a hedged call's second is not a reason
  keys.limited(0, kNow, 5s);
  CHECK((chosen(keys, kNow) == Counts{{1, 30}, {2, 30}}));
  keys.limited(1, kNow, 5s);
  CHECK((chosen(keys, kNow) == Counts{{2, 60}}));
  CHECK((chosen(keys, kNow + 5s) == Counts{{0, 60}}));
  CHECK((chosen(ring({0}), kNow) == Counts{{0, 60}}));
}

TEST(K2_a_refused_key_rests_for_a_minute_then_twice_as_long_to_fifteen_minutes) {
  KeyRing keys = ring({1});
  auto now = kNow;
  for (const Clock::duration rest : {60s, 120s, 240s, 480s, 900s, 900s}) {
    CHECK(keys.refused(0, now, now + 1ms) == rest);
    CHECK(keys.rests(0, now + rest));
    CHECK(keys.all_refused(now + rest));
    now += rest + 1ms;
    CHECK(!keys.rests(0, now));
    now += 1ms;
  }
  keys.accepted(0, now);
  CHECK(keys.refused(0, now + 1ms, now + 2ms) == Clock::duration(60s));
}

TEST(K2_an_accepted_key_is_back_at_once) {
  KeyRing keys = ring({1, 1});
  keys.refused(0, kNow, kNow);
  CHECK_EQ(keys.resting(kNow), 1u);
  keys.accepted(0, kNow + 1ms);
  CHECK_EQ(keys.resting(kNow + 1ms), 0u);
}

TEST(K3_a_key_that_has_rested_is_tried_by_one_call_while_the_others_pass_it_by) {
  KeyRing keys = ring({1, 1});
  keys.refused(0, kNow, kNow);
  const auto back = kNow + 60s;
  CHECK(keys.choose(back, 0) == 0u);
  CHECK(keys.choose(back, 0) == 1u);
  CHECK(keys.rests(0, back + 59s));
  CHECK(!keys.rests(0, back + 60s));  // whoever tried it has found out nothing
  keys.accepted(0, back);
  CHECK(keys.choose(back, 0) == 0u);
  CHECK(keys.choose(back, 0) == 0u);
}

TEST(K4_a_limited_key_rests_as_long_as_it_was_told_within_bounds) {
  KeyRing keys = ring({1});
  keys.limited(0, kNow, std::nullopt);
  CHECK(keys.limited_until(kNow) == kNow + 1s);
  keys.limited(0, kNow, 7s);
  keys.limited(0, kNow, 2s);  // the longest counts
  CHECK(keys.limited_until(kNow) == kNow + 7s);
  keys.limited(0, kNow, 24h);
  CHECK(keys.limited_until(kNow) == kNow + 60s);
  CHECK(!keys.limited_until(kNow + 60s));
  CHECK(!keys.all_refused(kNow));
}

TEST(K4_only_who_is_not_refused_too_is_waited_for) {
  KeyRing keys = ring({1, 1});
  keys.limited(0, kNow, 1s);
  keys.limited(1, kNow, 9s);
  keys.refused(0, kNow, kNow);
  CHECK(keys.limited_until(kNow) == kNow + 9s);
  CHECK_EQ(keys.back_first(), 1u);
}

TEST(K5_calls_that_were_out_together_are_one_refusal) {
  KeyRing keys = ring({1});
  CHECK(keys.refused(0, kNow, kNow + 5ms) == Clock::duration(60s));
  CHECK(!keys.refused(0, kNow + 1ms, kNow + 9ms));
  keys.accepted(0, kNow + 2ms);  // had begun before, too
  CHECK(keys.all_refused(kNow + 10ms));
  CHECK(keys.refused(0, kNow + 6ms, kNow + 20ms) == Clock::duration(120s));
}
