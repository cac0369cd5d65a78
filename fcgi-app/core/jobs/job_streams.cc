// Who is told what:
//
//   Redis's message ──heard()──┐                       ┌─> text to each Stream (pushed)
//                              ├─> JobFeed of Watched ─┤
//   PostgreSQL's row ─learned()┘                       └─> has it ended? settle(): its row, its result; then end()
//
// S1 A job is subscribed to before its row is read, and read again soon after, for Redis may have subscribed late.
// S2 Rows of all watched jobs are read again every 30 s; every 2 s while Redis or PostgreSQL is away; at once when
//    Redis is back.
// S3 Only settle() ends a stream, with a row that has ended: so exactly one last event, and a true one. What can't be
//    read then (PostgreSQL, or the payload Redis that has the result, is down) is read again until it can be.
// S4 A Watched lives as long as someone waits for its job, and ends the subscription. Ended, it is left to those who
//    have it: who comes then gets another.
// S5 Who may see a job no more sees no more of it: every 4 s one coroutine asks for all streams of owned jobs, one question
//    after the other. So thousands of streams are one statement at a time, and what is slow is asked less often.
#include "core/jobs/job_streams.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "core/jobs/job_feed.h"
#include "core/jobs/job_lookup.h"

namespace plugfleet {
namespace {

constexpr auto kTick = 250ms;
constexpr std::size_t kBeats = 60;  // ticks between the comments that keep a stream open: 15 s
constexpr auto kRecheck = 30s, kRecheckSoon = 2s, kAgain = 1s, kAskRights = 4s;

}  // namespace

struct JobStreams::State : std::enable_shared_from_this<JobStreams::State> {
  State(Reactor& the_reactor, Jobs& jobs, BodyStore& the_payloads, JobEvents& the_events, Redis& redis,
        StreamLimits limits)
      : reactor(the_reactor),
        payloads(the_payloads),
        events(the_events),
        lookup(std::in_place, reactor, jobs),
        places(std::in_place, reactor, redis, events, limits),
        timer(reactor) {}

  std::shared_ptr<Watched> watch(const std::string& id);
  void read(const std::shared_ptr<Watched>& watched);
  void recheck();
  void tick();
  static Async<void> ask_rights(std::shared_ptr<State> self);
  void close();

  Reactor& reactor;
  BodyStore& payloads;
  JobEvents& events;
  std::optional<JobLookup> lookup;  // none when the process ends
  std::optional<StreamPlaces> places;
  std::unordered_map<std::string, std::weak_ptr<Watched>> watched;
  std::vector<std::weak_ptr<Watched>> young, grown;  // S1: watched since this tick, since the last one
  std::array<std::vector<Stream*>, kBeats> beats;    // which streams get their comment together
  std::size_t beat = 0, next_place = 0;
  Clock::time_point rechecked_at;
  bool unread = false;  // PostgreSQL did not answer
  Clock::time_point asked_rights_at;
  bool asking_rights = false;
  JobEvents::Handle gap;
  Timer timer;
};

// ---- A job that someone waits for ---------------------------------------------------------------------------------

class JobStreams::Watched : public std::enable_shared_from_this<JobStreams::Watched> {
 public:
  Watched(std::shared_ptr<State> state, std::string id) : state_(std::move(state)), id_(std::move(id)) {}
  ~Watched() {
    const auto place = state_->watched.find(id_);
    if (place != state_->watched.end() && place->second.expired()) state_->watched.erase(place);
  }
  Watched(const Watched&) = delete;

  void subscribe() {
    handle_ = state_->events.watch(id_, [weak = weak_from_this()](const JobEvent& event) {
      if (const auto self = weak.lock()) self->heard(event);
    });
  }
  void heard(const JobEvent& event) {
    send(feed_.heard(event));
    if (is_terminal(event.status)) settle_once(std::nullopt);
  }
  void learned(const JobView* row) {
    if (!row) return end(std::nullopt);
    send(feed_.learned(*row));
    if (is_terminal(row->status)) settle_once(*row);
  }

  // settle() gives up where nobody waits: for the first who does, when the job had ended already, it begins here.
  void settle_where_ended() {
    const auto& row = feed_.row();
    if (row && is_terminal(row->status)) settle_once(row);
  }

  const std::string& id() const { return id_; }
  const JobFeed& feed() const { return feed_; }
  bool over() const { return over_; }
  const std::optional<ToldJob>& ended() const { return ended_; }  // none while it goes on, or where the job is gone

  void add(Stream& stream) { streams_.push_back(&stream); }
  void remove(Stream& stream) { std::erase(streams_, &stream); }
  Async<void> wait(Clock::duration patience);

 private:
  static Async<void> settle(std::shared_ptr<Watched> self, std::optional<JobView> row);
  void settle_once(std::optional<JobView> row) {
    if (!over_ && !std::exchange(settling_, true)) state_->reactor.spawn(settle(shared_from_this(), std::move(row)));
  }
  void send(std::string_view text);
  void end(std::optional<ToldJob> job);

  const std::shared_ptr<State> state_;
  const std::string id_;
  JobFeed feed_;
  std::vector<Stream*> streams_;
  std::vector<Waiter*> waiters_;
  bool settling_ = false, over_ = false;
  std::optional<ToldJob> ended_;
  JobEvents::Handle handle_;
};

// ---- One client's stream ------------------------------------------------------------------------------------------

class JobStreams::Stream : public BodyStream, public std::enable_shared_from_this<JobStreams::Stream> {
 public:
  Stream(std::shared_ptr<State> state, std::shared_ptr<Watched> watched, std::shared_ptr<StreamPlace> place,
         std::optional<int> last_seen, std::function<Async<void>()> right)
      : state_(std::move(state)),
        watched_(std::move(watched)),
        place_(std::move(place)),
        last_seen_(last_seen),
        right_(std::move(right)) {}
  ~Stream() override { closed(); }

  void opened(BodySink& sink) override {
    sink_ = &sink;
    beats_ = state_->next_place++ % kBeats;
    state_->beats[beats_].push_back(this);
    watched_->add(*this);
    sink.write(watched_->feed().opening(last_seen_));
    if (watched_->over()) return end(watched_->ended() ? ending_event(*watched_->ended()) : "");
    watched_->settle_where_ended();
    place_->on_displaced([this] { displaced(); });
  }
  void closed() override {
    if (!std::exchange(sink_, nullptr)) return;
    watched_->remove(*this);
    std::erase(state_->beats[beats_], this);
  }

  void write(std::string_view text) { sink_->write(text); }
  void end(std::string_view last_event) {
    sink_->write(last_event);
    sink_->end();
  }
  // Throws where its client may see the job no more; null where anybody may.
  const std::function<Async<void>()>& right() const { return right_; }
  // Its client is told nothing: who asks again learns why.
  void refused() {
    BodySink* const sink = sink_;
    if (!sink) return;
    closed();
    sink->end();
  }

 private:
  void displaced() {
    BodySink* const sink = sink_;
    if (!sink) return;
    closed();
    sink->write(displaced_event());
    sink->end();
  }

  const std::shared_ptr<State> state_;
  const std::shared_ptr<Watched> watched_;
  const std::shared_ptr<StreamPlace> place_;
  const std::optional<int> last_seen_;
  const std::function<Async<void>()> right_;
  std::size_t beats_ = 0;
  BodySink* sink_ = nullptr;  // while it is open
};

void JobStreams::Watched::send(std::string_view text) {
  if (text.empty()) return;
  for (Stream* const stream : streams_) stream->write(text);
}

void JobStreams::Watched::end(std::optional<ToldJob> job) {
  if (std::exchange(over_, true)) return;
  ended_ = std::move(job);
  state_->watched.erase(id_);
  handle_.reset();
  const std::string last_event = ended_ && !streams_.empty() ? ending_event(*ended_) : "";
  for (Stream* const stream : streams_) stream->end(last_event);
  for (Waiter* const waiter : waiters_) waiter->resume();
}

Async<void> JobStreams::Watched::settle(std::shared_ptr<Watched> self, std::optional<JobView> row) {
  const auto state = self->state_;
  for (; !self->over_ && state->lookup; co_await sleep_for(kAgain)) {
    if (self->streams_.empty() && self->waiters_.empty()) break;
    try {
      if (!row) {
        auto found = co_await state->lookup->get(self->id_);
        if (!found) co_return self->end(std::nullopt);
        row = std::move(found);
      }
      if (!is_terminal(row->status)) {  // started anew since by an operator
        self->settling_ = false;
        co_return self->learned(&*row);
      }
      self->feed_.learned(*row);
      auto job = co_await with_result(state->payloads, *row);
      co_return self->end(std::move(job));
    } catch (const Failure& failure) {  // S3
      if (failure.kind() != FailureKind::unavailable) log(Severity::error, "job_unread", {{"what", failure.message()}});
    }
  }
  self->settling_ = false;
}

Async<void> JobStreams::Watched::wait(Clock::duration patience) {
  struct Waiting {
    std::vector<Waiter*>& all;
    Waiter waiter;
    explicit Waiting(std::vector<Waiter*>& waiters) : all(waiters) { all.push_back(&waiter); }
    ~Waiting() { std::erase(all, &waiter); }
  };
  if (over_) co_return;
  Waiting waiting(waiters_);
  co_await waiting.waiter.wait_for(patience);
}

// ---- All of them --------------------------------------------------------------------------------------------------

std::shared_ptr<JobStreams::Watched> JobStreams::State::watch(const std::string& id) {
  auto& place = watched[id];
  auto job = place.lock();
  if (job) return job;
  job = std::make_shared<Watched>(shared_from_this(), id);
  place = job;
  job->subscribe();
  young.push_back(job);
  if (!gap) gap = events.on_gap([this] { recheck(); });
  if (!timer.armed()) timer.arm(kTick, [this] { tick(); });
  return job;
}

void JobStreams::State::read(const std::shared_ptr<Watched>& job) {
  lookup->ask(job->id(), [this, weak = std::weak_ptr(job)](const JobView* row, const std::exception_ptr& failure) {
    if (failure) unread = true;
    const auto self = weak.lock();
    if (self && !failure) self->learned(row);
  });
}

void JobStreams::State::recheck() {
  rechecked_at = Clock::now();
  unread = false;
  for (const auto& [id, weak] : watched) {
    if (const auto job = weak.lock()) read(job);
  }
}

void JobStreams::State::tick() {
  for (const auto& weak : grown) {
    if (const auto job = weak.lock()) read(job);
  }
  grown = std::exchange(young, {});
  if (Clock::now() - rechecked_at >= (events.listening() && !unread ? kRecheck : kRecheckSoon)) recheck();
  if (!asking_rights && Clock::now() - asked_rights_at >= kAskRights) reactor.spawn(ask_rights(shared_from_this()));
  for (Stream* const stream : beats[beat]) stream->write(": \n\n");
  beat = (beat + 1) % kBeats;
  if (!watched.empty()) timer.arm(kTick, [this] { tick(); });
}

// S5. An answer that nobody can give now is asked for again with the next round.
Async<void> JobStreams::State::ask_rights(std::shared_ptr<State> self) {
  struct Asking {
    bool& flag;
    ~Asking() { flag = false; }
  };
  self->asking_rights = true;
  const Asking asking{self->asking_rights};  // gone before self, however this ends
  self->asked_rights_at = Clock::now();
  std::vector<std::weak_ptr<Stream>> streams;
  for (const auto& together : self->beats) {
    for (Stream* const stream : together) {
      if (stream->right()) streams.push_back(stream->weak_from_this());
    }
  }
  for (const auto& weak : streams) {
    std::function<Async<void>()> right;
    if (const auto stream = weak.lock()) right = stream->right();
    if (!right || !self->lookup) continue;
    try {
      co_await right();
    } catch (const Failure& failure) {
      const auto kind = failure.kind();
      const bool lost =
          kind == FailureKind::unauthorized || kind == FailureKind::forbidden || kind == FailureKind::not_found;
      const auto stream = weak.lock();
      if (lost && stream) stream->refused();
    }
  }
}

void JobStreams::State::close() {
  timer.disarm();
  gap.reset();
  lookup.reset();
  places.reset();
}

JobStreams::JobStreams(Reactor& reactor, Jobs& jobs, BodyStore& payloads, JobEvents& events, Redis& redis,
                       StreamLimits limits)
    : state_(std::make_shared<State>(reactor, jobs, payloads, events, redis, limits)) {}

JobStreams::~JobStreams() { state_->close(); }

Async<std::optional<JobView>> JobStreams::look(std::string id) { return state_->lookup->get(std::move(id)); }

std::int64_t JobStreams::open_streams() const { return state_->places->taken(); }

Async<std::shared_ptr<BodyStream>> JobStreams::open(std::string client, std::string id, std::optional<int> last_seen,
                                                    MaySee may_see) {
  const auto state = state_;
  const auto watched = state->watch(id);
  const auto row = co_await state->lookup->get(std::move(id));
  if (!row) throw Failure(FailureKind::not_found, "there is no such job");
  co_await may_see(*row);
  if (has_seen_the_end(*row, last_seen)) co_return nullptr;
  watched->learned(&*row);
  auto place = co_await state->places->take(std::move(client));
  std::function<Async<void>()> right;
  if (row->owner) right = [may_see = std::move(may_see), job = *row] { return may_see(job); };
  co_return std::make_shared<Stream>(state, watched, std::move(place), last_seen, std::move(right));
}

Async<ToldJob> JobStreams::wait_for_end(std::string id, Clock::time_point deadline) {
  const auto state = state_;
  const auto watched = state->watch(id);
  state->read(watched);
  co_await watched->wait(deadline - Clock::now());
  if (watched->ended()) co_return *watched->ended();
  if (watched->over()) throw Failure(FailureKind::not_found, "there is no such job");
  const auto& row = watched->feed().row();
  if (!row || is_terminal(row->status)) {
    throw Failure(FailureKind::unavailable, "the job's result can't be read now; ask again later").retry_after(kAgain);
  }
  co_return ToldJob{.row = *row};
}

}  // namespace plugfleet
