// What a module is given of the platform: the services of other modules, and a database of its own. The example in
// docs/modules.md is cut from here.
#include "core/services.h"

#include <filesystem>

#include "core/module.h"
#include "support/fresh_database.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// ---- The example: modules/teams/services/teams.h, and who offers and uses it -------------------------------------

class Teams {
 public:
  static constexpr const char* kService = "accounts.teams/1";
  virtual ~Teams() = default;
  virtual Async<std::int64_t> size_of(std::string team) = 0;  // 0 where there is no such team
};

class SqlTeams : public Teams {
 public:
  explicit SqlTeams(Services& own) : own_(own) {}
  Async<std::int64_t> size_of(std::string team) override {
    const auto size = co_await own_.database.one<std::int64_t>("select count(*) from members where team = $1", team);
    co_return size;
  }

 private:
  Services& own_;
};

Async<Reply> price(Call& call) {
  const auto members = co_await call.services.get<Teams>().size_of("red");
  co_return json(200, Json::object({{"price", members * 5}}));
}

// ---- ... and what it does ----------------------------------------------------------------------------------------

Async<Reply> enqueue(Call& call) {
  Transaction transaction = co_await call.services.database.begin();
  co_await call.enqueue(transaction, {.kind = "accounts.digest", .user_email = "ada"});
  co_await transaction.commit();
  co_return json(201, Json::object());
}

// Two modules behind dispatch.
struct House {
  House(Reactor& reactor, const Values& values) : served(reactor, values) {
    const Module accounts{
        .name = "accounts", .routes = {{Method::POST, "/enqueue", enqueue, {}}}, .offers = {offer<Teams, SqlTeams>()}};
    const Module wallet{.name = "wallet", .routes = {{Method::GET, "/price", price, {}}}, .needs = {Teams::kService}};
    served.platform->add_modules({accounts, wallet});
    for (const Module& module : {accounts, wallet}) {
      for (const Route& route : module.routes) served.router.add(module.name, route);
    }
    served.router.add("stranger", {Method::GET, "/other", price, {}});
  }
  Served served;
};

// The module accounts has migrations, and so may have a database.
struct Sources {
  Sources() { std::filesystem::create_directories(folder / "accounts/migrations"); }
  ~Sources() { std::filesystem::remove_all(folder); }
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("plugfleet-sources-" + random_hex(6));
};

Async<void> with_members(Database& database) {
  co_await database.script("create table members (team text); insert into members values ('red'), ('red'), ('blue')");
}

}  // namespace

ASYNC_TEST(a_module_asks_another_by_its_interface) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  co_await fresh.migrate();
  Database database(reactor, fresh.options());
  co_await with_members(database);
  House house(reactor, fresh.settings());
  const std::string price = co_await house.served.ask("GET", "/price");
  CHECK_CONTAINS(price, R"({"price":10})");
  const std::string other = co_await house.served.ask("GET", "/other");  // whose module needs nothing
  CHECK_CONTAINS(other, "Status: 500");
  co_await house.served.settled();
  co_await fresh.drop();
}

ASYNC_TEST(a_module_with_a_database_of_its_own_asks_that_and_enqueues_by_no_transaction_of_it) {
  FreshDatabase fleets(reactor), own(reactor);
  co_await fleets.create();
  co_await fleets.migrate();
  co_await own.create();
  Database database(reactor, own.options());
  co_await with_members(database);  // the fleet's database has no such table
  const Sources sources;
  Values values = fleets.settings();
  values.insert({{"MODULES_SOURCE_DIR", sources.folder.string()}, {"DATABASE_ACCOUNTS", own.options().conninfo}});
  House house(reactor, values);
  const std::string price = co_await house.served.ask("GET", "/price");
  CHECK_CONTAINS(price, R"({"price":10})");
  const std::string enqueued = co_await house.served.ask("POST", "/enqueue", "{}");
  CHECK_CONTAINS(enqueued, "Status: 500");
  co_await house.served.settled();
  co_await own.drop();
  co_await fleets.drop();
}
