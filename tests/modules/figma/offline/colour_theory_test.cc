#include "figma/offline/colour_theory.h"

#include <array>
#include <cmath>

#include "support/check.h"

using namespace figma;

namespace {

constexpr Rgb kBlack{0, 0, 0}, kWhite{255, 255, 255}, kGrey{118, 118, 118};

}  // namespace

TEST(a_colour_is_written_as_six_digits) { CHECK_EQ(hex({1, 171, 255}), "#01ABFF"); }

// WCAG 2.2: black on white is 21; #767676 is the lightest grey that has 4.5 on white.
TEST(contrast_is_that_of_WCAG) {
  CHECK(std::abs(contrast(kBlack, kWhite) - 21) < 0.01);
  CHECK(contrast(kGrey, kWhite) >= 4.5);
  CHECK(contrast({119, 119, 119}, kWhite) < 4.5);
  CHECK_EQ(contrast(kGrey, kWhite), contrast(kWhite, kGrey));
}

TEST(there_and_back_a_colour_is_the_same) {
  for (const Rgb colour : {kBlack, kWhite, kGrey, Rgb{255, 0, 0}, Rgb{0, 128, 255}, Rgb{17, 34, 51}})
    CHECK(to_rgb(to_oklch(colour)) == colour);
}

TEST(hues_lie_on_a_circle) {
  CHECK_EQ(hue_apart(350, 10), 20.0);
  CHECK_EQ(hue_apart(0, 180), 180.0);
  CHECK_EQ(hue_apart(-10, 10), 20.0);
}

TEST(a_readable_colour_has_its_contrast_on_every_ground) {
  const std::array grounds{Rgb{20, 30, 60}, Rgb{40, 40, 40}};
  const Rgb ink = readable({90, 90, 200}, grounds, 4.5);
  for (const Rgb ground : grounds) CHECK(contrast(ink, ground) >= 4.5);
  CHECK(readable(kWhite, grounds, 4.5) == kWhite);  // as it is
}

TEST(where_no_ink_is_readable_on_all_the_first_ground_counts) {
  const std::array grounds{kWhite, kBlack};
  CHECK(contrast(readable({90, 90, 200}, grounds, 7), kWhite) >= 7);
}
