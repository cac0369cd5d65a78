#include "host/pools.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

std::string refusal(std::string_view text) {
  try {
    read_pools(text);
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

TEST(a_pool_is_its_name_kind_size_and_modules) {
  const auto pools = read_pools("worker=workers:2-10 render=workers:0-3:30:pdf,scorer runner=runners:0-10");
  CHECK_EQ(pools.size(), 3u);
  CHECK_EQ(pools[0].least, 2);
  CHECK_EQ(pools[0].most, 10);
  CHECK(pools[0].modules.empty());
  CHECK_EQ(pools[1].name, "render");
  CHECK(pools[1].kind == FleetPool::Kind::workers);
  CHECK(pools[1].idle == 30s);
  CHECK_EQ(pools[1].modules.size(), 2u);
  CHECK(pools[2].kind == FleetPool::Kind::runners);
}

TEST(a_pool_with_none_at_the_least_is_on_demand_and_runners_of_none_wait) {
  const auto pools = read_pools("a=workers:0-3::x b=runners:0-1::x c=workers:1-3::y runner=runners:0-10");
  CHECK(pools[0].on_demand());
  CHECK(pools[1].on_demand());
  CHECK(!pools[2].on_demand());
  CHECK(!pools[3].on_demand());
}

TEST(what_makes_no_sense_is_named) {
  CHECK_EQ(refusal(""), "");
  CHECK_CONTAINS(refusal("worker"), "POOLS: worker: must be NAME=");
  CHECK_CONTAINS(refusal("a=walkers:1-2"), "a=walkers:1-2: must be");
  CHECK_CONTAINS(refusal("a=workers:3-2"), "must be");
  CHECK_CONTAINS(refusal("a=workers:1-65"), "\"65\" must be a number from 0 to 64");
  CHECK_CONTAINS(refusal("a=workers:1-2:x"), "\"x\" must be a number");
  CHECK_CONTAINS(refusal("a=workers:1-2:1:m:n"), "must be");
}

TEST(routes_and_jobs_are_those_of_their_modules_pools) {
  const auto pools = read_pools("worker=workers:1-2 runner=runners:1-2 a=workers:1-1::pdf b=runners:1-1::pdf,figma");
  const PoolNames routes = pools_of_routes(pools);
  CHECK_EQ(pool_of(routes, "pdf", kWorkerPool), "a");
  CHECK_EQ(pool_of(routes, "figma", kWorkerPool), "worker");
  std::vector<Module> modules(2);
  modules[0].name = "pdf";
  modules[0].jobs.push_back({.kind = "pdf.print"});
  modules[1].name = "notes";
  modules[1].jobs.push_back({.kind = "notes.count"});
  const PoolNames jobs = pools_of_jobs(pools, modules);
  CHECK_EQ(pool_of(jobs, "pdf.print", kRunnerPool), "b");
  CHECK_EQ(pool_of(jobs, "notes.count", kRunnerPool), "runner");
}
