#include "core/ai_replies.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

std::string drawn(const std::string& url, const std::string& usage = "{}") {
  return R"({"choices":[{"message":{"content":"Here.","images":[{"type":"image_url","image_url":{"url":")" + url +
         R"("}}]}}],"usage":)" + usage + "}";
}

Usage usage_of(const std::string& usage) {
  return read(kOpenrouter, R"({"choices":[{"message":{"content":"x"}}],"usage":)" + usage + "}")->usage;
}

}  // namespace

TEST(instructions_are_the_systems_and_the_text_the_users) {
  const Json body = body_for(kOpenrouter, {.instructions = "Be \"brief\".", .text = "{}"});
  CHECK_EQ(body["messages"].size(), 2u);
  CHECK_EQ(body["messages"].at(0)["role"].string().value(), "system");
  CHECK_EQ(body["messages"].at(0)["content"].string().value(), "Be \"brief\".");
  CHECK_EQ(body["messages"].at(1)["role"].string().value(), "user");
  CHECK_EQ(body["messages"].at(1)["content"].at(0)["text"].string().value(), "{}");
  CHECK_EQ(body_for(kOpenrouter, {.text = "x"})["messages"].size(), 1u);
}

TEST(a_schema_is_asked_for_strictly) {
  const Json body = body_for(kOpenai, {.text = "x", .schema = R"({"type":"object"})"});
  const Json format = body["response_format"];
  CHECK_EQ(format["type"].string().value(), "json_schema");
  CHECK_EQ(format["json_schema"]["name"].string().value(), "answer");
  CHECK(format["json_schema"]["strict"].boolean().value());
  CHECK_EQ(format["json_schema"]["schema"]["type"].string().value(), "object");
  CHECK(body_for(kOpenai, {.text = "x"})["response_format"].is_null());
}

TEST(openrouter_draws_where_it_talks) {
  const Prompt prompt{.text = "a fox", .wants = Answer::image, .reply_max = 7};
  const ProviderCall call = make_call(kOpenrouter, prompt, {});
  CHECK_EQ(call.request.url, "http://x/v1/chat/completions");
  CHECK_EQ(call.request.reply_max, 7u);
  const Json body = body_of(call);
  CHECK_EQ(body["model"].string().value(), "drawer");
  CHECK_EQ(body["modalities"].at(0).string().value(), "image");
  CHECK_EQ(body["modalities"].at(1).string().value(), "text");
}

TEST(openai_draws_elsewhere) {
  const std::string image = "QUJD";
  const Prompt prompt{.instructions = "Flat.",
                      .text = "a fox",
                      .image = PromptImage{"image/png", image},  // which this way cannot take
                      .wants = Answer::image};
  const ProviderCall call = make_call(kOpenai, prompt, {});
  CHECK_EQ(call.request.url, "http://x/v1/images/generations");
  CHECK_EQ(body_of(call).dump(), R"({"model":"drawer","prompt":"Flat.\n\na fox","n":1})");
  const auto answer =
      read(kOpenai, R"({"data":[{"b64_json":")" + small_png() + R"("}],"usage":{"input_tokens":5,"output_tokens":9}})",
           Answer::image);
  CHECK_EQ(answer->image->base64, small_png());
  CHECK_EQ(answer->image->media_type, "image/png");
  CHECK_EQ(answer->usage.input_tokens, 5);
  CHECK_EQ(answer->usage.output_tokens, 9);
  CHECK(fault(kOpenai, R"({"data":[]})", Answer::image).retryable);
  CHECK(!fault(kOpenai, R"({"data":[{"url":"https://x/a.png"}]})", Answer::image).retryable);
}

TEST(an_image_comes_back_without_its_prefix_and_named_by_its_bytes) {
  const auto answer =
      read(kOpenrouter, drawn("data:image/jpeg;base64," + small_png(), R"({"cost":0.04})"), Answer::image);
  CHECK_EQ(answer->image->base64, small_png());
  CHECK_EQ(answer->image->media_type, "image/png");
  CHECK_EQ(answer->text, "Here.");
  CHECK_EQ(answer->usage.cost_usd, 0.04);
  std::string escaped = small_png();
  for (std::size_t at = 0; (at = escaped.find('/', at)) != escaped.npos; at += 2) escaped.insert(at, "\\");
  CHECK(escaped != small_png());
  CHECK_EQ(read(kOpenrouter, drawn("data:image\\/png;base64," + escaped), Answer::image)->image->base64, small_png());
}

TEST(the_last_of_several_images_counts) {
  const std::string url = R"({"image_url":{"url":"data:image/png;base64,)";
  const auto answer = read(kOpenrouter,
                           R"({"choices":[{"message":{"images":[)" + url + R"(iVBORw0KGgoAAAAN"}},)" + url +
                               small_png() + R"("}},{"image_url":{"url":"no image"}}, 7]}}]})",
                           Answer::image);
  CHECK_EQ(answer->image->base64, small_png());
}

TEST(an_image_that_is_none_is_not_paid_for_twice) {
  for (const std::string url :
       {"", "data:", "data:,", "data:image/png;base64,", "data:image/png;base64,!!!!", "https://example.com/a.png",
        "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=", "data:image/png;base64,QUJDREVGR0hJSktMTU5PUA=="}) {
    CHECK(!fault(kOpenrouter, drawn(url), Answer::image).retryable);
  }
  for (const char* message : {R"({"content":"I would rather not."})", R"({"images":[]})", R"({"images":{}})",
                              R"({"images":"x"})", R"({"images":[{"image_url":7}]})", R"({"images":[[]]})"}) {
    CHECK(!fault(kOpenrouter, fmt::format(R"({{"choices":[{{"message":{}}}]}})", message), Answer::image).retryable);
  }
  CHECK(fault(kOpenrouter, R"({"choices":[]})", Answer::image).retryable);
}

TEST(what_was_used_is_added_up_where_it_can_be_true) {
  const Usage usual = usage_of(R"({"prompt_tokens":7,"completion_tokens":2,"cost":0.5})");
  CHECK_EQ(usual.calls, 1);
  CHECK_EQ(usual.input_tokens, 7);
  CHECK_EQ(usual.output_tokens, 2);
  CHECK_EQ(usual.cost_usd, 0.5);
  for (const char* hostile :
       {R"({"prompt_tokens":9223372036854775807,"completion_tokens":-5,"cost":1e300})",
        R"({"prompt_tokens":1e30,"completion_tokens":18446744073709551615,"cost":-3})",
        R"({"prompt_tokens":"7","completion_tokens":[2],"cost":"0.5"})",
        R"({"prompt_tokens":{},"completion_tokens":1.5,"cost":true})", "[]", "7", "null", R"("x")", "{}"}) {
    const Usage none = usage_of(hostile);
    CHECK_EQ(none.calls, 1);
    CHECK_EQ(none.input_tokens, 0);
    CHECK_EQ(none.output_tokens, 0);
    CHECK_EQ(none.cost_usd, 0);
  }
}

TEST(a_text_that_was_cut_short_is_a_text) {
  const auto cut = read(kOpenai, R"({"choices":[{"finish_reason":"length","message":{"content":"{\"variants\":["}}]})");
  CHECK_EQ(cut->text, "{\"variants\":[");
}

TEST(a_refusal_is_not_asked_again) {
  CHECK(!fault(kOpenai, R"({"choices":[{"message":{"content":null,"refusal":"I can't."}}]})").retryable);
  CHECK(!fault(kOpenai, R"({"choices":[{"finish_reason":"content_filter","message":{"content":""}}]})").retryable);
}

TEST(an_error_inside_the_choice_is_an_error_even_beside_a_text) {
  const ProviderFault broken =
      fault(kOpenrouter,
            R"({"choices":[{"error":{"code":502,"message":"cut off"},"message":{"content":"Half"}}],"error":null})");
  CHECK(broken.retryable);
  CHECK(broken.blame == Blame::outage);
  CHECK_EQ(broken.said, "cut off");
}
