#include "host/router.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

Async<Reply> plain(Call&) { co_return text(200, ""); }
Async<Reply> with_number(Call&, std::int64_t) { co_return text(200, ""); }

struct Fixture {
  Router router;
  Fixture() {
    router.add("a", {Method::GET, "/notes", plain, {}});
    router.add("a", {Method::POST, "/notes", plain, {}});
    router.add("a", {Method::GET, "/notes/{id}", with_number, {}});
    router.add("a", {Method::GET, "/notes/newest", plain, {}});
  }
  std::string label(Method method, std::string_view path) const {
    const auto match = router.find(method, path);
    return match.entry ? match.entry->label : "none:" + match.allow;
  }
};

std::string refusal(Route route) {
  Fixture f;
  try {
    f.router.add("b", std::move(route));
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

TEST(a_path_finds_its_route_and_its_values) {
  const Fixture f;
  CHECK_EQ(f.label(Method::GET, "/notes"), "GET /notes");
  CHECK_EQ(f.label(Method::POST, "/notes/"), "POST /notes");
  CHECK_EQ(f.router.find(Method::GET, "/notes/12").values.at(0), "12");
  CHECK_EQ(f.label(Method::HEAD, "/notes"), "GET /notes");
}

TEST(a_literal_segment_goes_before_a_value) {
  const Fixture f;
  CHECK_EQ(f.label(Method::GET, "/notes/newest"), "GET /notes/newest");
}

TEST(an_unknown_path_and_an_unknown_method_are_different_things) {
  const Fixture f;
  CHECK_EQ(f.label(Method::GET, "/note"), "none:");
  CHECK_EQ(f.label(Method::GET, "/notes/1/2"), "none:");
  CHECK_EQ(f.label(Method::GET, ""), "none:");
  CHECK_EQ(f.label(Method::GET, "//notes"), "none:");
  CHECK_EQ(f.label(Method::DELETE, "/notes"), "none:GET, POST");
  CHECK_EQ(f.label(Method::other, "/notes"), "none:GET, POST");
}

TEST(two_modules_with_one_route_are_refused) {
  CHECK_CONTAINS(refusal({Method::GET, "/notes", plain, {}}), "GET /notes is taken already");
  CHECK_CONTAINS(refusal({Method::GET, "/notes/{other}", with_number, {}}), "taken already by GET /notes/{id}");
  CHECK_EQ(refusal({Method::DELETE, "/notes/{id}", with_number, {}}), "");
}

TEST(a_handler_that_does_not_fit_its_path_is_refused) {
  CHECK_CONTAINS(refusal({Method::GET, "/other", with_number, {}}), "takes 1 path values");
  CHECK_CONTAINS(refusal({Method::GET, "other", plain, {}}), "must begin with /");
  CHECK_CONTAINS(refusal({Method::GET, "/a b", plain, {}}), "the path of GET /a b may hold letters");
}
