// The route and its job by the offline provider. What real servers and other providers make of it: tests/live.
#include "figma/edits/generate_edits.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/module_fixture.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct PromptsFolder {
  PromptsFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "prompts-XXXXXX";
    path = ::mkdtemp(pattern.data());
    for (const char* name : {"default.txt", "bold.txt"}) std::ofstream(path / name) << "Design.";
  }
  ~PromptsFolder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct House : PromptsFolder {
  explicit House(Reactor& reactor, Values settings = {}) : module(reactor, with_folder(std::move(settings))) {}
  Values with_folder(Values settings) const {
    settings.emplace("PROMPTS_DIR", path.string());
    settings.emplace("EDIT_LIMIT_PER_MINUTE", "1000");
    return settings;
  }
  ModuleTest module;
};

constexpr const char* kPath = "/api/generate-edits";

// `more`: members after the layers, with a comma before.
std::string body(std::string_view more = "",
                 std::string_view frame = R"("frameName":"Hero","frameWidth":800,"frameHeight":600)") {
  return fmt::format(
      R"({{"userEmail":"a@example.org",{},"layers":[)"
      R"({{"id":"1","name":"Title","type":"TEXT","x":40,"y":40,"width":300,"height":40,"text":"Hello","fontSize":32,"fill":"#222222"}},)"
      R"({{"id":"2","name":"Photo","type":"RECTANGLE","x":40,"y":120,"width":320,"height":200,"fill":"#CCCCCC"}}]{}}})",
      frame, more);
}

// {"variants": ...} of a reply or of a result, after looking at what holds for all of them.
Json checked(const std::string& text) {
  const auto parsed = Json::parse(text);
  CHECK(parsed);
  CHECK_EQ((*parsed)["variants"].size(), 5U);
  CHECK_EQ((*parsed)["dropped"].integer().value_or(-1), 0);
  return *parsed;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; ++at) ++count;
  return count;
}

}  // namespace

ASYNC_TEST(five_variants_come_at_once_without_pictures_unless_they_are_wanted) {
  House house(reactor);
  const Reply reply = co_await house.module.ask("POST", kPath, body());
  check_reply(reply, 200, "");
  CHECK(checked(reply.body)["jobId"].string());
  CHECK_EQ(count_of(reply.body, "generatedImageBase64"), 0U);
  const Reply painted = co_await house.module.ask("POST", kPath, body(R"(,"generateImages":true)"));
  checked(painted.body);
  CHECK(count_of(painted.body, "\"generateImage\"") > 0);
  CHECK_EQ(count_of(painted.body, R"("generatedImageBase64":"iVBORw0KGgo)"),
           count_of(painted.body, "\"generateImage\""));
}

ASYNC_TEST(a_job_gives_its_pictures_apart_from_the_result_that_is_kept) {
  House house(reactor);
  const Reply reply =
      co_await house.module.ask("POST", kPath, body(R"(,"generateImages":true)"), {{"Prefer", "respond-async"}});
  check_reply(reply, 202, "queued");
  const NewJob job = house.module.enqueued().front();
  CHECK_EQ(job.payload, R"({"frameName":"Hero","layers":2,"promptFile":"default.txt","generateImages":true})");
  CHECK_EQ(job.facts["frame_name"].string().value_or(""), "Hero");
  CHECK_EQ(job.facts["layer_count"].integer().value_or(0), 2);
  const Outcome outcome = co_await house.module.run_next("generate-edits");
  check_outcome(outcome, JobOutcome::done, "");
  CHECK_EQ(outcome.facts["variant_count"].integer().value_or(0), 5);
  checked(outcome.result.dump());
  CHECK_EQ(count_of(outcome.result.dump(), "generatedImageBase64"), 0U);
  checked(outcome.full_result.value_or(""));
  CHECK(count_of(*outcome.full_result, "generatedImageBase64") > 0);
  CHECK_EQ(house.module.progress().front(), "10 designing five variants");
  CHECK_EQ(house.module.progress().at(1), "40 five variants");
  CHECK(house.module.progress().back().starts_with("100 "));
}

ASYNC_TEST(a_prompt_that_the_server_does_not_have_is_refused_both_ways) {
  House house(reactor);
  for (const char* file : {"none.txt", "", "../default.txt", "/etc/passwd", "bold"}) {
    for (const Fields& headers : {Fields{}, Fields{{"Prefer", "respond-async"}}}) {
      const Reply reply =
          co_await house.module.ask("POST", kPath, body(fmt::format(R"(,"promptFile":"{}")", file)), headers);
      check_reply(reply, 400, R"("field":"promptFile")");
    }
  }
  CHECK(house.module.enqueued().empty());
  const Reply reply = co_await house.module.ask("POST", kPath, body(R"(,"promptFile":"bold.txt")"));
  check_reply(reply, 200, "");
}

ASYNC_TEST(without_the_servers_own_prompt_only_requests_that_name_one_are_answered) {
  House house(reactor, {{"EDIT_PROMPT_FILE", "gone.txt"}});
  const Reply reply = co_await house.module.ask("POST", kPath, body());
  check_reply(reply, 500, "internal");
  const Reply other = co_await house.module.ask("POST", kPath, body(R"(,"promptFile":"bold.txt")"));
  check_reply(other, 200, "");
}

ASYNC_TEST(what_is_wrong_with_a_frame_is_named) {
  House house(reactor);
  const auto frame = [](const char* name, const char* width) {
    return fmt::format(R"("frameName":{},"frameWidth":{},"frameHeight":600)", name, width);
  };
  for (const char* width : {"0", "-1", "1000001", "\"800\"", "null"}) {
    const Reply reply = co_await house.module.ask("POST", kPath, body("", frame("\"Hero\"", width)));
    check_reply(reply, 422, R"("field":"frameWidth")");
  }
  const Reply named = co_await house.module.ask(
      "POST", kPath, body("", frame(fmt::format("\"{}\"", std::string(1001, 'x')).c_str(), "800")));
  check_reply(named, 422, R"("field":"frameName")");
  const Reply image = co_await house.module.ask("POST", kPath, body(R"(,"frameImageBase64":"R0lGODlhAQABAAAAACw=")"));
  check_reply(image, 422, R"("field":"frameImageBase64","message":"is not a PNG, JPEG or WebP image")");
}

ASYNC_TEST(ids_are_distinct_and_there_are_layers) {
  House house(reactor);
  std::string twins = body();
  twins.replace(twins.find(R"("id":"2")"), 8, R"("id":"1")");
  const Reply twice = co_await house.module.ask("POST", kPath, twins);
  check_reply(twice, 422, R"("field":"layers[1].id","message":"is the same as layers[0].id")");
  const std::string none = body();
  const Reply empty = co_await house.module.ask("POST", kPath, none.substr(0, none.find("[") + 1) + "]}");
  check_reply(empty, 422, R"("field":"layers")");
}
