// notes: a whole product in one folder, for tests/live/one_folder_test.py, which adds it to a running fleet. It has what a
// product may have: two routes, a guard of nginx's, a cache, a table, a setting and a page.
#include <plugfleet/module.h>
#include <zlib.h>

namespace notes {

using namespace plugfleet;

namespace {

struct NewNote {
  std::string title;
  void fields(auto& f) { f("title", title, length(1, 120)); }
};

// By a library of the module's own: tests/notes/libs.
std::int64_t crc(const std::string& text) {
  return static_cast<std::int64_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

Async<Reply> add(Call& call) {
  const auto note = co_await call.json<NewNote>();
  co_await call.services.database.query("insert into notes (title) values ($1)", {note.title});
  co_await call.services.reply_cache.invalidate({"notes"});
  co_return json(201, note);
}

struct ListQuery {
  std::optional<std::int64_t> limit;
  void fields(auto& f) { f("limit", limit, range(1, 100)); }
};

struct Note {
  std::string title;
  std::int64_t crc32 = 0;
  void fields(auto& f) {
    f("title", title);
    f("crc32", crc32);
  }
};

struct Notes {
  std::vector<Note> notes;
  double made_at = 0;
  void fields(auto& f) {
    f("notes", notes);
    f("madeAt", made_at);
  }
};

Async<Reply> list(Call& call) {
  const auto query = call.query<ListQuery>();
  const auto titles = co_await call.services.database.all<std::string>("select title from notes order by id limit $1",
                                                                       query.limit.value_or(20));
  Notes kept{.made_at = to_ms(Clock::now().time_since_epoch())};
  for (const std::string& title : titles) kept.notes.push_back({title, crc(title)});
  co_return json(200, kept);
}

Module describe(SettingReader& settings) {
  return {.name = "notes",
          .routes = {{Method::POST,
                      "/api/notes",
                      add,
                      {.summary = "Adds a note",
                       .body = json_of<NewNote>(R"({"title": "Buy milk"})"),
                       .answers = {{201, json_of<NewNote>()}},
                       .edge = EdgeLimit::of(settings, "NOTES_EDGE", "1r/m", 5),
                       .body_max = 1024}},
                     {Method::GET,
                      "/api/notes",
                      list,
                      {.summary = "The first notes",
                       .query = type_of<ListQuery>(),
                       .answers = {{200, json_of<Notes>()}},
                       .cache = CacheRule{.fresh = 1h, .tags = {"notes"}}}}},
          .pages = {.index_at = {"/", "/notes/{id}"}, .policy = "default-src 'self'"}};
}

}  // namespace
}  // namespace notes

PLUGFLEET_MODULE(notes::describe)
