#include "wire/schema.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

constexpr std::string_view kSorts[] = {"popular", "new"};

struct Inner {
  bool on = false;
  void fields(auto& f) {
    f("on", on);
    f.ignore_others();
  }
};

struct Whole {
  std::string title, sort, mail, at;
  std::optional<std::string> note;
  std::optional<Inner> inner;
  std::int64_t count = 0;
  double share = 0;
  std::vector<std::string> tags;
  LargeText image;
  void fields(auto& f) {
    f("title", title, length(1, 120));
    f("sort", sort, one_of(kSorts));
    f("mail", mail, Rule{.length_min = 3, .contains = "a.b"});
    f("at", at, time_text());
    f("note", note, one_of(kSorts));
    f("inner", inner, left_out());
    f("count", count, range(1, 365));
    f("share", share, range(0, 0.5));
    f("tags", tags, items(1, 3));
    f("image", image, Rule{.length_min = 1});
  }
};

template <class T>
struct Of {
  T value;
  void fields(auto& f) { value.fields(f); }
};

}  // namespace

TEST(rules_are_told_as_a_schema_of_what_is_taken) {
  CHECK_EQ(type_of<Whole>().schema(Side::taken).dump(),
           R"({"type":"object","properties":{)"
           R"("title":{"type":"string","minLength":1,"maxLength":120},)"
           R"("sort":{"type":"string","enum":["popular","new"]},)"
           R"("mail":{"type":"string","minLength":3,"pattern":"a\\.b"},)"
           R"("at":{"type":"string","format":"date-time"},)"
           R"("note":{"type":["string","null"],"enum":["popular","new",null]},)"
           R"("inner":{"type":["object","null"],"properties":{"on":{"type":"boolean"}},"required":["on"]},)"
           R"("count":{"type":"integer","minimum":1,"maximum":365},)"
           R"("share":{"type":"number","minimum":0,"maximum":0.5},)"
           R"("tags":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":3},)"
           R"("image":{"type":"string","minLength":1}},)"
           R"("required":["title","sort","mail","at","count","share","tags","image"],"additionalProperties":false})");
}

TEST(a_reply_has_every_field_but_those_left_out) {
  const Json schema = type_of<Whole>().schema(Side::given);
  CHECK_EQ(schema["required"].dump(), R"(["title","sort","mail","at","note","count","share","tags","image"])");
  CHECK_EQ(schema["properties"]["note"]["type"].dump(), R"(["string","null"])");
  CHECK_EQ(schema["properties"]["inner"]["type"].dump(), R"("object")");
  CHECK(schema["additionalProperties"].is_null());
}

TEST(a_type_is_called_by_its_namespace_and_name) {
  CHECK_EQ(type_of<Whole>().name, "Whole");
  CHECK_EQ(type_of<Of<Inner>>().name, "Of_Inner");
  CHECK_EQ(schema_name("figma::(anonymous namespace)::RenameRequest"), "figma.RenameRequest");
  CHECK_EQ(schema_name("plugfleet::Answered<figma::{anonymous}::Renamed>"), "Answered_figma.Renamed");
  CHECK_EQ(type_of<Of<Inner>>().fields.size(), 1u);
}
