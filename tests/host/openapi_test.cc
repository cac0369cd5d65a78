#include "host/openapi.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

struct Query {
  std::optional<std::int64_t> limit;
  std::string sort;
  void fields(auto& f) {
    f("limit", limit, range(1, 100));
    f("sort", sort);
  }
};

struct Note {
  std::string title;
  std::optional<std::string> body;
  void fields(auto& f) {
    f("title", title, length(1, 120));
    f("body", body, left_out());
  }
};

Async<Reply> plain(Call&) { co_return text(200, ""); }
Async<Reply> with_number(Call&, std::int64_t) { co_return text(200, ""); }

Json described(Route route) {
  Router router;
  router.add("notes", std::move(route));
  return *Json::parse(openapi_json(router));
}

std::string refusal(Route route) {
  try {
    described(std::move(route));
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

TEST(an_operation_says_what_it_takes_and_answers) {
  const Json document = described({Method::POST,
                                   "/api/notes",
                                   plain,
                                   {.summary = "Adds a note",
                                    .body = json_of<Note>(R"({"title": "one"})"),
                                    .answers = {{201, json_of<Note>()}},
                                    .fails = {FailureKind::conflict}}});
  const Json operation = document["paths"]["/api/notes"]["post"];
  CHECK_EQ(operation["operationId"].dump(), R"("POST_api_notes")");
  const Json body = operation["requestBody"]["content"]["application/json"];
  CHECK_EQ(body["schema"].dump(), R"({"$ref":"#/components/schemas/Note_taken"})");
  CHECK_EQ(body["example"].dump(), R"({"title":"one"})");
  const Json answers = operation["responses"];
  CHECK_CONTAINS(answers["201"].dump(), "#/components/schemas/Note");
  CHECK_CONTAINS(answers["201"].dump(), "RateLimit-Limit");
  for (const char* status : {"400", "409", "413", "415", "422", "429", "503"})
    CHECK_EQ(answers[status].dump(), fmt::format(R"({{"$ref":"#/components/responses/{}"}})", status));
  CHECK(answers["401"].is_null());
  CHECK_EQ(document["components"]["responses"]["429"]["headers"]["Retry-After"].dump(),
           R"({"$ref":"#/components/headers/Retry-After"})");
}

TEST(parameters_are_those_of_the_path_and_the_query) {
  const Json document = described(
      {Method::GET,
       "/notes/{id}",
       with_number,
       {.summary = "Notes", .query = type_of<Query>(), .answers = {{200, json_of<Note>()}}, .auth = Auth::required}});
  const Json operation = document["paths"]["/notes/{id}"]["get"];
  CHECK_EQ(operation["parameters"].dump(),
           R"([{"name":"id","in":"path","required":true,"schema":{"type":"integer"}},)"
           R"({"name":"limit","in":"query","required":false,"schema":{"type":"integer","minimum":1,"maximum":100}},)"
           R"({"name":"sort","in":"query","required":true,"schema":{"type":"string"}}])");
  CHECK_EQ(operation["security"].dump(), R"([{"user":[]},{"session":[]}])");
  CHECK(!operation["responses"]["401"].is_null());
  CHECK(!operation["responses"]["403"].is_null());
  CHECK(!operation["responses"]["404"].is_null());
}

TEST(a_permission_is_told_and_one_that_is_not_there_does_not_load) {
  const Route route{Method::GET,
                    "/a",
                    plain,
                    {.summary = "a", .answers = {{200, text_of()}}, .auth = Auth::required, .permission = "team:read"}};
  CHECK_CONTAINS(described(route)["paths"]["/a"]["get"]["security"].dump(), R"({"plugin":["team:read"]})");
  CHECK(!missing_in(route));
  Route wrong = route;
  wrong.options.permission = "team:write";
  CHECK_EQ(missing_in(wrong).value_or(""), "no permission that there is: team:write");
}

TEST(what_is_not_declared_is_named) {
  const auto missing = [](Route route) { return missing_in(route).value_or(""); };
  CHECK_EQ(missing({Method::GET, "/a", plain, {.answers = {{200, text_of()}}}}), "no summary");
  CHECK_EQ(missing({Method::GET, "/a", plain, {.summary = "a"}}), "no answers");
  CHECK_EQ(missing({Method::POST, "/a", plain, {.summary = "a", .answers = {{200, text_of()}}}}),
           "no body (nothing(), where it takes none)");
  CHECK_EQ(missing({Method::POST, "/a", plain, {.summary = "a", .body = nothing(), .answers = {{204, nothing()}}}}),
           "");
}

TEST(an_example_that_is_not_json_is_refused) {
  CHECK_EQ(refusal({Method::GET, "/a", plain, {.summary = "a", .answers = {{200, json_of<Note>("{")}}}}),
           "GET /a: its example is not JSON");
}
