#include "core/ai/ai_replies.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

std::string answered(const std::string& parts, const char* finish = "STOP") {
  return R"({"candidates":[{"content":{"parts":)" + parts + R"(},"finishReason":")" + finish +
         R"("}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":20}})";
}

std::string inline_image(const std::string& base64, const std::string& more = "") {
  return R"({"inlineData":{"mimeType":"image/jpeg","data":")" + base64 + "\"}" + more + "}";
}

}  // namespace

TEST(instructions_and_a_schema_have_places_of_their_own) {
  const Json body = body_for(kGemini, {.instructions = "Be \"brief\".", .text = "x", .schema = R"({"type":"object"})"});
  CHECK_EQ(body["systemInstruction"]["parts"].at(0)["text"].string().value(), "Be \"brief\".");
  CHECK_EQ(body["generationConfig"]["responseMimeType"].string().value(), "application/json");
  CHECK_EQ(body["generationConfig"]["responseJsonSchema"]["type"].string().value(), "object");
  CHECK_EQ(body["contents"].size(), 1u);
  const Json plain = body_for(kGemini, {.text = "x"});
  CHECK(plain["systemInstruction"].is_null());
  CHECK(plain["generationConfig"].is_null());
}

TEST(an_image_is_asked_of_the_model_that_draws) {
  const ProviderCall call = make_call(kGemini, {.text = "a fox", .wants = Answer::image}, {});
  CHECK_EQ(call.request.url, "http://x/v1beta/models/drawer:generateContent");
  const Json modalities = body_of(call)["generationConfig"]["responseModalities"];
  CHECK_EQ(modalities.at(0).string().value(), "IMAGE");
  CHECK_EQ(modalities.at(1).string().value(), "TEXT");
}

TEST(the_text_is_every_part_that_is_no_thought) {
  const auto answer = read(
      kGemini, answered(R"([{"text":"I wonder","thought":true},{"text":"{\"a\":"},{"thought":false,"text":"1}"},{}])"));
  CHECK_EQ(answer->text, R"({"a":1})");
  CHECK_EQ(answer->usage.calls, 1);
  CHECK_EQ(answer->usage.input_tokens, 7);
  CHECK_EQ(answer->usage.output_tokens, 23);  // thoughts are billed as output
  CHECK(!answer->image);
}

TEST(a_text_that_was_cut_short_is_a_text) {
  CHECK_EQ(read(kGemini, answered(R"([{"text":"{\"variants\":["}])", "MAX_TOKENS"))->text, "{\"variants\":[");
}

TEST(the_last_image_that_is_no_thought_counts_and_is_named_by_its_bytes) {
  const auto answer = read(
      kGemini,
      answered("[" + inline_image("QUJD", R"(,"thought":true)") + "," + inline_image("QUJD") + R"(,{"text":"So:"},)" +
               inline_image(small_png()) + "," + inline_image("QUJD", R"(,"thought":true)") + "]"),
      Answer::image);
  CHECK_EQ(answer->image->base64, small_png());
  CHECK_EQ(answer->image->media_type, "image/png");
  CHECK_EQ(answer->text, "So:");
}

TEST(no_image_is_not_paid_for_twice) {
  for (const std::string& parts :
       {std::string(R"([{"text":"I would rather not."}])"), std::string("[]"), std::string("{}"), std::string("7"),
        "[" + inline_image("") + "]", "[" + inline_image("QUJDREVGR0hJSktMTU5PUA==") + "]",
        "[" + inline_image("data:image/png;base64,") + "]", std::string(R"([{"inlineData":{"data":7}}])"),
        std::string(R"([{"inlineData":"x"}])"), std::string("[7, null, []]")}) {
    CHECK(!fault(kGemini, answered(parts), Answer::image).retryable);
  }
  CHECK_EQ(fault(kGemini, answered("[]", "IMAGE_SAFETY"), Answer::image).failure.message(),
           "the AI provider refused to answer");
  CHECK(fault(kGemini, R"({"candidates":[]})", Answer::image).retryable);
}

TEST(feedback_without_a_block_is_no_block) {
  CHECK(fault(kGemini, R"({"promptFeedback":{"safetyRatings":[]}})").retryable);
  CHECK(!fault(kGemini, R"({"promptFeedback":{"blockReason":"OTHER"}})").retryable);
}

TEST(a_piece_of_a_text_that_was_refused_is_no_answer) {
  for (const char* finish : {"SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII"}) {
    const ProviderFault refused = fault(kGemini, answered(R"([{"text":"Blue Ca"}])", finish));
    CHECK(!refused.retryable && refused.blame == Blame::prompt);
    CHECK_EQ(refused.said, finish);
  }
  CHECK(!fault(kGemini, answered(R"([{"text":"Blue Ca"}])", "OTHER")).retryable);
  CHECK(!fault(kGemini, answered(R"([{"text":"Hm.","thought":true}])")).retryable);  // paid once
}

TEST(an_image_is_taken_under_either_name) {
  const std::string part = R"([{"inline_data":{"mime_type":"image/png","data":")" + small_png() + R"("}}])";
  CHECK_EQ(read(kGemini, answered(part), Answer::image)->image->base64, small_png());
}

TEST(a_list_of_pieces_is_one_answer) {
  const std::string first = R"({"candidates":[{"content":{"parts":[{"text":"Blue "}]}}]})";
  CHECK_EQ(read(kGemini, "[" + first + "," + answered(R"([{"text":"Card"}])") + "]")->text, "Blue Card");
}

TEST(tokens_that_nobody_can_have_used_are_not_counted) {
  const auto answer = read(kGemini, R"({"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":{
      "promptTokenCount":-1,"candidatesTokenCount":9223372036854775807,"thoughtsTokenCount":9223372036854775807}})");
  CHECK_EQ(answer->usage.input_tokens, 0);
  CHECK_EQ(answer->usage.output_tokens, 0);
}
