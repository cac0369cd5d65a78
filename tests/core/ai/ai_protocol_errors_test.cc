#include "core/ai/ai_replies.h"

using namespace plugfleet;
using test::kGemini;
using test::kOpenai;
using test::kOpenrouter;

namespace {

ProviderFault error_of(const AiTarget& target, int status, const std::string& body) {
  return test::fault(target, body, Answer::text, status);
}

std::string saying(const std::string& words) { return fmt::format(R"({{"error":{{"message":"{}"}}}})", words); }

}  // namespace

TEST(a_status_says_whether_to_try_again_and_whose_fault_it_is) {
  for (const AiTarget& target : {kOpenai, kOpenrouter, kGemini}) {
    for (const int status :
         {500, 502, 503, 504, 507, 508, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599}) {
      CHECK(error_of(target, status, "<html>").retryable);
      CHECK(error_of(target, status, saying("x")).blame == Blame::outage);
    }
    for (const int status : {501, 505}) {
      CHECK(!error_of(target, status, "<html>").retryable);
      CHECK(error_of(target, status, saying("x")).blame == Blame::outage);
    }
    for (const int status : {408, 409, 425}) {
      CHECK(error_of(target, status, "<html>").retryable);
      CHECK(error_of(target, status, saying("x")).blame == Blame::call);
    }
    for (const int status : {301, 400, 404, 407, 410, 413, 418, 422, 451, 600}) {
      CHECK(!error_of(target, status, "<html>").retryable);
      CHECK(error_of(target, status, saying("x")).blame == Blame::call);
    }
  }
}

TEST(a_status_inside_a_200_is_judged_as_one_outside) {
  for (const int status : {409, 425, 520, 522, 530})
    CHECK(error_of(kOpenrouter, 200, fmt::format(R"({{"error":{{"code":{},"message":"x"}}}})", status)).retryable);
}

TEST(only_a_refusal_of_the_content_is_the_prompts_fault) {
  const std::string refusals[] = {
      saying("Your request was rejected as a result of our safety system."),
      saying("Invalid prompt: your prompt was flagged as potentially violating our usage policy."),
      saying("The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
      saying("Content Exists Risk"),
      saying("Input data may contain inappropriate content."),
      saying("litellm.ContentPolicyViolationError: x"),
      saying("It contains sensitive words that violate Google's Responsible AI practices."),
      R"({"error":{"message":"x","code":"content_policy_violation"}})",
      R"({"error":{"message":"x","code":"moderation_blocked","type":"image_generation_user_error"}})",
      R"({"error":{"message":"x","code":"content_filter"}})",
      R"({"error":{"message":"x","code":"400","innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
      R"({"error":{"message":"x","code":"data_inspection_failed"}})",
      R"({"error":{"message":"Provider returned error","metadata":{"raw":"blocked by our content filter"}}})"};
  const std::string others[] = {saying("gpt-9 is not a valid model ID"),
                                saying("Invalid content type. image_url is only supported by certain models."),
                                saying("image_url is not supported"),
                                saying("This model's maximum context length is 8192 tokens."),
                                saying("Invalid image data"),
                                saying("Unknown parameter: 'n'."),
                                saying("The model name is case sensitive"),
                                saying("* GenerateContentRequest.contents: contents is not specified"),
                                "{}",
                                "<html>"};
  for (const AiTarget& target : {kOpenai, kOpenrouter, kGemini}) {
    for (const int status : {400, 422}) {
      for (const std::string& body : refusals) {
        const ProviderFault refused = error_of(target, status, body);
        CHECK(refused.blame == Blame::prompt);
        CHECK(!refused.retryable);
      }
      for (const std::string& body : others) {
        const ProviderFault odd = error_of(target, status, body);
        CHECK(odd.blame == Blame::call);
        CHECK(!odd.retryable);
      }
    }
  }
  CHECK(error_of(kOpenrouter, 200, refusals[0]).blame == Blame::prompt);  // it says no status of its own
  CHECK(error_of(kOpenrouter, 200, refusals[7]).blame == Blame::prompt);
  CHECK(error_of(kOpenrouter, 200, saying("x")).blame == Blame::outage);
}

TEST(a_bill_or_a_wrong_key_is_the_keys_fault_with_any_status) {
  for (const AiTarget& target : {kOpenai, kOpenrouter, kGemini}) {
    for (const int status : {400, 422}) {
      for (const char* words : {"Your credit balance is too low to access the Anthropic API.",
                                "Billing hard limit has been reached", "Incorrect API key provided: ab***yz.",
                                "API key expired. Please renew the API key.", "Insufficient Balance"}) {
        CHECK(error_of(target, status, saying(words)).blame == Blame::key);
      }
    }
    for (const int status : {400, 403, 429})
      CHECK(error_of(target, status, R"({"error":{"code":"billing_hard_limit_reached"}})").blame == Blame::key);
  }
}
