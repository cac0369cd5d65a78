#include "core/jobs/job_feed.h"

#include <fmt/format.h>

#include <utility>

#include "wire/json_writer.h"

namespace plugfleet {
namespace {

std::string event_text(int number, std::string_view name, std::string_view data) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", number, name, data);
}

std::string data_of(const JobEvent& event) {
  JsonWriter json;
  json.object().add("id", event.id).add("status", name_of(event.status)).add("progress", event.progress);
  json.add("message", event.message);
  return std::move(json).text();
}

}  // namespace

std::string JobFeed::heard(const JobEvent& event) { return event.number > latest_.number ? moved_on(event) : ""; }

std::string JobFeed::learned(const JobView& row) {
  if (row_ && row.event_number < row_->event_number && !is_terminal(row.status)) return "";
  row_ = row;
  if (row.event_number <= latest_.number) return "";
  return moved_on({.id = row.id,
                   .status = row.status,
                   .number = row.event_number,
                   .progress = row.progress,
                   .message = row.progress_message});
}

std::string JobFeed::moved_on(JobEvent event) {
  const bool same = latest_.number > 0 && event.status == latest_.status;
  latest_ = std::move(event);
  return is_terminal(latest_.status)
             ? ""
             : event_text(latest_.number, same ? "progress" : name_of(latest_.status), data_of(latest_));
}

// A message may be ahead of the row. Of an end it says too little: who is told only then gets the state before.
JobView JobFeed::now() const {
  JobView view = *row_;
  if (latest_.number > view.event_number && !is_terminal(latest_.status) && !is_terminal(view.status)) {
    view.status = latest_.status;
    view.event_number = latest_.number;
    view.progress = latest_.progress;
    view.progress_message = latest_.message;
  }
  return view;
}

std::string JobFeed::opening(std::optional<int> last_seen) const {
  const JobView view = now();
  const int number = view.event_number - (is_terminal(view.status) ? 1 : 0);
  std::string text = "retry: 2000\n\n";
  if (last_seen != number) text += event_text(number, "snapshot", job_json(view));
  return text;
}

std::string ending_event(const ToldJob& job) {
  return event_text(job.row.event_number, name_of(job.row.status), job_json(job));
}

// A client that has more streams open than it may, and comes back at once each time, would displace its own for ever.
std::string displaced_event() {
  return "retry: 30000\nevent: displaced\n"
         R"(data: {"message":"a newer stream of yours took this one's place; it may go on in 30 s"})"
         "\n\n";
}

bool has_seen_the_end(const JobView& row, std::optional<int> last_seen) {
  return is_terminal(row.status) && last_seen == row.event_number;
}

}  // namespace plugfleet
