#include "core/jobs/job_streams.h"

#include "core/jobs/job_feed.h"
#include "core/jobs/jobs_support.h"
#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

// S1 to S4 are core/jobs/job_streams.cc's.

namespace {

Async<void> anybody(JobView) { co_return; }
Async<void> nobody(JobView) {
  throw Failure(FailureKind::forbidden, "no");
  co_return;
}

struct Event {
  int id;
  std::string name, data;
};

// A client as the edge would serve it: one that takes everything, and has read what was written.
class Client : public BodySink {
 public:
  explicit Client(std::shared_ptr<BodyStream> stream) : stream_(std::move(stream)) { stream_->opened(*this); }
  ~Client() override {
    if (stream_) stream_->closed();
  }
  Client(const Client&) = delete;

  void write(std::string_view part) override { (ended ? after_end : text) += part; }
  void end() override { ended = true; }
  void leave() { std::exchange(stream_, nullptr)->closed(); }

  std::vector<Event> events() const {
    std::vector<Event> all;
    for (std::size_t at = 0; (at = text.find("id: ", at)) != text.npos; ++at) {
      const auto line = [&](const char* field) {
        const std::size_t begin = text.find(field, at) + std::string_view(field).size();
        return text.substr(begin, text.find('\n', begin) - begin);
      };
      all.push_back({std::stoi(line("id: ")), line("event: "), line("data: ")});
    }
    return all;
  }
  std::string names() const {
    std::string all;
    for (const Event& event : events()) all += (all.empty() ? "" : " ") + event.name;
    return all;
  }
  bool numbers_rise() const {
    const auto all = events();
    return std::ranges::adjacent_find(all, std::ranges::greater_equal(), &Event::id) == all.end();
  }

  std::string text, after_end;
  bool ended = false;

 private:
  std::shared_ptr<BodyStream> stream_;
};

// A process that streams, and a runner that tells it what it does.
struct Streaming : Queue {
  explicit Streaming(Reactor& reactor, std::string socket = shared_socket(), StreamLimits limits = {})
      : Queue(reactor),
        redis(reactor, {.address = socket}),
        payloads(redis, 60s),
        events(reactor, redis, {.address = socket}),
        streams(reactor, jobs, payloads, events, redis, limits) {}

  Async<std::unique_ptr<Client>> watch(std::string id, std::optional<int> last_seen = {}) {
    auto stream = co_await streams.open("user:" + kind, std::move(id), last_seen, anybody);
    co_return stream ? std::make_unique<Client>(std::move(stream)) : nullptr;
  }
  Async<void> start() { co_await declare(); }

  void tell(const JobChange& change, int progress = 0) {
    events.publish({.id = change.id, .status = change.status, .number = change.event_number, .progress = progress});
  }
  Async<void> progress(JobLease lease, int percent) {
    const auto change = co_await jobs.progress(std::move(lease), percent, "");
    CHECK(change);
    tell(*change, percent);
  }
  Async<void> complete(JobLease lease) {
    const auto change = co_await end(done(std::move(lease)));
    CHECK(change);
    tell(*change);
  }

  Async<void> until_subscribers(std::string id, std::int64_t wanted) {
    for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(2ms)) {
      const auto reply = co_await redis.command({"PUBSUB", "NUMSUB", "job:" + id});
      if (reply.items.at(1).integer == wanted) co_return;
      CHECK(Clock::now() < deadline);
    }
  }

  Redis redis;
  BodyStore payloads;
  JobEvents events;
  JobStreams streams;
};

}  // namespace

ASYNC_TEST(a_stream_begins_with_a_snapshot_goes_on_with_numbered_events_and_ends_with_the_result) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  CHECK_EQ(client->names(), "snapshot");
  CHECK(client->text.starts_with("retry: "));
  UNTIL(fleet.events.listening());
  const auto lease = co_await fleet.take();
  co_await fleet.progress(lease, 40);
  UNTIL(client->events().size() >= 2);
  co_await fleet.progress(lease, 80);
  co_await fleet.complete(lease);
  UNTIL(client->ended);
  CHECK(client->numbers_rise());
  const auto events = client->events();
  CHECK_EQ(events.front().name, "snapshot");
  CHECK_CONTAINS(events.front().data, R"("status":"queued")");
  CHECK_EQ(events.back().name, "completed");
  CHECK_CONTAINS(events.back().data, R"("result":{})");
}

ASYNC_TEST(who_comes_late_gets_the_snapshot_and_the_last_event_at_once) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto lease = co_await fleet.take();
  co_await fleet.complete(lease);
  const auto client = co_await fleet.watch(id);
  CHECK(client->ended);  // without any wait
  CHECK_EQ(client->names(), "snapshot completed");
  CHECK(client->numbers_rise());
}

ASYNC_TEST(who_comes_back_gets_what_it_has_not_seen) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto before = co_await fleet.watch(id);
  const int seen = before->events().back().id;
  const auto again = co_await fleet.watch(id, seen);
  CHECK_EQ(again->names(), "");
  const auto lease = co_await fleet.take();
  co_await fleet.complete(lease);
  UNTIL(again->ended);
  CHECK_EQ(again->names(), "completed");
  const int last = again->events().back().id;
  const auto between = co_await fleet.watch(id, last - 1);
  UNTIL(between->ended);
  CHECK_EQ(between->names(), "completed");
  const auto knows_all = co_await fleet.watch(id, last);
  CHECK(!knows_all);
}

ASYNC_TEST(S3_there_is_one_last_event_though_messages_and_rows_all_tell_of_it) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  const auto lease = co_await fleet.take();
  const auto change = co_await fleet.end(done(lease));
  for (int i = 0; i < 3; ++i) fleet.tell(*change);
  const auto late = co_await fleet.watch(id);
  for (int i = 0; i < 3; ++i) fleet.tell(*change);
  UNTIL(client->ended && late->ended);
  for (int i = 0; i < 3; ++i) {
    const auto row = co_await fleet.streams.look(id);
    CHECK_EQ(row->status, JobStatus::completed);
  }
  for (const Client* one : {client.get(), late.get()}) {
    CHECK_EQ(one->events().back().name, "completed");
    CHECK_EQ(std::ranges::count(one->events(), "completed", &Event::name), 1);
    CHECK_EQ(one->after_end, "");
    CHECK(one->numbers_rise());
  }
}

ASYNC_TEST(S1_what_happens_before_redis_has_subscribed_is_seen_soon) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  const auto lease = co_await fleet.take();
  co_await fleet.end(done(lease));  // and no message
  UNTIL(client->ended);
  CHECK_EQ(client->events().back().name, "completed");
}

ASYNC_TEST(S2_streams_go_on_without_redis_and_when_it_is_back) {
  RedisServer server;
  Streaming fleet(reactor, server.socket());
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  UNTIL(fleet.events.listening());
  server.end();
  UNTIL(!fleet.events.listening());
  const auto lease = co_await fleet.take();
  UNTIL(client->names() == "snapshot processing");
  co_await fleet.progress(lease, 30);
  UNTIL(client->names() == "snapshot processing progress");
  server.start();
  UNTIL(fleet.events.listening() && fleet.redis.connected());
  co_await fleet.progress(lease, 60);
  UNTIL(client->names() == "snapshot processing progress progress");
  co_await fleet.complete(lease);
  UNTIL(client->ended);
  CHECK_EQ(client->names(), "snapshot processing progress progress completed");
  CHECK(client->numbers_rise());
}

ASYNC_TEST(S3_a_result_that_cannot_be_read_now_is_waited_for) {
  RedisServer server;
  Streaming fleet(reactor);
  Redis redis(reactor, {.address = server.socket()});
  BodyStore payloads(redis, 60s);
  JobStreams streams(reactor, fleet.jobs, payloads, fleet.events, fleet.redis, {});
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto lease = co_await fleet.take();
  co_await fleet.end({.lease = lease, .outcome = JobOutcome::done, .result = "{}", .result_apart = true});
  server.end();
  auto stream = co_await streams.open("user:" + fleet.kind, id, std::nullopt, anybody);
  const Client client(std::move(stream));
  CHECK_EQ(client.names(), "snapshot");
  const auto failed = co_await failure_of(streams.wait_for_end(id, Clock::now() + 100ms));
  CHECK(failed == FailureKind::unavailable);
  CHECK(!client.ended);
  server.start();
  UNTIL(client.ended);
  CHECK_EQ(client.names(), "snapshot completed");
  CHECK_CONTAINS(client.text, R"("result":null,"resultExpired":true)");
}

ASYNC_TEST(S3_a_job_ends_though_its_numbers_were_passed_already) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  co_await fleet.until_subscribers(id, 1);
  fleet.events.publish(
      {.id = id, .status = JobStatus::processing, .number = 100});  // that PostgreSQL forgot in a crash
  UNTIL(client->names() == "snapshot processing");
  const auto lease = co_await fleet.take();
  co_await fleet.complete(lease);
  UNTIL(client->ended);
  CHECK_EQ(client->names(), "snapshot processing completed");
}

ASYNC_TEST(an_idle_stream_is_kept_open_by_comments) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto client = co_await fleet.watch(id);
  UNTIL(client->text.ends_with("\n\n: \n\n"));
  CHECK_EQ(client->names(), "snapshot");
}

ASYNC_TEST(every_stream_of_a_job_is_told_and_who_has_left_is_not) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 10; ++i) {
    auto client = co_await fleet.watch(id);
    clients.push_back(std::move(client));
  }
  clients[3]->leave();
  const std::string text_then = clients[3]->text;
  const auto lease = co_await fleet.take();
  co_await fleet.progress(lease, 10);
  co_await fleet.complete(lease);
  clients.erase(clients.begin());
  for (const auto& client : clients) {
    if (client != clients[2]) UNTIL(client->ended);
  }
  CHECK_EQ(clients[2]->text, text_then);
  clients.clear();
  CHECK_EQ(fleet.streams.open_streams(), 0);
}

ASYNC_TEST(S4_a_job_nobody_watches_any_more_is_not_listened_to) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  auto client = co_await fleet.watch(id);
  co_await fleet.until_subscribers(id, 1);
  auto second = co_await fleet.watch(id);
  client.reset();
  co_await fleet.until_subscribers(id, 1);
  second.reset();
  co_await fleet.until_subscribers(id, 0);
}

ASYNC_TEST(a_job_that_is_not_there_or_not_for_this_client_is_refused_and_takes_no_place) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto nowhere = co_await failure_of(fleet.watch(uuid_v4()));
  CHECK(nowhere == FailureKind::not_found);
  const auto id = co_await fleet.add();
  const auto refused = co_await failure_of(fleet.streams.open("user:1", id, std::nullopt, nobody));
  CHECK(refused == FailureKind::forbidden);
  CHECK_EQ(fleet.streams.open_streams(), 0);
}

ASYNC_TEST(a_client_has_so_many_streams_and_the_oldest_is_ended_so_that_it_comes_back_later) {
  Streaming fleet(reactor, shared_socket(), {.process = 10, .client = 2});
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto first = co_await fleet.watch(id), second = co_await fleet.watch(id), third = co_await fleet.watch(id);
  CHECK(first->ended && !second->ended && !third->ended);
  CHECK(first->text.ends_with("\n\n" + displaced_event()));
  CHECK(displaced_event().starts_with("retry: 30000\n"));
  const auto lease = co_await fleet.take();
  co_await fleet.complete(lease);
  UNTIL(second->ended && third->ended);
  CHECK_EQ(first->after_end, "");
  CHECK_EQ(third->events().back().name, "completed");
}

ASYNC_TEST(who_waits_for_the_end_gets_the_result_or_at_its_deadline_the_state) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  const auto early = co_await fleet.streams.wait_for_end(id, Clock::now() + 100ms);
  CHECK(!early.ended());
  CHECK_EQ(early.row.status, JobStatus::queued);
  const auto lease = co_await fleet.take();
  std::optional<ToldJob> told;
  const auto wait = [](Streaming& all, std::string job, std::optional<ToldJob>& result) -> Async<void> {
    auto ended = co_await all.streams.wait_for_end(std::move(job), Clock::now() + 8s);
    result = std::move(ended);
  };
  reactor.spawn(wait(fleet, id, told));
  co_await fleet.payloads.put_full_result(id, "[1,2]");
  const auto change =
      co_await fleet.end({.lease = lease, .outcome = JobOutcome::done, .result = "{}", .result_apart = true});
  fleet.tell(*change);
  UNTIL(told.has_value());
  CHECK(told->ended());
  CHECK_EQ(*told->result, "[1,2]");
  const auto late = co_await fleet.streams.wait_for_end(id, Clock::now() + 8s);
  CHECK_EQ(*late.result, "[1,2]");
  const auto nowhere = co_await failure_of(fleet.streams.wait_for_end(uuid_v4(), Clock::now() + 8s));
  CHECK(nowhere == FailureKind::not_found);
}

ASYNC_TEST(a_thousand_who_look_at_once_are_all_answered) {
  Streaming fleet(reactor);
  co_await fleet.start();
  const auto id = co_await fleet.add();
  int found = 0;
  const auto look = [](Streaming& all, std::string job, int& count) -> Async<void> {
    const auto row = co_await all.streams.look(std::move(job));
    if (row) ++count;
  };
  co_await all_at_once(reactor, 1000, [&](int) { return look(fleet, id, found); });
  CHECK_EQ(found, 1000);
}
