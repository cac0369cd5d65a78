// What the database said of secrets, remembered for so short a time that whatever is revoked is refused everywhere within
// ten seconds, by streams too that were open and ask again every 4 s (core/jobs/job_streams.h). By their digests: the
// secrets themselves are nowhere.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace plugfleet {

// T is what is known of a good one; it converts to bool, and is false of one that is none.
template <class T>
class Remembered {
 public:
  static constexpr milliseconds kGoodFor = 5s, kBadFor = 2s;

  // Null where the database is to be asked.
  const T* find(const std::string& hash) const {
    const auto known = known_.find(hash);
    return known != known_.end() && known->second.until > Clock::now() ? &known->second.what : nullptr;
  }

  // What a question asked at `asked` was answered; a good one ends by itself `left` after that. Where there is no room, all
  // that is past goes; where nothing is, everything: those in use are asked for again.
  void keep(const std::string& hash, T what, Clock::time_point asked, milliseconds left) {
    if (known_.size() >= kMost && !known_.contains(hash)) {
      std::erase_if(known_, [now = Clock::now()](const auto& entry) { return entry.second.until <= now; });
      if (known_.size() >= kMost) known_.clear();
    }
    const auto until = asked + (what ? std::min(kGoodFor, left) : kBadFor);
    known_.insert_or_assign(hash, Known{std::move(what), until});
  }

 private:
  static constexpr std::size_t kMost = 1000;

  struct Known {
    T what;
    Clock::time_point until;
  };
  std::unordered_map<std::string, Known> known_;
};

}  // namespace plugfleet
