#include <algorithm>

#include "core/ai/ai_replies.h"

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
  CHECK_EQ(body["messages"].at(1)["content"].string().value(), "{}");  // all that some servers take
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

TEST(an_image_is_taken_however_it_is_written) {
  std::string broken = small_png(), for_urls = small_png();
  for (std::size_t at = 20; at < broken.size(); at += 22) broken.insert(at, "\\r\\n");
  std::ranges::replace(for_urls, '+', '-');
  std::ranges::replace(for_urls, '/', '_');
  std::erase(for_urls, '=');
  const std::string png = small_png(), url = "data:image/png;base64," + png;
  const auto object = [](const char* shape, const std::string& text) {
    return fmt::format(fmt::runtime(shape), fmt::arg("x", text));
  };
  for (const std::string& message :
       {object(R"({{"images":[{{"url":"{x}"}}]}})", url), object(R"({{"images":["{x}"]}})", png),
        object(R"({{"images":[{{"b64_json":"{x}"}}]}})", broken),
        object(R"({{"images":[{{"image_url":"{x}"}}]}})", url),
        object(R"({{"content":[{{"type":"image_url","image_url":{{"url":"{x}"}}}}]}})", for_urls),
        object(R"({{"content":[{{"type":"text","text":"So:"}},{{"inline_data":{{"data":"{x}"}}}}]}})", png),
        object(R"({{"content":[{{"type":"image","source":{{"type":"base64","data":"{x}"}}}}]}})", png),
        object(R"({{"content":"Here: ![a fox]({x}) as asked"}})", url),
        object(R"({{"images":[{{"url":"DATA:image/png;base64,{x}"}}]}})", png)}) {
    const auto answer = read(kOpenrouter, R"({"choices":[{"message":)" + message + "}]}", Answer::image);
    if (!answer || answer->image->base64.substr(0, 40) != png.substr(0, 40)) fail("no image in " + message);
  }
  CHECK(read(kOpenrouter, R"({"data":[{"b64_json":")" + png + R"("}]})", Answer::image)->image.has_value());
}

TEST(why_an_image_is_missing_is_said_and_a_link_is_not_followed) {
  const auto why = [](const char* image) { return fault(kOpenrouter, drawn(image), Answer::image).failure.message(); };
  CHECK_EQ(why("HTTPS://example.com/a.png"), "the AI provider's image is a link, which is not followed");
  CHECK_EQ(why("data:image/png;base64,!!!!"), "the AI provider's image is not Base64");
  CHECK_EQ(why("data:image/png;base64,QUJDREVGR0hJSktMTU5PUA=="), "the AI provider's image is not a PNG, JPEG or WebP");
  CHECK_EQ(fault(kOpenai, R"({"data":[{"url":"http://10.0.0.1/a.png"}]})", Answer::image).failure.message(),
           "the AI provider's image is a link, which is not followed");
}

TEST(the_texts_among_parts_are_the_answer_and_thoughts_are_not) {
  for (
      const char* content :
      {R"([{"type":"text","text":"Blue "},{"type":"text","text":"Card"}])",
       R"([{"type":"thinking","thinking":"Hm."},{"type":"reasoning","text":"Hm."},{"type":"text","text":"Blue Card"}])",
       R"([{"thought":true,"text":"Hm."},{"text":"Blue Card"}])", R"({"type":"text","text":"Blue Card"})",
       R"([null,7,{"type":"output_text","text":{"value":"Blue Card","annotations":[]}}])"})
    CHECK_EQ(read(kOpenai, fmt::format(R"({{"choices":[{{"message":{{"content":{}}}}}]}})", content))->text,
             "Blue Card");
}

TEST(what_was_only_thought_is_not_paid_for_twice) {
  for (const char* message : {R"({"content":"","reasoning_content":"Hm."})", R"({"content":null,"reasoning":"Hm."})",
                              R"({"content":[{"type":"thinking","thinking":"Hm."}]})"})
    CHECK(!fault(kOpenai, fmt::format(R"({{"choices":[{{"message":{}}}]}})", message)).retryable);
  CHECK(!fault(kOpenai, R"({"choices":[{"finish_reason":"length","message":{"content":""}}]})").retryable);
}

TEST(a_tools_arguments_are_the_answer_where_nothing_else_is_said) {
  CHECK_EQ(read(kOpenai, R"({"choices":[{"finish_reason":"tool_calls","message":{"content":null,"tool_calls":[
      {"type":"function","function":{"name":"answer","arguments":"{\"a\":1}"}}]}}]})")
               ->text,
           R"({"a":1})");
}

TEST(an_answer_in_pieces_is_one_where_it_came_to_its_end) {
  const std::string first = R"(data: {"model":"m","choices":[{"delta":{"content":"Blue "}}]})"
                            "\n\n";
  const std::string last = R"(data: {"choices":[{"delta":{"content":"Card"},"finish_reason":"stop"}]})"
                           "\n\n";
  const std::string usage = R"(data: {"choices":[],"usage":{"prompt_tokens":7}})"
                            "\n\ndata: [DONE]\n\n";
  const auto answer = read(kOpenai, first + last + usage);
  CHECK_EQ(answer->text, "Blue Card");
  CHECK_EQ(answer->usage.input_tokens, 7);
  CHECK(fault(kOpenai, first).retryable);  // cut off
  CHECK_EQ(read(kOpenai, R"(data: {"choices":[{"message":{"content":"Blue Card"}}]})")->text, "Blue Card");
}

TEST(a_piece_of_a_text_that_was_refused_or_broken_off_is_no_answer) {
  const auto ended = [](const char* finish) {
    return fault(kOpenai,
                 fmt::format(R"({{"choices":[{{"finish_reason":"{}","message":{{"content":"Blue Ca"}}}}]}})", finish));
  };
  for (const char* finish : {"content_filter", "CONTENT-FILTER", "refusal", "sensitive", "SAFETY"}) {
    const ProviderFault refused = ended(finish);
    CHECK(!refused.retryable && refused.blame == Blame::prompt);
    CHECK_EQ(refused.said, finish);
  }
  CHECK(ended("error").retryable);
  CHECK(ended("error").blame == Blame::outage);
  CHECK_EQ(ended("error").said, "error");
  CHECK(!fault(kOpenai, R"({"choices":[{"message":{"content":"Blue Ca","refusal":"I can't."}}]})").retryable);
  const ProviderFault inside =
      fault(kOpenrouter, R"({"choices":[{"message":{"content":"Blue Ca","error":{"code":502,"message":"cut off"}}}]})");
  CHECK(inside.blame == Blame::outage);
  CHECK_EQ(inside.said, "cut off");
}

TEST(a_plain_prompt_is_without_a_schema_and_asks_for_an_image_alone) {
  CHECK(body_for(kOpenai, {.text = "x", .schema = "{}", .plain = true})["response_format"].is_null());
  CHECK(body_for(kGemini, {.text = "x", .schema = "{}", .plain = true})["generationConfig"].is_null());
  const Json drawn = body_for(kOpenrouter, {.text = "x", .wants = Answer::image, .plain = true});
  CHECK_EQ(drawn["modalities"].size(), 1u);
  CHECK_EQ(drawn["modalities"].at(0).string().value(), "image");
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
