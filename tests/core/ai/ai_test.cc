#include "core/ai/ai.h"

#include "core/ai/ai_support.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;
using test::Said;
using test::TestAi;
using test::TestProvider;

namespace {

using Values = std::map<std::string, std::string>;

TestProvider::Script always(Said said) {
  return [said](const std::string&, int) { return said; };
}

// What calls with the key "dead" get; the others are answered.
TestProvider::Script with_dead(Said said) {
  return [said](const std::string& key, int) { return key == "dead" ? said : Said{}; };
}

// openai alone, with these keys.
Values one(const TestProvider& provider, const std::string& keys, Values more = {}) {
  more.insert(
      {{"OPENAI_BASE_URL", provider.url}, {"OPENAI_API_KEY", keys}, {"AI_ATTEMPTS", "2"}, {"AI_HEDGE_PERCENT", "0"}});
  return more;
}

// openai, then openrouter.
Values two(const TestProvider& first, const TestProvider& second, Values more = {}) {
  more.insert(
      {{"AI_PROVIDER", "openai,openrouter"}, {"OPENROUTER_BASE_URL", second.url}, {"OPENROUTER_API_KEY", "other"}});
  return one(first, "key", std::move(more));
}

std::uint64_t breakers_opened() {
  std::uint64_t sum = 0;
  for (const char* name : {"openai", "openai-images"})
    sum += counter("plugfleet_breaker_opened_total", fmt::format("provider=\"{}\"", name)).value();
  return sum;
}

Async<void> until_state(Ai& ai, AiState state) {
  const auto deadline = Clock::now() + 8s;
  for (;;) {
    const AiView view = co_await ai.look();
    if (view.state == state) co_return;
    if (Clock::now() > deadline) test::fail("waited 8 s for a state");
    co_await sleep_for(1ms);
  }
}

}  // namespace

// ---- P1 ----

ASYNC_TEST(P1_a_provider_that_fails_its_attempts_gives_way_to_the_next) {
  TestProvider broken(always({.status = 500})), well(always({.text = "second"}));
  TestAi test(reactor, two(broken, well));
  const std::string answer = co_await test.ask();
  CHECK_EQ(answer, "second");
  CHECK_EQ(broken.calls(), 2);
  CHECK_EQ(well.calls(), 1);
}

ASYNC_TEST(P1_a_provider_whose_breaker_is_open_is_not_called) {
  TestProvider broken(always({.status = 500})), well(always({}));
  TestAi test(reactor, two(broken, well, {{"BREAKER_FAILURES", "1"}, {"AI_ATTEMPTS", "1"}}));
  const std::string first = co_await test.ask();
  CHECK_EQ(first, "A Name");
  const auto deadline = Clock::now() + 8s;
  int before = -1;
  while (before != broken.calls() && Clock::now() < deadline) {  // the breaker opens behind the call
    before = broken.calls();
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  CHECK_EQ(before, broken.calls());
  const AiView view = co_await test.ai->look();
  CHECK(view.state == AiState::ok);  // somebody can be asked
}

ASYNC_TEST(P1_an_answer_of_no_use_gives_way_to_the_next_as_well) {
  TestProvider odd(always({.status = 404})), well(always({.text = "second"}));
  TestAi test(reactor, two(odd, well));
  const std::string answer = co_await test.ask();
  CHECK_EQ(answer, "second");
  CHECK_EQ(odd.calls(), 1);
}

ASYNC_TEST(P1_a_request_that_one_provider_does_not_understand_goes_to_the_next) {
  for (const char* words :
       {"x is not a valid model ID", "image_url is not supported", "Your credit balance is too low"}) {
    for (const int status : {400, 422}) {
      TestProvider refusing(always({.status = status, .text = words})), well(always({.text = "second"}));
      TestAi test(reactor, two(refusing, well));
      const std::string answer = co_await test.ask();
      CHECK_EQ(answer, "second");
      CHECK_EQ(refusing.calls(), 1);
    }
  }
}

ASYNC_TEST(P1_a_reply_over_its_bound_is_asked_for_once_and_opens_no_breaker) {
  TestProvider large(always({.text = std::string(1024 * 1024 + 1, 'x')}));
  TestAi test(reactor, one(large, "key", {{"BREAKER_FAILURES", "1"}, {"AI_IMAGE_REPLY_MAX", "1MiB"}}));
  const std::uint64_t opened = breakers_opened();
  const std::string text = co_await test.ask();
  CHECK_EQ(text, "502: the AI provider's answer is larger than allowed");
  CHECK_EQ(large.calls("key"), 1);
  const std::string image = co_await test.ask(9s, {.text = "draw", .wants = Answer::image});
  CHECK_EQ(image, "502: the AI provider's answer is larger than allowed");
  CHECK_EQ(large.calls("image key"), 1);
  for (int turn = 0; turn < 10; ++turn) co_await sleep_for(1ms);  // a breaker opens behind the call
  CHECK_EQ(breakers_opened(), opened);
}

ASYNC_TEST(P1_an_images_bound_is_its_setting_and_not_the_prompts) {
  const std::string png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAAAAAA" + std::string(6 * 1024 * 1024, 'A');
  TestProvider provider(always({.text = png}));
  TestAi test(reactor, one(provider, "key"));
  Prompt prompt{.text = "draw", .wants = Answer::image};
  const Completion drawn = co_await test.ai->complete(std::move(prompt), {}, Clock::now() + 9s);
  CHECK(drawn.image->base64 == png);
}

// What is found out about the one model, by whatever it says.
ASYNC_TEST(P1_a_model_for_images_that_is_refused_limited_or_broken_says_nothing_of_texts) {
  for (const Said& said :
       {Said{.status = 403}, Said{.status = 402}, Said{.status = 429, .headers = "Retry-After: 60\r\n"},
        Said{.status = 503, .headers = "Retry-After: 60\r\n"}, Said{.status = 500}}) {
    TestProvider first([said](const std::string& key, int) { return key == "image key" ? said : Said{}; });
    TestProvider second(always({.text = "second"}));
    TestAi test(reactor,
                two(first, second, {{"BREAKER_FAILURES", "1"}, {"BREAKER_OPEN_FOR", "60s"}, {"AI_ATTEMPTS", "1"}}));
    for (int i = 0; i < 3; ++i) {
      const std::string image = co_await test.ask(9s, {.text = "draw", .wants = Answer::image});
      CHECK_CONTAINS(image, "50");                                   // the second draws nothing
      for (int turn = 0; turn < 5; ++turn) co_await sleep_for(1ms);  // a breaker opens behind the call
      const std::string text = co_await test.ask();
      CHECK_EQ(text, "A Name");
    }
    CHECK_EQ(first.calls("key"), 3);
    CHECK(first.calls("image key") <= 2);
    const AiView view = co_await test.ai->look();
    CHECK(view.state == AiState::ok);
  }
}

ASYNC_TEST(P1_who_has_no_model_for_images_is_not_asked_for_them) {
  TestProvider texts(always({})), images(always({.status = 400, .text = "reached"}));
  TestAi test(reactor, two(texts, images, {{"OPENAI_IMAGE_MODEL", ""}}));
  const std::string answer = co_await test.ask(9s, {.text = "draw", .wants = Answer::image});
  CHECK_CONTAINS(answer, "502");
  CHECK_EQ(texts.calls(), 0);
  CHECK_EQ(images.calls(), 1);
  TestAi neither(reactor, one(texts, "key", {{"OPENAI_IMAGE_MODEL", ""}}));
  const std::string refusal = co_await neither.ask(9s, {.text = "draw", .wants = Answer::image});
  CHECK_EQ(refusal, "502: no AI provider is set up for this");
}

ASYNC_TEST(P1_offline_as_the_last_answers_by_the_module_itself) {
  TestProvider broken(always({.status = 500}));
  TestAi test(reactor, one(broken, "key", {{"AI_PROVIDER", "openai,offline"}, {"AI_ATTEMPTS", "1"}}));
  const std::string text = co_await test.ask(9s, {.text = "x", .offline = [] { return "its own"; }});
  CHECK_EQ(text, "its own");
  CHECK_EQ(broken.calls(), 1);
  // 1 x 1 pixels in base64 are an image
  Prompt drawn{
      .text = "x", .wants = Answer::image, .offline = [] { return "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAAAAAA=="; }};
  const Completion image = co_await test.ai->complete(std::move(drawn), {}, Clock::now() + 9s);
  CHECK_EQ(image.image->media_type, "image/png");
}

// ---- P2 ----

ASYNC_TEST(P2_with_one_of_two_keys_dead_nothing_fails) {
  for (const int status : {401, 402, 403}) {
    TestProvider provider(with_dead({.status = status}));
    TestAi test(reactor, one(provider, "dead*5,alive", {{"AI_ATTEMPTS", "1"}, {"BREAKER_FAILURES", "1"}}));
    for (int i = 0; i < 50; ++i) {
      const std::string answer = co_await test.ask();
      CHECK_EQ(answer, "A Name");
    }
    CHECK_EQ(provider.calls("alive"), 50);
    CHECK(provider.calls("dead") <= 1);
    const AiView view = co_await test.ai->look();
    CHECK(view.state == AiState::ok);  // a dead key is not an outage
  }
}

ASYNC_TEST(P2_a_bill_to_pay_is_a_dead_key) {
  TestProvider provider(with_dead({.status = 429, .text = R"(x","code":"insufficient_quota)"}));
  TestAi test(reactor, one(provider, "dead*100,alive"));
  for (int i = 0; i < 20; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  CHECK_EQ(provider.calls("alive"), 20);
  CHECK(provider.calls("dead") <= 1);
}

ASYNC_TEST(P2_a_limited_key_gives_way_to_another_at_once_and_it_is_no_attempt) {
  TestProvider provider(with_dead({.status = 429, .headers = "Retry-After: 60\r\n"}));
  TestAi test(reactor, one(provider, "dead*100,alive", {{"AI_ATTEMPTS", "1"}}));
  for (int i = 0; i < 20; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "A Name");
  }
  CHECK(provider.calls("dead") <= 1);
}

ASYNC_TEST(P2_a_limited_provider_gives_way_to_the_next_at_once) {
  TestProvider limited(always({.status = 429, .headers = "Retry-After: 60\r\n"})), well(always({.text = "second"}));
  TestAi test(reactor, two(limited, well));
  for (int i = 0; i < 5; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "second");
  }
  CHECK_EQ(limited.calls(), 1);
}

ASYNC_TEST(P2_a_provider_that_is_out_of_order_and_says_for_how_long_rests_as_a_limited_one) {
  TestProvider broken(always({.status = 503, .headers = "Retry-After: 3600\r\n"})), well(always({.text = "second"}));
  TestAi test(reactor, two(broken, well));
  for (int i = 0; i < 5; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_EQ(answer, "second");
  }
  CHECK_EQ(broken.calls(), 1);
}

ASYNC_TEST(P2_where_all_are_limited_the_first_that_is_back_is_waited_for) {
  TestProvider provider([](const std::string& key, int before) {
    if (before > 0) return Said{.text = key};
    return Said{.status = 429, .headers = key == "a" ? "Retry-After: 1\r\n" : "Retry-After: 9\r\n"};
  });
  TestAi test(reactor, one(provider, "a,b"));
  const std::string answer = co_await test.ask();
  CHECK_EQ(answer, "a");
  CHECK_EQ(provider.calls(), 3);
}

ASYNC_TEST(P2_a_provider_that_is_always_limited_is_given_up_after_its_attempts) {
  TestProvider provider(always({.status = 429}));
  TestAi test(reactor, one(provider, "key"));
  const std::string answer = co_await test.ask();
  CHECK_CONTAINS(answer, "502");
  CHECK_EQ(provider.calls(), 2);
}

ASYNC_TEST(P2_when_every_key_is_dead_the_provider_is_out_of_order) {
  TestProvider provider(always({.status = 401}));
  TestAi test(reactor, one(provider, "a,b", {{"BREAKER_FAILURES", "1"}}));
  const std::string answer = co_await test.ask();
  CHECK_CONTAINS(answer, "502");
  CHECK_EQ(provider.calls("a"), 1);
  CHECK_EQ(provider.calls("b"), 1);
  co_await until_state(*test.ai, AiState::open);
}

// ---- P3, P4 ----

ASYNC_TEST(P3_a_prompt_refused_for_what_it_says_is_sent_to_nobody_else) {
  for (const int status : {400, 422}) {
    TestProvider refusing(always({.status = status, .text = "rejected by our safety system"})), other(always({}));
    TestAi test(reactor, two(refusing, other));
    const std::string answer = co_await test.ask();
    CHECK_CONTAINS(answer, "502");
    CHECK_EQ(refusing.calls(), 1);
    CHECK_EQ(other.calls(), 0);
  }
}

ASYNC_TEST(P3_who_refuses_a_schema_is_asked_once_more_without_it) {
  const Said refusal{.status = 400, .text = "response_format is not supported"};
  TestProvider provider([refusal](const std::string&, int before) { return before == 0 ? refusal : Said{}; });
  TestAi test(reactor, one(provider, "key"));
  const std::string answer = co_await test.ask(9s, {.text = "x", .schema = "{}"});
  CHECK_EQ(answer, "A Name");
  CHECK_EQ(provider.calls(), 2);
  TestProvider stubborn(always(refusal));
  TestAi once(reactor, one(stubborn, "key"));
  const std::string refused = co_await once.ask(9s, {.text = "x", .schema = "{}"});
  CHECK_CONTAINS(refused, "502");
  CHECK_EQ(stubborn.calls(), 2);
  const std::string free_text = co_await once.ask();  // had no schema
  CHECK_CONTAINS(free_text, "502");
  CHECK_EQ(stubborn.calls(), 3);
}

ASYNC_TEST(P3_a_flagged_prompt_is_no_dead_key) {
  TestProvider flagging(always({.status = 403, .text = R"(x","metadata":{"reasons":["violence"]},"y":")"}));
  TestAi test(reactor, one(flagging, "a,b"));
  for (int i = 1; i <= 3; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_CONTAINS(answer, "502");
    CHECK_EQ(flagging.calls(), i);
  }
  const AiView view = co_await test.ai->look();
  CHECK(view.state == AiState::ok);
}

ASYNC_TEST(P4_a_bill_that_has_been_paid_is_found_out_where_nobody_else_is_left) {
  TestProvider provider([](const std::string&, int before) { return Said{.status = before < 2 ? 402 : 200}; });
  TestAi test(reactor, one(provider, "key"));
  for (int i = 0; i < 2; ++i) {
    const std::string answer = co_await test.ask();
    CHECK_CONTAINS(answer, "502");
  }
  const AiView refused = co_await test.ai->look();
  CHECK(refused.state == AiState::no_key);
  const std::string answer = co_await test.ask();
  CHECK_EQ(answer, "A Name");
  const AiView view = co_await test.ai->look();
  CHECK(view.state == AiState::ok);
}

// ---- P5: tests/core/ai/ai_pair_test.cc ----

// ---- P6 ----

ASYNC_TEST(P6_after_the_deadline_nobody_is_asked) {
  TestProvider provider(always({}));
  TestAi test(reactor, one(provider, "key"));
  const std::string answer = co_await test.ask(0ms);
  CHECK_CONTAINS(answer, "504");
  CHECK_EQ(provider.calls(), 0);
}

ASYNC_TEST(P6_a_call_ends_with_the_deadline) {
  TestProvider provider(always({.wait = 60s}));
  TestAi test(reactor, one(provider, "key"));
  const std::string answer = co_await test.ask(1s);  // AI_TIMEOUT is 60 s: without the deadline the test would hang
  CHECK_CONTAINS(answer, "504");
  CHECK_EQ(provider.calls(), 1);
}

ASYNC_TEST(P6_a_wait_that_would_go_beyond_the_deadline_is_not_begun) {
  TestProvider limited(always({.status = 429, .headers = "Retry-After: 20\r\n"}));
  TestAi first(reactor, one(limited, "key"));
  const std::string busy = co_await first.ask(8s);  // as above
  CHECK_CONTAINS(busy, "502");
  const std::string resting = co_await first.ask(8s);
  CHECK_EQ(resting, "503: the AI provider wants to be asked less often");
  CHECK_EQ(limited.calls(), 1);
  TestProvider broken(always({.status = 503, .headers = "Retry-After: 20\r\n"}));
  TestAi second(reactor, one(broken, "key"));
  const std::string answer = co_await second.ask(8s);
  CHECK_CONTAINS(answer, "502");
  CHECK_EQ(broken.calls(), 1);
}

ASYNC_TEST(P6_what_the_deadline_ends_is_not_the_providers_fault) {
  TestProvider provider(always({.wait = 60s}));
  TestAi test(reactor, one(provider, "key", {{"BREAKER_FAILURES", "1"}}));
  const std::uint64_t opened = breakers_opened();
  const std::string answer = co_await test.ask(500ms);
  CHECK_CONTAINS(answer, "504");
  for (int turn = 0; turn < 10; ++turn) co_await sleep_for(1ms);  // a breaker opens behind the call
  CHECK_EQ(breakers_opened(), opened);
}

// ---- P7 ----

namespace {

// What a job makes of the failure that the call ends with.
Async<Retry> retry_of(TestAi& test, Prompt prompt = {.text = "name it"}) {
  test.failed.reset();
  const std::string answer = co_await test.ask(9s, std::move(prompt));
  if (!test.failed) test::fail("it was answered: " + answer);
  co_return info(test.failed->kind()).retry;
}

}  // namespace

ASYNC_TEST(P7_a_prompt_that_is_refused_is_refused_for_good_and_so_is_what_no_other_try_mends) {
  for (const int status : {400, 404, 413, 422}) {
    TestProvider refusing(always({.status = status}));
    TestAi test(reactor, one(refusing, "key"));
    const Retry retry = co_await retry_of(test);
    CHECK(retry == Retry::never);
    CHECK_EQ(test.failed->message(), fmt::format("the AI provider answered {}", status));
    CHECK_EQ(refusing.calls(), 1);
  }
  TestProvider texts(always({}));
  TestAi neither(reactor, one(texts, "key", {{"OPENAI_IMAGE_MODEL", ""}}));
  const Retry retry = co_await retry_of(neither, {.text = "draw", .wants = Answer::image});
  CHECK(retry == Retry::never);
}

ASYNC_TEST(P7_what_fails_for_good_at_one_provider_and_not_at_another_is_worth_another_attempt) {
  TestProvider odd(always({.status = 404})), broken(always({.status = 500})), well(always({}));
  for (const auto& [first, second] : {std::pair(&odd, &broken), std::pair(&broken, &odd)}) {
    TestAi test(reactor, two(*first, *second, {{"AI_ATTEMPTS", "1"}}));
    const Retry retry = co_await retry_of(test);
    CHECK(retry == Retry::again);
    CHECK_EQ(test.failed->message(), "the AI provider answered 500");
  }
  TestProvider limited(always({.status = 429, .headers = "Retry-After: 60\r\n"}));
  TestAi test(reactor, two(odd, limited));
  const Retry retry = co_await retry_of(test);
  CHECK(retry == Retry::again);
  CHECK(test.failed->retry_after() > 50s);
}

ASYNC_TEST(P7_a_refused_key_or_a_timeout_is_an_attempt) {
  TestProvider dead(always({.status = 401})), slow(always({.wait = 60s}));
  TestAi refused(reactor, one(dead, "key"));
  Retry retry = co_await retry_of(refused);
  CHECK(retry == Retry::again);
  TestAi late(reactor, one(slow, "key", {{"AI_TIMEOUT", "100ms"}, {"AI_ATTEMPTS", "1"}}));
  retry = co_await retry_of(late);
  CHECK(retry == Retry::again);
}

ASYNC_TEST(P7_who_is_told_when_to_come_back_has_made_no_attempt) {
  for (const int status : {429, 503}) {
    TestProvider limited(always({.status = status, .headers = "Retry-After: 3600\r\n"}));
    TestAi test(reactor, one(limited, "key"));
    Retry retry = co_await retry_of(test);
    CHECK(retry == Retry::later);
    CHECK_EQ(test.failed->message(), fmt::format("the AI provider answered {}", status));
    CHECK(test.failed->retry_after() > 3500s);
    retry = co_await retry_of(test);  // all keys rest by now
    CHECK(retry == Retry::later);
    CHECK_EQ(test.failed->message(), "the AI provider wants to be asked less often");
    CHECK(test.failed->retry_after() > 30s);
    CHECK_EQ(limited.calls(), 1);
  }
}

ASYNC_TEST(P7_of_those_who_cant_be_asked_the_first_that_is_back_is_waited_for) {
  TestProvider hour(always({.status = 429, .headers = "Retry-After: 3600\r\n"}));
  TestProvider minute(always({.status = 429, .headers = "Retry-After: 60\r\n"}));
  for (const auto& [first, second] : {std::pair(&hour, &minute), std::pair(&minute, &hour)}) {
    TestAi test(reactor, two(*first, *second));
    const Retry retry = co_await retry_of(test);
    CHECK(retry == Retry::later);
    CHECK(test.failed->retry_after() <= 60s);
  }
}

ASYNC_TEST(P7_while_a_breaker_is_open_nothing_is_an_attempt_and_neither_is_its_probe) {
  for (const int status : {500, 401}) {
    TestProvider broken(always({.status = status}));
    TestAi test(reactor,
                one(broken, "key", {{"BREAKER_FAILURES", "1"}, {"BREAKER_OPEN_FOR", "200ms"}, {"AI_ATTEMPTS", "1"}}));
    Retry retry = co_await retry_of(test);
    CHECK(retry == Retry::again);
    co_await until_state(*test.ai, AiState::open);
    const int before = broken.calls();
    retry = co_await retry_of(test);
    CHECK(retry == Retry::later);
    CHECK_EQ(test.failed->message(), "the AI provider is out of order");
    CHECK(test.failed->retry_after() <= 200ms);
    CHECK_EQ(broken.calls(), before);
    co_await until_state(*test.ai, AiState::probing);
    retry = co_await retry_of(test);
    CHECK(retry == Retry::later);
    CHECK_EQ(broken.calls(), before + 1);
  }
}

ASYNC_TEST(P7_a_call_that_failed_before_the_breaker_opened_is_an_attempt_that_waits_as_long) {
  TestProvider broken(always({.status = 500}));
  TestAi test(reactor, one(broken, "key", {{"BREAKER_FAILURES", "1"}, {"BREAKER_OPEN_FOR", "60s"}}));
  const Retry retry = co_await retry_of(test);
  CHECK(retry == Retry::again);
  CHECK_EQ(broken.calls(), 1);
  CHECK(test.failed->retry_after() > 50s);
}
