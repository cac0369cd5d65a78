#include "figma/edits/reply.h"

#include "edits_support.h"
#include "support/check.h"

using namespace figma;
using namespace figma::test;
using plugfleet::Json;

namespace {

EditReply read(std::string_view answer) { return read_edit_reply(answer, frame()); }

// What becomes of one instruction among sound ones: its JSON, or "dropped".
std::string judged(std::string_view instruction) {
  const EditReply reply = read(answer_with(instruction));
  CHECK(reply.complete());
  if (reply.dropped == 1) return "dropped";
  const auto json = Json::parse(edits_json(reply, {}));
  CHECK(json);
  CHECK_EQ((*json)["variants"].at(0)["instructions"].size(), 2U);
  return (*json)["variants"].at(0)["instructions"].at(0).dump();
}

std::string change(std::string_view action, std::string_view members, std::string_view layer = "1:2") {
  return fmt::format(R"({{"action":"{}","layerId":"{}",{}}})", action, layer, members);
}

void check_kept(const std::string& instruction) { CHECK_EQ(judged(instruction), Json::parse(instruction)->dump()); }
void check_dropped(const std::string& instruction) {
  if (judged(instruction) != "dropped") plugfleet::test::fail(instruction + " was not dropped");
}

}  // namespace

// ---- Every action ------------------------------------------------------------------------------------------------

TEST(every_sound_instruction_comes_out_as_it_went_in) {
  check_kept(change("setText", R"("text":"Hello\nworld")", "1:1"));
  check_kept(change("setText", R"("text":"")", "1:1"));
  check_kept(change("setFill", R"("fill":"#A1B2C3")"));
  check_kept(change("setFontSize", R"("fontSize":12.5)", "1:1"));
  check_kept(change("setCornerRadius", R"("cornerRadius":0.5)"));
  check_kept(change("setOpacity", R"("opacity":0.25)"));
  check_kept(change("move", R"("x":-12.5,"y":3.25)"));
  check_kept(change("resize", R"("width":10.5,"height":20.5)"));
  check_kept(change("setVisible", R"("visible":false)"));
  check_kept(change("generateImage", R"("imagePrompt":"a red fox")"));
}

TEST(a_colour_is_told_in_one_way) {
  const auto fill = [](std::string_view colour) {
    return judged(change("setFill", fmt::format(R"("fill":"{}")", colour)));
  };
  CHECK_CONTAINS(fill("#abc"), R"("fill":"#AABBCC")");
  CHECK_CONTAINS(fill("#aabbccdd"), R"("fill":"#AABBCC")");
  for (const char* spelling : {"#112233", "112233", "#123", "123", "#11223344", "rgb(17, 34, 51)", "RGB(17,34,51)",
                               "rgba(17, 34, 51, 0.5)", "rgb(17 34 51 / 50%)", "rgb( 17 , 34 , 51 )"})
    CHECK_CONTAINS(fill(spelling), R"("fill":"#112233")");
  CHECK_CONTAINS(fill("rgb(100%, 50%, 0%)"), R"("fill":"#FF8000")");
  for (const char* wrong : {"red",
                            "#ab",
                            "#abcd",
                            "#aabbc",
                            "#gggggg",
                            "",
                            "#aabbccddee",
                            "url(#x)",
                            "#\\u0000aabbc",
                            "abcd",
                            "11223344",
                            "rgb(256, 0, 0)",
                            "rgb(-1, 0, 0)",
                            "rgb(0.5, 0.5, 0.5)",
                            "rgb(17, 34)",
                            "rgb(1, 2, 3, 4, 5)",
                            "rgb 17 34 51",
                            "rgb(17, 34, 51",
                            "rgb(a, b, c)",
                            "rgb()",
                            "rgb(101%, 0%, 0%)",
                            "0x112233"})
    CHECK_EQ(fill(wrong), "dropped");
  check_dropped(change("setFill", R"("fill":112233)"));  // in tens or in sixteens?
}

TEST(an_unknown_action_or_layer_is_dropped) {
  check_dropped(change("deleteLayer", R"("visible":false)"));
  check_dropped(change("SETFILL", R"("fill":"#112233")"));
  check_dropped(change("", R"("fill":"#112233")"));
  check_dropped(change("setFill", R"("fill":"#112233")", "9:9"));
  check_dropped(change("setFill", R"("fill":"#112233")", ""));
  check_dropped(R"({"action":"setFill","layerId":12,"fill":"#112233"})");
  check_dropped(R"({"action":["setFill"],"layerId":"1:2","fill":"#112233"})");
  check_dropped(R"({"action":"setFill","fill":"#112233"})");
  check_dropped(R"({"layerId":"1:2","fill":"#112233"})");
}

TEST(text_is_changed_where_there_is_text_only) {
  check_dropped(change("setText", R"("text":"x")", "1:2"));
  check_dropped(change("setFontSize", R"("fontSize":12)", "1:2"));
}

TEST(a_missing_member_or_one_of_another_type_is_dropped) {
  for (const char* action : {"setText", "setFill", "setFontSize", "setCornerRadius", "setOpacity", "move", "resize",
                             "setVisible", "generateImage"})
    check_dropped(fmt::format(R"({{"action":"{}","layerId":"1:1"}})", action));
  check_dropped(change("setText", R"("text":7)", "1:1"));
  check_dropped(change("setText", R"("text":null)", "1:1"));
  check_dropped(change("move", R"("x":1)"));
  check_dropped(change("resize", R"("width":1,"height":null)"));
  check_dropped(change("setVisible", R"("visible":"false")"));
  check_dropped(change("setVisible", R"("visible":0)"));
  check_dropped(change("generateImage", R"("imagePrompt":" \u200b ")"));
}

TEST(a_number_out_of_range_is_dropped) {
  for (const char* x :
       {"1000000.5", "-1e7", "1e308", "1e999", "-1e999", "99999999999999999999", "NaN", "Infinity", "0x10"})
    check_dropped(change("move", fmt::format(R"("x":{},"y":0)", x)));
  for (const char* side : {"0", "-5", "0.5", "100001", "1e300"}) {
    check_dropped(change("resize", fmt::format(R"("width":10,"height":{})", side)));
    check_dropped(change("resize", fmt::format(R"("width":{},"height":10)", side)));
  }
  for (const char* size : {"0", "-12", "1001", "1e9"})
    check_dropped(change("setFontSize", fmt::format(R"("fontSize":{})", size), "1:1"));
  for (const char* radius : {"-1", "10001"})
    check_dropped(change("setCornerRadius", fmt::format(R"("cornerRadius":{})", radius)));
  for (const char* opacity : {"-0.01", "1.01", "50"})
    check_dropped(change("setOpacity", fmt::format(R"("opacity":{})", opacity)));
}

TEST(a_number_that_is_a_text_is_that_number) {
  CHECK_EQ(judged(change("setOpacity", R"("opacity":"0.5")")), judged(change("setOpacity", R"("opacity":0.5)")));
  CHECK_EQ(judged(change("move", R"("x":"-12","y":"1e2")")), judged(change("move", R"("x":-12.0,"y":100.0)")));
  for (const char* wrong : {"", "12px", "1,5", "0x10", "1.01", "NaN", "inf", "1e999", "half", "50%", "1 2"})
    check_dropped(change("setOpacity", fmt::format(R"("opacity":"{}")", wrong)));
}

TEST(the_ends_of_every_range_are_taken) {
  check_kept(change("move", R"("x":1000000.0,"y":-1000000.0)"));
  CHECK(judged(change("resize", R"("width":1,"height":100000)")) != "dropped");
  CHECK(judged(change("setFontSize", R"("fontSize":1000)", "1:1")) != "dropped");
  CHECK(judged(change("setOpacity", R"("opacity":1)")) != "dropped");
  CHECK(judged(change("setCornerRadius", R"("cornerRadius":0)")) != "dropped");
}

TEST(members_that_no_action_has_do_not_come_out) {
  constexpr const char* kMore =
      R"("fill":"#112233","text":"x","onload":"alert","imagePrompt":"y","generatedImageBase64":"AAAA")";
  CHECK_EQ(judged(change("setFill", kMore)), kFill);
}

// ---- Text --------------------------------------------------------------------------------------------------------

TEST(control_characters_are_taken_out_of_texts) {
  CHECK_CONTAINS(judged(change("setText", R"("text":"a\u0007b\u009fc\td\r\ne\u007f")", "1:1")),
                 R"("text":"abc\td\ne")");
  CHECK_CONTAINS(judged(change("generateImage", R"("imagePrompt":"a\u202e fox\n\nruns")")),
                 R"("imagePrompt":"a fox runs")");
  check_dropped(change("setText", R"("text":"a\u0000b")", "1:1"));
  check_dropped(change("setText", R"("text":"\ud800")", "1:1"));
  check_dropped(change("setText", "\"text\":\"\xff\xfe\"", "1:1"));
}

TEST(a_line_break_in_a_string_costs_nothing) {
  CHECK_CONTAINS(judged(change("setText", "\"text\":\"two\nlines\"", "1:1")), R"("text":"two lines")");
}

TEST(quotes_brackets_and_commas_in_a_text_end_nothing) {
  check_kept(change("setText", R"("text":"a \" }], {[ \\\\")", "1:1"));
  check_kept(change("setText", R"("text":"\"variants\": [")", "1:1"));
}

TEST(markup_is_text) { check_kept(change("setText", R"("text":"<script>alert(1)</script>")", "1:1")); }

TEST(long_texts_are_bounded) {
  const auto text = [](std::size_t size) {
    return change("setText", fmt::format(R"("text":"{}")", std::string(size, 'x')), "1:1");
  };
  check_kept(text(2000));
  check_dropped(text(2001));
  check_dropped(text(1'000'000));
  const std::string prompt =
      judged(change("generateImage", fmt::format(R"("imagePrompt":"{}")", std::string(5000, 'x'))));
  CHECK_CONTAINS(prompt, fmt::format(R"("{}")", std::string(500, 'x')));
  std::vector<std::string> variants(5, variant(kFill, std::string(5000, 't')));
  variants[1] = fmt::format(R"({{"theme":7,"description":"{}","instructions":[{}]}})", std::string(5000, 'd'), kFill);
  variants[2] = fmt::format(R"({{"theme":"{}","instructions":[{}]}})", std::string(1'000'000, 't'), kFill);
  const EditReply reply = read(answer_of(variants));
  CHECK(reply.complete());
  CHECK_EQ(reply.variants[0].theme, std::string(80, 't'));
  CHECK_EQ(reply.variants[1].theme, "Variant 2");
  CHECK_EQ(reply.variants[1].description, std::string(500, 'd'));
  CHECK_EQ(reply.variants[2].theme, "Variant 3");
}

TEST(a_variant_has_two_hundred_instructions_at_most) {
  std::string many = kFill;
  for (int i = 1; i < 350; ++i) many.append(",").append(kFill);
  const EditReply reply = read(answer_of(std::vector<std::string>(5, variant(many))));
  CHECK(reply.complete());
  CHECK_EQ(reply.variants[0].instructions.size(), 200U);
  CHECK_EQ(reply.dropped, 750);
}

// ---- The whole ---------------------------------------------------------------------------------------------------

TEST(five_sound_variants_are_complete_and_leave_nothing_to_complain_of) {
  const EditReply reply = read(answer_of(std::vector<std::string>(5, variant(kFill))));
  CHECK(reply.complete());
  CHECK_EQ(reply.dropped, 0);
  CHECK_EQ(reply.complaint, "");
}

TEST(the_sixth_variant_and_all_after_it_are_left_out) {
  CHECK_EQ(read(answer_of(std::vector<std::string>(2000, variant(kFill)))).variants.size(), 5U);
}

TEST(a_fence_prose_and_a_missing_object_do_not_matter) {
  const std::string answer = answer_of(std::vector<std::string>(5, variant(kFill)));
  const std::string array = answer.substr(answer.find('['), answer.rfind(']') - answer.find('[') + 1);
  for (const std::string& text :
       {"```json\n" + answer + "\n```", "Here are [five] \"variants\": enjoy {them}!\n" + answer + "\nWas that {good}?",
        "```\n" + array + "\n```", "Sure [1] " + array, "{\"result\":" + answer + "}", "\xef\xbb\xbf" + answer,
        "<think>{\"variants\": []}</think>" + answer, "{\"variants\"  :\r\n\t" + array + "}"}) {
    if (!read(text).complete()) plugfleet::test::fail("not read: " + text);
  }
}

TEST(json_as_javascript_or_python_write_it_is_read) {
  const std::string sound =
      answer_of(std::vector<std::string>(5, variant(change("setText", R"("text":"Ada's \"//\" /* x */")", "1:1"))));
  const std::string expected = edits_json(read(sound), {});
  const auto with = [&](std::string_view from, std::string_view to, std::string text) {
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
      text.replace(at, from.size(), to);
    return text;
  };
  for (const std::string& text : {
           with(R"("instructions":)", "// what changes, [ and \"why\"\n /* it's { this } */ \"instructions\":", sound),
           with(R"("text":"Ada's \"//\" /* x */")", R"('text': 'Ada\'s "//" /* x */')", sound),
           with(R"("text":"Ada's \"//\" /* x */")", R"('text': 'Ada's "//" /* x */')", sound),
           with(R"("theme":"Calm","description":"d")", R"('theme' : 'Calm' , 'description':'d')", sound),
           with(R"("variants")", "'variants'", sound),
           with(R"("variants")", "variants", with(R"("action")", "action", with(R"("theme")", "theme", sound))),
           with("]", ",]", with("}", ",\n}", sound)),
           with(R"("theme")", R"("done":True,"more":None,"theme")", sound),
       }) {
    const EditReply reply = read(text);
    if (!reply.complete() || edits_json(reply, {}) != expected) plugfleet::test::fail("not read: " + text);
  }
}

TEST(json_in_a_string_in_json_is_read) {
  const std::string text = change("setText", R"("text":"a\n\"b\"")", "1:1"), whole = variant(text);
  const std::string answer = answer_of(std::vector<std::string>(5, whole)), expected = edits_json(read(answer), {});
  const auto quoted = [](const std::string& json) { return Json(json).dump(); };
  const std::string list = quoted(answer.substr(answer.find('['), answer.rfind(']') - answer.find('[') + 1));
  const std::string within = R"({"theme":"Calm","description":"d","instructions":)" + quoted("[" + text + "]") + "}";
  for (const std::string& said :
       {quoted(answer), quoted(quoted(answer)), "Here: " + quoted(answer) + " Enjoy!", "{\"variants\":" + list + "}",
        quoted("{\"variants\":" + list + "}"), answer_of({whole, quoted(whole), whole, quoted(whole), whole}),
        answer_of(std::vector<std::string>(5, within)),
        answer_of(std::vector<std::string>(5, variant(quoted(text))))}) {
    const EditReply reply = read(said);
    if (!reply.complete() || edits_json(reply, {}) != expected) plugfleet::test::fail("not read: " + said);
  }
}

TEST(an_afterword_or_a_draft_is_not_taken_for_the_answer) {
  const std::string answer = answer_of(std::vector<std::string>(5, variant(kFill)));
  const std::string draft = answer_of({variant(kFill, "Draft"), variant(kFill, "Draft")});
  for (const std::string& text :
       {answer + "\nI put them under \"variants\": [ as you wished.", draft + answer, answer + draft,
        answer + "\n\"variants\": [] was the draft", answer + " variants: [a, b]",
        draft + "\nNo: " + answer + " So \"variants\": [five]."}) {
    const EditReply reply = read(text);
    if (!reply.complete() || reply.variants[0].theme != "Calm") plugfleet::test::fail("not read: " + text);
  }
}

TEST(a_second_answer_completes_the_first) {
  const auto of = [](std::size_t count, const char* theme) {
    return read(answer_of(std::vector<std::string>(count, variant(std::string(kFill) + ",{}", theme))));
  };
  const auto themes = [](const EditReply& reply) {
    std::string out;
    for (const Variant& one : reply.variants) out += one.theme;
    return out;
  };
  const EditReply whole = completed(of(4, "A"), of(1, "B"));
  CHECK_EQ(themes(whole), "AAAAB");
  CHECK_EQ(whole.dropped, 5);
  CHECK_EQ(whole.complaint, "");
  CHECK_EQ(themes(completed(of(4, "A"), of(3, "B"))), "AAAAB");
  CHECK_EQ(themes(completed(of(4, "A"), of(5, "B"))), "BBBBB");
  CHECK_EQ(themes(completed(of(0, "A"), of(2, "B"))), "BB");
  CHECK_EQ(themes(completed(of(2, "A"), of(1, "B"))), "AAB");
  CHECK_EQ(themes(completed(of(4, "A"), of(0, "B"))), "AAAA");
  CHECK_CONTAINS(edits_json(completed(of(4, "A"), {}), {}), R"("dropped":4,"missing":1})");
  CHECK(edits_json(whole, {}).find("missing") == std::string::npos);
}

TEST(an_answer_cut_short_keeps_all_that_came_whole) {
  const std::string answer = answer_of(std::vector<std::string>(5, variant(fmt::format("{},{}", kFill, kFill))));
  std::size_t before = 0;
  for (std::size_t size = 0; size <= answer.size(); ++size) {
    const EditReply reply = read(answer.substr(0, size));
    std::size_t instructions = 0;
    for (const Variant& one : reply.variants) instructions += one.instructions.size();
    CHECK(instructions >= before);
    CHECK(reply.dropped <= 1);
    before = instructions;
  }
  CHECK_EQ(before, 10U);
  CHECK(read(answer.substr(0, answer.rfind(kFill) + 20)).complete());  // in the last variant's second instruction
}

TEST(a_variant_without_a_sound_instruction_is_none) {
  std::vector<std::string> variants(5, variant(kFill));
  variants[3] = variant(change("setFill", R"("fill":"red")"));
  const EditReply reply = read(answer_of(variants));
  CHECK_EQ(reply.variants.size(), 4U);
  CHECK_EQ(reply.dropped, 1);
  CHECK_EQ(reply.complaint,
           "it held 4 usable variants instead of 5; 1 instructions lacked a member of theirs or had one out of range");
}

TEST(no_answer_whatever_breaks_the_reader) {
  const std::string deep(300'000, '[');
  const std::string names = [] {
    std::string text;
    while (text.size() < 500'000) text += "\"variants\":";
    return text + std::string(500'000, ' ');
  }();
  for (const std::string& text : {std::string(),
                                  std::string("null"),
                                  std::string("42"),
                                  std::string("\"variants\""),
                                  std::string("\"variants\":"),
                                  std::string("\"variants\":["),
                                  std::string("\"variants\":[{"),
                                  std::string("\"variants\":[{\"instructions\":["),
                                  std::string("{\"variants\":[[[]]]}"),
                                  std::string("{\"variants\":{}}"),
                                  std::string("{\"variants\":null}"),
                                  std::string("{\"variants\":[1,2,3,4,5]}"),
                                  std::string("{\"variants\":[{},{},{},{},{}]}"),
                                  std::string("{\"variants\":[{\"instructions\":{}},{\"instructions\":\"x\"}]}"),
                                  std::string("{\"variants\":[{\"instructions\":[null,1,\"x\",[],{}]}]}"),
                                  std::string("}}}]]]\"\\"),
                                  std::string("\"variants\":[\"\\"),
                                  std::string("{\"variants\":]["),
                                  std::string(1'000'000, 'a'),
                                  std::string(1'000'000, '"'),
                                  std::string(1'000'000, '\\'),
                                  std::string(1'000'000, ','),
                                  deep,
                                  "{\"variants\":" + deep,
                                  "{\"variants\":[{\"instructions\":[" + deep,
                                  names,
                                  std::string("I can't help with that."),
                                  std::string("{\"error\":{\"message\":\"no\"}}"),
                                  std::string("\0\0\0\0", 4)}) {
    CHECK(read(text).variants.empty());
  }
}

TEST(a_complaint_quotes_nothing_of_the_answer) {
  const EditReply reply = read(answer_of({variant(change("IGNORE ALL", R"("fill":"EVIL")"), "EVIL")}));
  CHECK(reply.complaint.find("EVIL") == std::string::npos);
  CHECK(reply.complaint.find("IGNORE") == std::string::npos);
  CHECK_CONTAINS(reply.complaint, "1 instructions had an unknown action");
}

// ---- As it is answered -------------------------------------------------------------------------------------------

TEST(a_picture_stands_with_every_instruction_of_its_prompt) {
  const std::string fox = change("generateImage", R"("imagePrompt":"a fox")"),
                    owl = change("generateImage", R"("imagePrompt":"an owl")");
  const EditReply reply = read(answer_with(fmt::format("{},{},{}", fox, owl, fox)));
  const auto json = Json::parse(edits_json(reply, {{"a fox", "Rm94"}}));
  CHECK(json);
  const Json instructions = (*json)["variants"].at(0)["instructions"];
  CHECK_EQ(instructions.at(0)["generatedImageBase64"].string().value_or(""), "Rm94");
  CHECK(instructions.at(1)["generatedImageBase64"].is_null());
  CHECK_EQ(instructions.at(2)["generatedImageBase64"].string().value_or(""), "Rm94");
  CHECK_EQ(instructions.at(3).dump(), kFill);
  CHECK_EQ((*json)["dropped"].integer().value_or(-1), 0);
}
