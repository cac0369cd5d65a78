// Standard Webhooks: the example of its specification's libraries, and what is not signed. That npm's standardwebhooks
// signs likewise: tests/live/wallet_test.py.
#include "wire/webhook_signature.h"

#include "support/check.h"

using namespace plugfleet;
using namespace plugfleet::test;
using namespace std::chrono_literals;

namespace {

// The test vector of the reference libraries.
constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kBody = R"({"test": 2432232314})";
constexpr WebhookHead kHead{"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="};
constexpr std::chrono::sys_seconds kThen{1'614'265'330s};

bool is_signed(WebhookHead head, std::string_view body = kBody, std::chrono::sys_seconds now = kThen) {
  return is_webhook_signed(*webhook_key(kSecret), head, body, now);
}

}  // namespace

TEST(the_reference_message_is_signed) { CHECK(is_signed(kHead)); }

TEST(whatever_is_changed_is_not) {
  CHECK(!is_signed(kHead, R"({"test": 2432232315})"));
  for (auto part : {&WebhookHead::id, &WebhookHead::timestamp, &WebhookHead::signatures}) {
    for (const std::string_view other : {"", "1614265331", "v1,", "v1", "v1,AAAA", "v1,%%%"}) {
      WebhookHead head = kHead;
      head.*part = other;
      CHECK(!is_signed(head));
    }
  }
  WebhookHead other_version = kHead;
  other_version.signatures = "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  CHECK(!is_signed(other_version));
}

TEST(one_signature_of_several_is_enough) {
  WebhookHead head = kHead;
  head.signatures = "v1a,abc  v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  CHECK(is_signed(head));
}

TEST(a_message_is_good_for_five_minutes) {
  for (const auto off : {-300s, 300s}) CHECK(is_signed(kHead, kBody, kThen + off));
  for (const auto off : {-301s, 301s}) CHECK(!is_signed(kHead, kBody, kThen + off));
}

TEST(a_secret_has_its_prefix_and_enough_bytes) {
  CHECK(webhook_key(kSecret).has_value());
  for (const std::string_view wrong :
       {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8=", "whsec_!"})
    CHECK(!webhook_key(wrong).has_value());
}
