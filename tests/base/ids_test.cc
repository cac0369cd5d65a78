#include "base/ids.h"

#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/clock.h"
#include "support/check.h"

using namespace plugfleet;

TEST(uuids_are_version_4_and_never_twice_the_same) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = uuid_v4();
    CHECK_EQ(canonical_uuid(id).value_or(""), id);
    CHECK_EQ(id[14], '4');
    CHECK(std::string("89ab").find(id[19]) != std::string::npos);
    CHECK(seen.insert(id).second);
  }
}

TEST(a_forked_child_does_not_repeat_its_parents_ids) {
  random_hex(16);  // what both could go on from
  int ends[2];
  CHECK_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string id = random_hex(16);
    ::_exit(::write(ends[1], id.data(), id.size()) == 32 ? 0 : 1);
  }
  const std::string mine = random_hex(16);
  std::string childs(32, '\0');
  CHECK_EQ(::read(ends[0], childs.data(), childs.size()), 32);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(childs != mine);
}

TEST(what_is_no_uuid_is_told) {
  for (const char* bad : {"", "x", "12345678-1234-1234-1234-12345678901", "12345678-1234-1234-1234-1234567890123",
                          "12345678-1234-1234-1234-12345678901g", "12345678x1234-1234-1234-123456789012"}) {
    CHECK(!canonical_uuid(bad));
  }
}

TEST(a_uuid_may_be_written_in_capitals) {
  const std::string id = "0123abcd-89ef-4abc-8def-0123456789ab";
  CHECK_EQ(canonical_uuid("0123ABCD-89EF-4aBC-8DEF-0123456789AB").value_or(""), id);
}

TEST(times_are_rfc_3339_in_utc) {
  CHECK_EQ(rfc3339(WallClock::time_point(milliseconds(1'700'000'000'123))), "2023-11-14T22:13:20.123Z");
  CHECK_EQ(rfc3339(WallClock::time_point(milliseconds(0))), "1970-01-01T00:00:00.000Z");
}
