#include "core/recorder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "io/columns.h"

namespace plugfleet {
namespace {

constexpr std::size_t kWaitingMax = 20'000;
constexpr std::size_t kBatchMax = 500;
constexpr auto kGather = 200ms;  // how long rows gather for company
constexpr auto kRetry = 2s;      // after a batch that PostgreSQL did not take

// One statement a batch: its cost hardly grows with the rows.
std::string_view function_of(const std::vector<ApiCallRow>&) { return "record_api_calls"; }
std::string_view function_of(const std::vector<DoneJobRow>&) { return "record_jobs"; }

}  // namespace

template <class Row>
Recorder::Queue<Row>::Queue(const char* table)
    : batch(kBatchMax),
      written(
          counter("plugfleet_rows_written_total", fmt::format("table=\"{}\"", table), "Rows written to the database.")),
      dropped(counter("plugfleet_rows_dropped_total", fmt::format("table=\"{}\"", table), "Rows given up.")) {}

Recorder::Recorder(Reactor& reactor, Database& database)
    : reactor_(reactor), database_(database), timer_(reactor), calls_("api_calls"), jobs_("jobs") {}

void Recorder::record(ApiCallRow row) { add(calls_, std::move(row)); }
void Recorder::record(DoneJobRow row) { add(jobs_, std::move(row)); }

template <class Row>
void Recorder::add(Queue<Row>& queue, Row row) {
  if (queue.rows.size() == kWaitingMax) {
    queue.rows.pop_front();
    queue.dropped.add();
  }
  queue.rows.push_back(std::move(row));
  if (!writing_ && !timer_.armed()) schedule(kGather);
}

void Recorder::schedule(Clock::duration delay) {
  timer_.arm(delay, [this] { reactor_.spawn(write_all()); });
}

Async<void> Recorder::write_all() {
  if (writing_) co_return;
  struct Writing {
    bool& flag;
    explicit Writing(bool& f) : flag(f) { flag = true; }
    ~Writing() { flag = false; }
  };
  bool well = true;
  {
    const Writing writing(writing_);
    while (well && !calls_.rows.empty()) {
      const bool written = co_await write_batch(calls_);
      well = written;
    }
    while (well && !jobs_.rows.empty()) {
      const bool written = co_await write_batch(jobs_);
      well = written;
    }
  }
  if (waiting() > 0) schedule(well ? Clock::duration(kGather) : Clock::duration(kRetry));
}

// False where the database does not take rows now: the batch then waits in its queue again, at the front. What holds a
// value that can't be stored would be refused for ever: it is looked for in ever smaller batches, dropped and counted.
template <class Row>
Async<bool> Recorder::write_batch(Queue<Row>& queue) {
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue.rows.size(), queue.batch));
  std::vector<Row> batch(std::make_move_iterator(queue.rows.begin()),
                         std::make_move_iterator(queue.rows.begin() + count));
  queue.rows.erase(queue.rows.begin(), queue.rows.begin() + count);
  bool refused = false;
  try {
    const Columns columns(batch);
    co_await database_.query("select " + columns.call(function_of(batch)), columns.params());
    queue.written.add(batch.size());
    queue.batch = std::min(kBatchMax, 2 * queue.batch);
    co_return true;
  } catch (const SqlError& error) {
    refused = error.fault() == SqlFault::data;
  } catch (const Failure& failure) {
    refused = failure.kind() == FailureKind::unprocessable;
  }
  if (refused && batch.size() == 1) {
    queue.dropped.add();
    log(Severity::error, "row_refused", {});
    co_return true;
  }
  if (refused) queue.batch = batch.size() / 2;
  const std::size_t room = kWaitingMax - std::min(kWaitingMax, queue.rows.size());
  const std::size_t lost = batch.size() - std::min(batch.size(), room);
  queue.dropped.add(lost);
  queue.rows.insert(queue.rows.begin(), std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(lost)),
                    std::make_move_iterator(batch.end()));
  co_return refused;
}

Async<void> Recorder::flush(Clock::duration patience) {
  const auto until = Clock::now() + patience;
  while ((writing_ || waiting() > 0) && Clock::now() < until) {
    timer_.disarm();
    if (!writing_) reactor_.spawn(write_all());
    co_await sleep_for(20ms);
  }
  if (waiting() == 0) co_return;
  log(Severity::warning, "rows_dropped", {{"rows", waiting()}});
  calls_.dropped.add(calls_.rows.size());
  jobs_.dropped.add(jobs_.rows.size());
}

}  // namespace plugfleet
