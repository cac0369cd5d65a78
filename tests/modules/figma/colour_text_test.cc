#include "figma/colour_text.h"

#include <string>
#include <string_view>

#include "support/check.h"

using namespace figma;

namespace {

// "#112233 0.5", or "none".
std::string read(std::string_view text) {
  const auto colour = read_colour(text);
  return colour ? fmt::format("{} {:.2g}", hex(colour->rgb), colour->opacity) : "none";
}

}  // namespace

TEST(a_colour_is_read_in_each_of_its_spellings) {
  CHECK_EQ(read("#123"), "#112233 1");
  CHECK_EQ(read("#11aAfF"), "#11AAFF 1");
  CHECK_EQ(read("#11223380"), "#112233 0.5");
  CHECK_EQ(read("#11223300"), "#112233 0");
  CHECK_EQ(read("abc"), "#AABBCC 1");
  CHECK_EQ(read("112233"), "#112233 1");
  CHECK_EQ(read("rgb(17, 34, 51)"), "#112233 1");
  CHECK_EQ(read("RGB(17 34 51)"), "#112233 1");
  CHECK_EQ(read("rgba(17,34,51,0)"), "#112233 0");
  CHECK_EQ(read("rgb(100% 0% 0% / 25%)"), "#FF0000 0.25");
}

TEST(what_may_be_read_otherwise_is_no_colour) {
  for (const std::string_view text :
       {"", "#", "#12", "#1234", "#12345g", "11223380", "-12", "rgb(1, 2)", "rgb(256, 0, 0)", "rgb(0.5, 0, 0)",
        "rgb(1, 2, 3, 4, 5)", "rgb(1, 2, 3", "rgb(-1, 2, 3)", "rgb(101%, 0%, 0%)", "red"})
    CHECK_EQ(read(text), "none");
  CHECK_EQ(read("rgb(1, 2, 3)" + std::string(64, ' ')), "none");
}
