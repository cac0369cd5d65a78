// The decisions of scaling, with a clock of their own.
#include "host/scaling.h"

#include <algorithm>

#include "support/check.h"

using namespace plugfleet;

namespace {

using State = Slot::State;
using Step = ScalingDecision::Step;

constexpr int kLeast = 2, kMost = 6;

Need shortage() { return {.shortage = "short", .one_fewer_would_do = false}; }
Need enough() { return {}; }
Need calm() { return {.shortage = "", .one_fewer_would_do = true}; }

// A pool whose processes come up at once; looked at every second.
struct Pool {
  explicit Pool(int running = kLeast) {
    for (int i = 0; i < kMost; ++i)
      slots.push_back({.number = i, .state = i < running ? State::running : State::stopped});
  }
  int running() const { return static_cast<int>(std::ranges::count(slots, State::running, &Slot::state)); }

  ScalingDecision look(const Need& need) {
    now += 1s;
    const ScalingDecision decision = scaler.decide({now, slots, need, memory_left});
    if (decision.step == Step::stay) return decision;
    scaler.acted(decision, now);
    ++steps;
    slots.at(static_cast<std::size_t>(decision.slot)).state =
        decision.step == Step::start ? State::running : State::stopped;
    return decision;
  }
  ScalingDecision look(const Need& need, int seconds) {
    ScalingDecision last;
    for (int i = 0; i < seconds; ++i) last = look(need);
    return last;
  }

  PoolScaler scaler{kLeast, 60s};
  Clock::time_point now;
  std::vector<Slot> slots;
  bool memory_left = true;
  int steps = 0;
};

}  // namespace

TEST(one_short_look_is_chance_two_in_a_row_start_the_lowest_free_slot) {
  Pool pool;
  pool.look(shortage());
  pool.look(enough());
  CHECK_EQ(pool.look(shortage()).step, Step::stay);
  const ScalingDecision decision = pool.look(shortage());
  CHECK_EQ(decision.step, Step::start);
  CHECK_EQ(decision.slot, 2);
  CHECK_EQ(decision.why, "short");
}

TEST(a_new_process_gets_three_seconds_to_help_before_the_next) {
  Pool pool;
  pool.look(shortage(), 2);
  CHECK_EQ(pool.look(shortage(), 2).step, Step::stay);
  CHECK_EQ(pool.look(shortage()).step, Step::start);
}

TEST(never_more_than_the_maximum_and_it_says_so) {
  Pool pool;
  CHECK_CONTAINS(pool.look(shortage(), 100).why, "no more are allowed");
  CHECK_EQ(pool.running(), kMost);
}

TEST(never_fewer_than_the_minimum) {
  Pool pool(kMost);
  pool.look(calm(), 1000);
  CHECK_EQ(pool.running(), kLeast);
}

TEST(one_goes_after_sixty_calm_seconds_and_the_next_after_thirty_more) {
  Pool pool(5);
  pool.look(calm(), 60);
  CHECK_EQ(pool.steps, 0);
  pool.look(calm());
  CHECK_EQ(pool.steps, 1);
  pool.look(calm(), 29);
  CHECK_EQ(pool.steps, 1);
  pool.look(calm());
  CHECK_EQ(pool.steps, 2);
}

TEST(calm_that_is_broken_begins_anew) {
  Pool pool(5);
  pool.look(calm(), 59);
  pool.look(enough());
  pool.look(calm(), 60);
  CHECK_EQ(pool.steps, 0);
}

TEST(a_load_that_comes_and_goes_does_not_make_it_flap) {
  Pool pool;
  for (int i = 0; i < 60; ++i) {  // twenty minutes of ten busy seconds and ten quiet ones
    for (int second = 0; second < 10; ++second) pool.look(pool.running() < 4 ? shortage() : enough());
    pool.look(calm(), 10);
  }
  CHECK_EQ(pool.running(), 4);
  CHECK_EQ(pool.steps, 2);
}

TEST(the_least_busy_of_the_extra_ones_goes_the_highest_of_equals) {
  Pool pool(5);
  pool.slots[2].busy = 1;
  pool.slots[3].busy = 1;
  pool.slots[4].busy = 7;
  CHECK_EQ(pool.look(calm(), 61).slot, 3);
}

TEST(none_is_stopped_that_has_a_stream_or_a_job_and_it_says_so) {
  Pool pool(4);
  for (Slot& slot : pool.slots) slot.busy = slot.lasting = 1;
  pool.slots[2].busy = 30;
  CHECK_CONTAINS(pool.look(calm(), 100).why, "have streams or jobs");
  CHECK_EQ(pool.steps, 0);
  pool.slots[2].lasting = 0;  // busier than the other, with what ends soon
  CHECK_EQ(pool.look(calm()).slot, 2);
  CHECK_EQ(pool.look(calm(), 100).step, Step::stay);
  CHECK_EQ(pool.running(), 3);
}

TEST(none_is_stopped_while_another_comes_up_or_the_minimum_is_not_there) {
  Pool pool(4);
  pool.slots[5].state = State::coming;
  pool.look(calm(), 100);
  pool.slots[5].state = State::stopped;
  pool.slots[0].state = State::failed;
  pool.slots[1].state = State::failed;
  pool.look(calm(), 100);
  CHECK_EQ(pool.steps, 0);
}

TEST(slots_that_still_end_what_they_have_are_not_started) {
  Pool pool;
  for (std::size_t i = 2; i < pool.slots.size(); ++i) pool.slots[i].state = State::going;
  CHECK_CONTAINS(pool.look(shortage(), 20).why, "still end what they have");
  CHECK_EQ(pool.steps, 0);
}

TEST(fewer_than_the_minimum_are_left_to_supervisord_and_the_scripts) {
  Pool pool(1);
  CHECK_EQ(pool.look(shortage(), 20).step, Step::stay);
  CHECK_EQ(pool.steps, 0);
}

TEST(while_one_comes_up_no_other_is_started) {
  Pool pool;
  pool.slots[2].state = State::coming;
  pool.look(shortage(), 20);
  CHECK_EQ(pool.steps, 0);
}

TEST(a_slot_that_does_not_come_up_ends_the_starting_and_is_told) {
  Pool pool;
  pool.slots[2].state = State::failed;
  CHECK_CONTAINS(pool.look(shortage(), 20).why, "slot 2 does not come up");
  CHECK_EQ(pool.steps, 0);
}

TEST(without_memory_nothing_is_started) {
  Pool pool;
  pool.memory_left = false;
  CHECK_CONTAINS(pool.look(shortage(), 20).why, "memory");
  CHECK_EQ(pool.steps, 0);
}

TEST(what_was_seen_before_a_gap_is_forgotten) {
  Pool pool(5);
  pool.look(calm(), 60);
  pool.now += 60s;
  pool.look(calm());
  pool.look(shortage());
  pool.now += 60s;
  pool.look(shortage());
  CHECK_EQ(pool.steps, 0);
}

TEST(workers_are_short_where_requests_wait_or_are_many) {
  CHECK_EQ(need_of(WorkerLoad{.ready = 2, .in_flight = 3, .queued = 100, .queue_p95_ms = 120}).shortage,
           "accept queue waited 120 ms at p95");
  CHECK_EQ(need_of(WorkerLoad{.ready = 2, .in_flight = 3, .queued = 5, .queue_p95_ms = 120}).shortage, "");
  CHECK_EQ(need_of(WorkerLoad{.ready = 2, .in_flight = 101}).shortage, "101 requests in flight in 2 workers");
  CHECK_EQ(need_of(WorkerLoad{.ready = 2, .in_flight = 100}).shortage, "");
}

TEST(a_worker_fewer_would_do_where_the_rest_has_room_left) {
  CHECK(need_of(WorkerLoad{.ready = 3, .in_flight = 60}).one_fewer_would_do);
  CHECK(!need_of(WorkerLoad{.ready = 3, .in_flight = 61}).one_fewer_would_do);
  CHECK(!need_of(WorkerLoad{.ready = 3, .queued = 100, .queue_p95_ms = 20}).one_fewer_would_do);
}

TEST(runners_are_short_where_jobs_wait_and_their_places_are_taken) {
  CHECK_EQ(need_of(RunnerLoad{.ready = 2, .running = 90, .places = 50, .waiting = 7, .oldest = 3s}).shortage,
           "7 jobs waited, the oldest for 3 s, and 2 runners had 90");
  CHECK_EQ(need_of(RunnerLoad{.ready = 2, .running = 50, .places = 50, .waiting = 7, .oldest = 3s}).shortage, "");
  CHECK(need_of(RunnerLoad{.ready = 2, .running = 50, .places = 50, .waiting = 7, .oldest = 5s}).shortage != "");
  CHECK_EQ(need_of(RunnerLoad{.ready = 2, .running = 100, .places = 50}).shortage, "");
}

TEST(jobs_of_a_paused_kind_keep_no_runner) {
  CHECK(need_of(RunnerLoad{.ready = 3, .places = 50, .waiting = 900, .oldest = 1h}).one_fewer_would_do);
  CHECK(!need_of(RunnerLoad{.ready = 3, .running = 61, .places = 50}).one_fewer_would_do);
}

TEST(memory_is_left_above_a_tenth_and_256_MB) {
  CHECK(memory_is_left("MemTotal:  4000000 kB\nMemFree: 1 kB\nMemAvailable:  400000 kB\n"));
  CHECK(!memory_is_left("MemTotal:  4000000 kB\nMemAvailable:  399999 kB\n"));
  CHECK(!memory_is_left("MemTotal:  1000000 kB\nMemAvailable:  200000 kB\n"));
  CHECK(memory_is_left(""));
}

TEST(memory_is_left_in_a_control_group_likewise_the_page_cache_counts_as_left) {
  const auto left = [](const char* most, const char* current, const char* stat = "") {
    return group_memory_is_left(most, current, stat);
  };
  CHECK(left("2000000000\n", "1700000000\n"));
  CHECK(!left("2000000000\n", "1800000000\n"));
  CHECK(left("2000000000\n", "1800000000\n", "anon 1\ninactive_file 50000000\nactive_file 50000000\nshmem 9\n"));
  CHECK(!left("9000000000\n", "8200000000\n"));
  CHECK(left("max\n", "8200000000\n"));
  CHECK(left("", ""));
}

TEST(the_last_worker_of_a_pool_goes_only_where_nobody_asked) {
  CHECK(need_of(WorkerLoad{.ready = 1, .in_flight = 0, .queued = 0}).one_fewer_would_do);
  CHECK(!need_of(WorkerLoad{.ready = 1, .in_flight = 0, .queued = 1}).one_fewer_would_do);
  CHECK(!need_of(WorkerLoad{.ready = 1, .in_flight = 1, .queued = 0}).one_fewer_would_do);
}

TEST(a_job_that_waits_brings_the_first_runner_of_a_pool_on_demand_and_keeps_the_last) {
  CHECK_CONTAINS(need_of(RunnerLoad{.on_demand = true, .waiting = 3}).shortage,
                 "3 jobs waited, and no runner was there");
  CHECK_EQ(need_of(RunnerLoad{.waiting = 3}).shortage, "");  // RUNNERS=0: jobs wait
  CHECK(!need_of(RunnerLoad{.ready = 1, .places = 2, .on_demand = true, .waiting = 1}).one_fewer_would_do);
  CHECK(need_of(RunnerLoad{.ready = 1, .places = 2, .on_demand = true}).one_fewer_would_do);
}
