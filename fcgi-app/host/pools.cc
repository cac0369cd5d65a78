#include "host/pools.h"

#include <fmt/format.h>

#include <sstream>

#include "base/failure.h"
#include "base/text.h"

namespace plugfleet {
namespace {

constexpr int kProcessesMax = 64, kIdleMax = 86'400;

std::vector<std::string> parts_of(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) parts.push_back(part);
  return parts;
}

int number(const std::string& word, std::string_view text, int most) {
  const auto value = number_in<int>(text, 0, most);
  if (!value)
    throw Failure(FailureKind::internal,
                  fmt::format("POOLS: {}: \"{}\" must be a number from 0 to {}", word, text, most));
  return *value;
}

FleetPool read_pool(const std::string& word) {
  const auto wrong = [&word] {
    return Failure(FailureKind::internal,
                   fmt::format("POOLS: {}: must be NAME=workers|runners:MIN-MAX:IDLE:MODULES", word));
  };
  const std::size_t equals = word.find('=');
  if (equals == word.npos || equals == 0) throw wrong();
  const std::vector<std::string> parts = parts_of(word.substr(equals + 1), ':');
  if (parts.size() < 2 || parts.size() > 4 || (parts[0] != "workers" && parts[0] != "runners")) throw wrong();
  const std::size_t dash = parts[1].find('-');
  if (dash == parts[1].npos) throw wrong();
  FleetPool pool{.name = word.substr(0, equals),
                 .kind = parts[0] == "workers" ? FleetPool::Kind::workers : FleetPool::Kind::runners,
                 .least = number(word, parts[1].substr(0, dash), kProcessesMax),
                 .most = number(word, parts[1].substr(dash + 1), kProcessesMax)};
  if (pool.least > pool.most) throw wrong();
  if (parts.size() > 2 && !parts[2].empty()) pool.idle = std::chrono::seconds(number(word, parts[2], kIdleMax));
  if (parts.size() > 3) pool.modules = parts_of(parts[3], ',');
  return pool;
}

// By module, of the pools of one kind that name theirs.
PoolNames by_module(const std::vector<FleetPool>& pools, FleetPool::Kind kind) {
  PoolNames names;
  for (const FleetPool& pool : pools) {
    if (pool.kind != kind) continue;
    for (const std::string& module : pool.modules) names.emplace(module, pool.name);
  }
  return names;
}

}  // namespace

std::vector<FleetPool> read_pools(std::string_view text) {
  std::vector<FleetPool> pools;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) pools.push_back(read_pool(word));
  return pools;
}

PoolNames pools_of_routes(const std::vector<FleetPool>& pools) { return by_module(pools, FleetPool::Kind::workers); }

PoolNames pools_of_jobs(const std::vector<FleetPool>& pools, const std::vector<Module>& modules) {
  const PoolNames of_module = by_module(pools, FleetPool::Kind::runners);
  PoolNames names;
  for (const Module& module : modules) {
    const auto found = of_module.find(module.name);
    if (found == of_module.end()) continue;
    for (const JobHandler& job : module.jobs) names.emplace(job.kind, found->second);
  }
  return names;
}

}  // namespace plugfleet
