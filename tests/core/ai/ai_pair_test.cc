// P5 of core/ai/ai.h. What is late here is so by far: no test depends on how fast the machine is.
#include <atomic>

#include "core/ai/ai_support.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;
using test::Said;
using test::TestAi;
using test::TestProvider;

namespace {

constexpr int kUsual = 20;  // calls until it is known what is late

// Twenty usual calls, then what the test says: `first` to the first call after them, `second` to all that follow.
class Late {
 public:
  Late(Said first, Said second) : first_(std::move(first)), second_(std::move(second)) {}

  TestProvider::Script script() {
    return [this](const std::string& key, int) {
      const int number = ++calls_;
      if (number <= kUsual) return Said{.wait = 20ms};
      (number == kUsual + 1 ? first_key : second_key) = key;
      return number == kUsual + 1 ? first_ : second_;
    };
  }

  int calls() const { return calls_ - kUsual; }
  std::string first_key, second_key;  // read them once the calls have ended

 private:
  Said first_, second_;
  std::atomic<int> calls_ = 0;
};

struct Hedges {
  explicit Hedges(const char* provider = "openai")
      : made_(counter("plugfleet_ai_hedges_total", fmt::format("provider=\"{}\"", provider))),
        won_(counter("plugfleet_ai_hedge_wins_total", fmt::format("provider=\"{}\"", provider))) {}
  std::uint64_t made() const { return made_.value() - made_before_; }
  std::uint64_t won() const { return won_.value() - won_before_; }

 private:
  Counter made_, won_;
  std::uint64_t made_before_ = made_.value(), won_before_ = won_.value();
};

std::map<std::string, std::string> settings(const TestProvider& provider, const std::string& keys,
                                            const std::string& percent = "20") {
  return {{"OPENAI_BASE_URL", provider.url},
          {"OPENAI_API_KEY", keys},
          {"AI_HEDGE_PERCENT", percent},
          {"AI_ATTEMPTS", "1"},
          {"BREAKER_FAILURES", "1"}};
}

// With a second provider, whose first failure opens its breaker.
std::map<std::string, std::string> and_another(const TestProvider& provider, const TestProvider& other) {
  auto values = settings(provider, "a");
  values.insert(
      {{"AI_PROVIDER", "openai,openrouter"}, {"OPENROUTER_BASE_URL", other.url}, {"OPENROUTER_API_KEY", "b"}});
  return values;
}

std::uint64_t openings() { return counter("plugfleet_breaker_opened_total", "provider=\"openrouter\"").value(); }

Async<std::string> usual_calls_and_one_more(TestAi& test) {
  for (int i = 0; i < kUsual; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  const std::string answer = co_await test.ask();
  co_return answer;
}

}  // namespace

ASYNC_TEST(P5_a_late_call_is_made_again_with_another_key_and_the_first_answer_counts) {
  Late late({.wait = 60s}, {.text = "second"});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a,b"));
  const Hedges hedges;
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "second");
  CHECK_EQ(hedges.made(), 1u);
  CHECK_EQ(hedges.won(), 1u);
  CHECK(late.first_key != late.second_key);
  UNTIL(provider.aborted == 1);
}

ASYNC_TEST(P5_where_there_is_no_other_key_it_is_made_at_another_provider) {
  Late late({.wait = 60s}, {});
  TestProvider first(late.script()), other([](const std::string&, int) { return Said{.text = "other"}; });
  TestAi test(reactor, and_another(first, other));
  const Hedges hedges("openrouter");
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "other");
  CHECK_EQ(late.calls(), 1);
  CHECK_EQ(hedges.won(), 1u);
}

ASYNC_TEST(P5_where_there_is_no_other_at_all_it_is_made_with_the_same_key) {
  Late late({.wait = 60s}, {.text = "second"});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a"));
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "second");
}

ASYNC_TEST(P5_an_answer_of_the_first_call_breaks_the_second_off_which_is_no_failure) {
  Late late({.text = "first", .wait = 1s}, {});
  TestProvider first(late.script()), other([](const std::string&, int) { return Said{.wait = 60s}; });
  TestAi test(reactor, and_another(first, other));
  const Hedges hedges("openrouter");
  const std::uint64_t opened = openings();
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "first");
  CHECK_EQ(hedges.made(), 1u);
  CHECK_EQ(hedges.won(), 0u);
  UNTIL(other.aborted == 1);
  CHECK_EQ(openings(), opened);
}

ASYNC_TEST(P5_where_the_first_call_fails_the_second_is_waited_for) {
  Late late({.status = 404, .wait = 1s}, {.text = "second", .wait = 2s});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a,b"));
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "second");
}

ASYNC_TEST(P5_a_second_call_that_fails_by_itself_counts_at_its_breaker_and_the_first_is_waited_for) {
  Late late({.text = "first", .wait = 1s}, {});
  TestProvider first(late.script()), other([](const std::string&, int) { return Said{.status = 500}; });
  TestAi test(reactor, and_another(first, other));
  const std::uint64_t opened = openings();
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "first");
  UNTIL(openings() == opened + 1);
}

ASYNC_TEST(P5_where_both_fail_the_first_calls_fault_counts) {
  for (const int later_first : {0, 1}) {
    Late late({.status = 404, .wait = later_first ? 2s : 1s}, {.status = 413, .wait = later_first ? 0s : 2s});
    TestProvider provider(late.script());
    TestAi test(reactor, settings(provider, "a,b"));
    const std::string answer = co_await usual_calls_and_one_more(test);
    CHECK_EQ(answer, "502: the AI provider answered 404");
    CHECK_EQ(late.calls(), 2);
  }
}

ASYNC_TEST(P5_a_prompt_that_is_refused_breaks_the_second_call_off) {
  Late late({.status = 400, .wait = 1s}, {.wait = 60s});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a,b"));
  const std::string answer = co_await usual_calls_and_one_more(test);
  CHECK_EQ(answer, "502: the AI provider answered 400");
}

ASYNC_TEST(P5_without_the_budget_or_with_hedging_off_there_is_no_second_call) {
  for (const char* percent : {"0", "1"}) {  // 1 % of 21 calls are none
    Late late({.text = "first", .wait = 1s}, {.text = "second"});
    TestProvider provider(late.script());
    TestAi test(reactor, settings(provider, "a,b", percent));
    const std::string answer = co_await usual_calls_and_one_more(test);
    CHECK_EQ(answer, "first");
    CHECK_EQ(late.calls(), 1);
  }
}

ASYNC_TEST(P5_a_call_for_an_image_is_not_judged_by_calls_for_texts) {
  Late late({.status = 404, .wait = 1s}, {.text = "second"});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a,b"));
  for (int i = 0; i < kUsual; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  const std::string answer = co_await test.ask(9s, {.text = "draw", .wants = Answer::image});
  CHECK_CONTAINS(answer, "404");
  CHECK_EQ(late.calls(), 1);
}

ASYNC_TEST(P5_the_winners_usage_is_counted) {
  Late late({.wait = 60s}, {.text = "second"});
  TestProvider provider(late.script());
  TestAi test(reactor, settings(provider, "a,b"));
  for (int i = 0; i < kUsual; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  const Completion completion = co_await test.ai->complete({.text = "x"}, {}, Clock::now() + 9s);
  CHECK_EQ(completion.usage.calls, 1);
  CHECK_EQ(completion.usage.input_tokens, 3);
}
