// What the watchers of one job are told, in the format of an event stream (WHATWG HTML, "Server-sent events"). Fed by
// two sources that may be late or repeat each other: messages of what happens, and the job's row. Does no I/O.
//
//   retry: 2000              once, at first
//   event: snapshot          data = the job, as GET answers it; left out for who has seen its number already
//   event: queued|processing|progress      data = {"id", "status", "progress", "message"}
//   event: completed|failed|cancelled      data = the job with its result; the last event, and the only such one
//   event: displaced         data = {"message"}: a newer stream of the client took this one's place, and it ends here.
//                            No id and a longer retry: whoever comes back goes on where he was
//
// Every event's id is the job's number then, which goes up with each change. An ended job's snapshot has the number
// before, so that who comes late gets both the snapshot and the last event, under different ids. (A crash of PostgreSQL
// may forget claims, and with them a few numbers: then some events are left out, but not the last.)
#pragma once

#include <optional>
#include <string>

#include "core/jobs/job_events.h"
#include "core/jobs/job_view.h"

namespace plugfleet {

class JobFeed {
 public:
  // The event to be sent to those who watch already; empty where they know it, or where it is the job's end: that is
  // another's to tell.
  std::string heard(const JobEvent& event);
  std::string learned(const JobView& row);

  const std::optional<JobView>& row() const { return row_; }  // the last one read; none: nothing has been read yet

  // For who begins to watch and has seen the event `last_seen`. Needs row().
  std::string opening(std::optional<int> last_seen) const;

 private:
  std::string moved_on(JobEvent event);
  JobView now() const;

  std::optional<JobView> row_;
  JobEvent latest_;
};

// The last event.
std::string ending_event(const ToldJob& job);

// What the stream that is displaced ends with.
std::string displaced_event();

// Whether the event `last_seen` is the last one of this job.
bool has_seen_the_end(const JobView& row, std::optional<int> last_seen);

}  // namespace plugfleet
