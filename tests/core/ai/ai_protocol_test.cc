#include "core/ai/ai_protocol.h"

#include "support/check.h"
#include "wire/json.h"

using namespace plugfleet;

namespace {

const AiTarget kChat{"openai", Protocol::chat_completions, "http://x/v1", "the-key", "m"};
const AiTarget kGemini{"gemini", Protocol::gemini, "http://x/v1beta", "the-key", "m"};

std::string body_of(const ProviderCall& call) {
  std::string body;
  for (const std::string_view part : call.request.body) body += part;
  return body;
}

std::expected<Completion, ProviderFault> read(const AiTarget& target, int status, std::string body) {
  return read_reply(target, {.status = status, .body = std::move(body)}, Answer::text);
}

ProviderFault fault(const AiTarget& target, int status, std::string body) {
  auto result = read(target, status, std::move(body));
  if (result) test::fail("no fault: " + result->text);
  return result.error();
}

}  // namespace

TEST(an_image_goes_out_as_the_view_it_came_in_as) {
  const std::string image = "QUJD";
  const Prompt prompt{.text = "say \"hi\"\n", .image = PromptImage{"image/png", image}};
  for (const AiTarget& target : {kChat, kGemini}) {
    const ProviderCall call = make_call(target, prompt, {"trace-1", "00-a"});
    CHECK_EQ(call.request.body.size(), 3u);
    CHECK(call.request.body[1].data() == image.data());
    CHECK(Json::parse(body_of(call)).has_value());
  }
  const auto chat = Json::parse(body_of(make_call(kChat, prompt, {})));
  const Json content = (*chat)["messages"].at(0)["content"];
  CHECK_EQ(content.at(0)["text"].string().value(), "say \"hi\"\n");
  CHECK_EQ(content.at(1)["image_url"]["url"].string().value(), "data:image/png;base64,QUJD");
  const auto gemini = Json::parse(body_of(make_call(kGemini, prompt, {})));
  const Json part = (*gemini)["contents"].at(0)["parts"].at(1)["inlineData"];
  CHECK_EQ(part["mimeType"].string().value(), "image/png");
  CHECK_EQ(part["data"].string().value(), "QUJD");
}

TEST(an_answer_is_read_with_its_usage) {
  const auto chat = read(
      kChat, 200,
      R"({"model":"real","choices":[{"message":{"content":"A Name"}}],"usage":{"prompt_tokens":7,"completion_tokens":2}})");
  CHECK_EQ(chat->text, "A Name");
  CHECK_EQ(chat->model, "real");
  CHECK_EQ(chat->usage.input_tokens, 7);
  const auto gemini =
      read(kGemini, 200,
           R"({"candidates":[{"content":{"parts":[{"text":"A Name"}]}}],"usageMetadata":{"candidatesTokenCount":3}})");
  CHECK_EQ(gemini->text, "A Name");
  CHECK_EQ(gemini->usage.output_tokens, 3);
}

TEST(an_error_inside_a_200_is_an_error) {
  const ProviderFault overloaded = fault(kChat, 200, R"({"error":{"code":503,"message":"overloaded"}})");
  CHECK(overloaded.retryable);
  CHECK(overloaded.blame == Blame::outage);
  CHECK(!fault(kChat, 200, R"({"error":{"code":400,"message":"bad"}})").retryable);
}

TEST(what_trying_again_cannot_mend_is_not_retried) {
  CHECK(fault(kChat, 429, "{}").retryable);
  CHECK(fault(kChat, 429, "{}").blame == Blame::limit);
  CHECK(!fault(kChat, 429, R"({"error":{"code":"insufficient_quota"}})").retryable);
  for (const int status : {400, 401, 402, 403, 404, 413, 422}) CHECK(!fault(kChat, status, "{}").retryable);
  for (const int status : {500, 502, 503, 504, 524, 529}) CHECK(fault(kChat, status, "<html>").retryable);
  CHECK(!fault(kChat, 200, "not json").retryable);
  CHECK(!fault(kGemini, 200, R"({"promptFeedback":{"blockReason":"SAFETY"}})").retryable);
  CHECK(!fault(kGemini, 200, R"({"candidates":[{"finishReason":"SAFETY"}]})").retryable);
}

TEST(a_reply_that_could_not_be_read_is_not_asked_for_again_and_no_outage) {
  for (const AiTarget& target : {kChat, kGemini}) {
    for (const Answer wants : {Answer::text, Answer::image}) {
      const auto over = read_reply(target, {.status = 200, .unread = "is larger than allowed"}, wants);
      CHECK_EQ(over.error().failure.message(), "the AI provider's answer is larger than allowed");
      CHECK(!over.error().retryable);
      CHECK(over.error().blame == Blame::call);
      const auto broken = read_reply(target, {.status = 503, .unread = "is larger than allowed"}, wants);
      CHECK_EQ(broken.error().failure.message(), "the AI provider answered 503");
      CHECK(broken.error().retryable);
      CHECK(broken.error().blame == Blame::outage);
    }
  }
}

TEST(an_empty_answer_is_no_answer) {
  for (const char* body :
       {"{}", R"({"choices":[]})", R"({"choices":[{}]})", R"({"choices":[{"message":{"content":""}}]})",
        R"({"choices":[{"message":{"content":null}}]})", R"({"choices":{}})", R"({"choices":[7]})"}) {
    CHECK(fault(kChat, 200, body).retryable);
  }
  for (const char* body :
       {"{}", R"({"candidates":[]})", R"({"candidates":[{"content":{"parts":[]}}]})", R"({"candidates":[{}]})"}) {
    CHECK(fault(kGemini, 200, body).retryable);
  }
}

TEST(no_key_and_nothing_of_the_provider_reaches_the_client) {
  const ProviderFault leak = fault(kChat, 401, R"({"error":{"message":"Incorrect API key the-key"}})");
  CHECK(leak.failure.message().find("the-key") == std::string::npos);
}

TEST(whose_fault_it_is_decides_who_else_is_asked) {
  for (const int status : {401, 402, 403}) CHECK(fault(kChat, status, "{}").blame == Blame::key);
  for (const int status : {500, 502, 503, 529}) CHECK(fault(kChat, status, "<html>").blame == Blame::outage);
  for (const int status : {400, 404, 408, 413, 422}) CHECK(fault(kChat, status, "{}").blame == Blame::call);
  CHECK(fault(kChat, 429, R"({"error":{"type":"insufficient_quota"}})").blame == Blame::key);
  CHECK(fault(kGemini, 200, R"({"promptFeedback":{"blockReason":"SAFETY"}})").blame == Blame::prompt);
  CHECK(fault(kGemini, 200, R"({"candidates":[{"finishReason":"SAFETY"}]})").blame == Blame::prompt);
}

TEST(a_flagged_prompt_is_no_wrong_key_and_geminis_wrong_key_no_wrong_prompt) {
  const char* const flagged = R"({"error":{"code":403,"metadata":{"reasons":["violence"],"flagged_input":"x"}}})";
  CHECK(fault(kChat, 403, flagged).blame == Blame::prompt);
  const char* const invalid = R"({"error":{"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}})";
  CHECK(fault(kGemini, 400, invalid).blame == Blame::key);
  const char* const second = R"({"error":{"details":[{"@type":"Help"},{"reason":"API_KEY_INVALID"}]}})";
  CHECK(fault(kGemini, 400, second).blame == Blame::key);
  CHECK(fault(kGemini, 400, R"({"error":{"status":"FAILED_PRECONDITION"}})").blame == Blame::key);
  CHECK(fault(kGemini, 400, R"({"error":{"status":"INVALID_ARGUMENT"}})").blame == Blame::call);
}

TEST(a_failure_with_a_wait_keeps_its_message) {
  const auto failure = fault(kGemini, 503, R"({"error":{"details":[{"retryDelay":"9s"}]}})").failure;
  CHECK_EQ(failure.message(), "the AI provider answered 503");
  CHECK(failure.retry_after() == 10s);
}

TEST(an_error_is_read_wherever_it_stands) {
  const char* const listed =
      R"([{"error":{"code":400,"message":"API key not valid.","details":[{"reason":"API_KEY_INVALID"}]}}])";
  for (const AiTarget& target : {kChat, kGemini}) {
    CHECK(fault(target, 400, listed).blame == Blame::key);
    CHECK_EQ(fault(target, 400, listed).said, "API key not valid.");
  }
  for (const char* flat :
       {R"({"object":"error","message":"No such model","code":404})", R"({"detail":"No such model"})",
        R"({"detail":[{"loc":["body"],"msg":"No such model"}]})", R"({"error":"No such model"})",
        R"({"errors":[{"message":"No such model"}]})", R"({"code":"404","msg":"No such model"})"}) {
    CHECK_EQ(fault(kChat, 404, flat).said, "No such model");
    CHECK_EQ(fault(kChat, 200, flat).said, "No such model");
  }
  CHECK(fault(kChat, 200, R"({"object":"error","message":"Invalid token","code":401})").blame == Blame::key);
  const char* const hidden = R"({"error":{"message":"Provider returned error","metadata":{"raw":"overloaded"}}})";
  CHECK_EQ(fault(kChat, 502, hidden).said, "Provider returned error: overloaded");
  for (const char* none : {"null", "{}", "\"\"", "[]", "false"}) {
    const std::string body = fmt::format(R"({{"error":{},"choices":[{{"message":{{"content":"A Name"}}}}]}})", none);
    CHECK_EQ(read(kChat, 200, body)->text, "A Name");
  }
}

TEST(what_is_read_of_a_reply_is_read_however_odd_the_rest_is) {
  for (const std::string odd : {R"("id":18446744073709551616)", R"("a\/b":1)", R"("id":1,"id":2)", R"("id":"\ud83d")",
                                "\"id\":\"\xff\"", R"("id":NaN)"}) {
    CHECK_EQ(read(kChat, 200, "{" + odd + R"(,"choices":[{"message":{"content":"A Name"}}]})")->text, "A Name");
    CHECK_EQ(read(kGemini, 200, "\xef\xbb\xbf{" + odd + R"(,"candidates":[{"content":{"parts":[{"text":"A Name"}]}}]})")
                 ->text,
             "A Name");
  }
}

TEST(the_calls_own_key_is_cut_from_what_is_logged) {
  for (const char* body :
       {R"({"error":{"message":"Incorrect API key provided: the-key. See"}})", R"({"detail":"<the-key>"})",
        R"({"error":"Bearer the-key"})", R"([{"error":{"message":"the-key the-key"}}])"}) {
    for (const AiTarget& target : {kChat, kGemini}) {
      const std::string said = fault(target, 401, body).said;
      CHECK(said.find("the-key") == std::string::npos);
      CHECK_CONTAINS(said, "[key]");
    }
  }
}

TEST(a_refused_schema_is_told_from_a_refused_prompt) {
  CHECK(fault(kChat, 400, R"({"error":{"message":"response_format json_schema is not supported"}})").form);
  CHECK(fault(kChat, 422, R"({"error":{"message":"Extra inputs","param":"response_format"}})").form);
  CHECK(fault(kGemini, 400, R"({"error":{"message":"Unknown name \"responseJsonSchema\""}})").form);
  CHECK(fault(kChat, 404, R"({"error":{"message":"No endpoints with the output modalities: image, text"}})").form);
  CHECK(!fault(kChat, 400, R"({"error":{"message":"bad"}})").form);
  CHECK(!fault(kChat, 401, R"({"error":{"message":"no schema for you"}})").form);
}

TEST(geminis_retry_delay_is_a_retry_after) {
  const auto wait = [](const char* details) {
    return fault(kGemini, 429, fmt::format(R"({{"error":{{"details":{}}}}})", details)).failure.retry_after();
  };
  CHECK(wait(R"([{"@type":"QuotaFailure"},{"retryDelay":"34.07s"}])") == 35s);
  CHECK(wait(R"([{"retryDelay":"10000000000s"}])") == 65536s);
  CHECK(!wait(R"([{"retryDelay":"soon"}])"));
  CHECK(!wait("7"));
}
