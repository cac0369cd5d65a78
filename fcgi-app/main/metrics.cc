// plugfleet-metrics DIRECTORY: what each process of a fleet says of itself in its metric cells, as JSON for scripts; a
// fleet's directory is RUN/metrics. Works without a worker to ask. Only reads.
//
//   [{"pool": "worker", "slot": 0, "pid": 71, "alive": true, "values": {"plugfleet_ready": 1, "NAME{LABELS}": N, ...},
//     "quantiles": {"plugfleet_request_seconds": {"p50": MS, "p95": MS, "p99": MS}, ...}}]
//
// The values are counters, and gauges where the process is alive. Quantiles are over all labels of a histogram, since
// the counters began.
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

Json values_of(const ProcessMetrics& process) {
  Json values = Json::object();
  for (const Metric& metric : process.metrics) {
    if (metric.type != 'c' && metric.type != 'g') continue;
    values.set(metric.labels.empty() ? metric.name : fmt::format("{}{{{}}}", metric.name, metric.labels), metric.value);
  }
  return values;
}

Json quantiles_of(const ProcessMetrics& process) {
  std::map<std::string, std::vector<std::int64_t>> histograms;
  for (const Metric& metric : process.metrics) {
    if (metric.type != 'h') continue;
    auto& buckets = histograms[metric.name];
    buckets.resize(kBucketCount);
    buckets.at(static_cast<std::size_t>(metric.bucket)) += metric.value;
  }
  Json quantiles = Json::object();
  for (const auto& [name, buckets] : histograms) {
    quantiles.set(name, Json::object({{"p50", bucket_quantile(buckets, 0.5)},
                                      {"p95", bucket_quantile(buckets, 0.95)},
                                      {"p99", bucket_quantile(buckets, 0.99)}}));
  }
  return quantiles;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  using namespace plugfleet;
  if (argc != 2) {
    fmt::print(stderr, "usage: plugfleet-metrics DIRECTORY\n");
    return 2;
  }
  Json list = Json::array();
  for (const ProcessMetrics& process : metrics_by_process(argv[1])) {
    list.push(Json::object({{"pool", process.pool},
                            {"slot", process.slot},
                            {"pid", process.pid},
                            {"alive", process.alive},
                            {"values", values_of(process)},
                            {"quantiles", quantiles_of(process)}}));
  }
  fmt::print("{}\n", list.dump());
  return 0;
}
