// What handlers do with the database, as docs/modules.md shows it: the examples there are cut from here.
#include "core/work.h"

#include "support/fresh_database.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

constexpr const char* kSchema =
    "create table notes (id bigint generated always as identity primary key, owner_name text not null, title text not "
    "null, read_at timestamptz)";

// ---- The examples ------------------------------------------------------------------------------------------------

struct Note {
  std::int64_t id = 0;
  std::string owner_name, title;
  std::optional<std::string> read_at;  // null until then
  void fields(auto& f) {
    f("id", id);
    f("ownerName", owner_name);
    f("title", title);
    f("readAt", read_at);
  }
};

Async<Reply> show(Call& call, std::int64_t id) {
  const auto note = co_await call.services.database.maybe<Note>("select * from notes where id = $1", id);
  if (!note) throw Failure(FailureKind::not_found, "there is no such note");
  co_return json(200, *note);
}

struct NewNote {
  std::string owner_name, title;
  void fields(auto& f) {
    f("ownerName", owner_name, length(1, 255));
    f("title", title, length(1, 120));
  }
};

Async<Reply> create(Call& call) {
  const auto wanted = co_await call.json<NewNote>();
  Transaction transaction = co_await call.services.database.begin();
  const auto note = co_await transaction.one<Note>("insert into notes (owner_name, title) values ($1, $2) returning *",
                                                   wanted.owner_name, wanted.title);
  NewJob digest{.kind = "notes.digest", .payload = write_fields(note).dump(), .user_email = wanted.owner_name};
  co_await call.enqueue(transaction, std::move(digest));
  co_await transaction.commit();  // now there are the note and its job, and runners are told
  co_return json(201, note);
}

Async<Reply> count(Call& call) {
  const auto notes = co_await call.services.replica.one<std::int64_t>("select count(*) from notes");
  co_return json(200, Json::object({{"notes", notes}}));
}

// ---- ... and what they do ----------------------------------------------------------------------------------------

Async<Reply> create_and_fail(Call& call) {
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("insert into notes (owner_name, title) values ('ada', 'lost')");
  co_await call.enqueue(transaction, {.kind = "notes.digest", .user_email = "ada"});
  throw Failure(FailureKind::conflict, "not this time");
}

struct Notes {
  explicit Notes(Reactor& reactor) : fresh(reactor), db(reactor, fresh.options()) {}

  Async<void> open() {
    co_await fresh.create();
    co_await fresh.migrate();
    co_await db.query(kSchema);
    served.emplace(fresh.reactor, fresh.settings());
    served->add_routes({{Method::GET, "/notes/{id}", show, {}},
                        {Method::POST, "/notes", create, {}},
                        {Method::GET, "/count", count, {}},
                        {Method::POST, "/failed", create_and_fail, {}}});
  }
  Async<std::string> ask(std::string method, std::string path, std::string body = "") {
    std::string reply = co_await served->ask(std::move(method), std::move(path), std::move(body));
    co_await served->settled();
    co_return reply;
  }
  Async<std::int64_t> jobs() { return db.one<std::int64_t>("select count(*) from live_jobs"); }

  FreshDatabase fresh;
  Database db;
  std::optional<Served> served;
};

constexpr const char* kNote = R"({"ownerName": "ada@example.com", "title": "First"})";

}  // namespace

ASYNC_TEST(a_note_and_its_job_are_made_together_and_the_job_has_the_requests_trace_and_address) {
  Notes notes(reactor);
  co_await notes.open();
  const std::string made = co_await notes.ask("POST", "/notes", kNote);
  CHECK_CONTAINS(made, R"({"id":1,"ownerName":"ada@example.com","title":"First","readAt":null})");
  const auto job = co_await notes.db.query("select type, payload, user_email, trace_id, ip_address from live_jobs");
  CHECK_EQ(job.size(), 1u);
  CHECK_EQ(job[0].text("type"), "notes.digest");
  CHECK_CONTAINS(std::string(job[0].text("payload")), R"("title": "First")");
  CHECK_EQ(job[0].text("trace_id"), "trace-7");
  CHECK_EQ(job[0].text("ip_address"), "10.0.0.1");
  const std::string shown = co_await notes.ask("GET", "/notes/1");
  CHECK_CONTAINS(shown, R"("title":"First")");
  const std::string none = co_await notes.ask("GET", "/notes/2");
  CHECK_CONTAINS(none, "there is no such note");
  const std::string counted = co_await notes.ask("GET", "/count");
  CHECK_CONTAINS(counted, R"({"notes":1})");
  co_await notes.fresh.drop();
}

ASYNC_TEST(a_handler_that_fails_before_its_commit_leaves_neither) {
  Notes notes(reactor);
  co_await notes.open();
  const std::string failed = co_await notes.ask("POST", "/failed", "{}");
  CHECK_CONTAINS(failed, "not this time");
  const auto left = co_await notes.db.one<std::int64_t>("select count(*) from notes");
  const auto jobs = co_await notes.jobs();
  CHECK_EQ(left + jobs, 0);
  co_await notes.fresh.drop();
}

ASYNC_TEST(a_test_that_takes_jobs_itself_gets_them_at_the_commit) {
  Notes notes(reactor);
  co_await notes.open();
  std::vector<NewJob> taken;
  notes.served->platform->intake.give_to([&taken](NewJob job, std::string_view) {
    const EnqueueResult result{Enqueued::created, job.id};
    taken.push_back(std::move(job));
    return result;
  });
  co_await notes.ask("POST", "/failed", "{}");
  CHECK(taken.empty());
  co_await notes.ask("POST", "/notes", kNote);
  CHECK_EQ(taken.size(), 1u);
  CHECK_EQ(taken[0].kind, "notes.digest");
  CHECK_EQ(taken[0].trace_id, "trace-7");
  const auto jobs = co_await notes.jobs();
  CHECK_EQ(jobs, 0);
  co_await notes.fresh.drop();
}

ASYNC_TEST(a_column_that_does_not_fit_is_our_fault_and_nothing_of_it_is_told) {
  Notes notes(reactor);
  co_await notes.open();
  co_await notes.db.query("alter table notes alter title drop not null");
  co_await notes.db.query("insert into notes (owner_name) values ('ada')");
  const std::string reply = co_await notes.ask("GET", "/notes/1");
  CHECK_CONTAINS(reply, "Status: 500");
  CHECK(!reply.contains("title"));
  co_await notes.fresh.drop();
}
