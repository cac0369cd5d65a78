// Settings: read once at start, from a file of NAME=value lines (its manual is conf/plugfleet.conf), each overridden by
// the environment variable PLUGFLEET_NAME. A struct of settings says its rows once:
//
//   struct DemoSettings {
//     std::string greeting;
//     Clock::duration patience;
//     void rows(SettingReader& s) {
//       s.text("DEMO_GREETING", greeting, "hello");
//       s.duration("DEMO_PATIENCE", patience, "10s", 1s, 60s);
//     }
//   };
//
// A wrong value, and a name that no row claims, stop the process at its start with one sentence each. Durations are
// written 500ms, 10s, 5m or 1h; sizes 512KiB, 20MiB or plain bytes; rates 20r/s or 30r/m. A value may stand in quotation
// marks, a secret may not. A secret may instead be put in a file, named by NAME_FILE; it is never shown.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/failure.h"

namespace plugfleet {

struct SettingRow {
  std::string name, type, default_value, range;
  std::string value;  // as it stands somewhere, or the default; a secret's is not here
};

class SettingReader {
 public:
  // `path` may be empty: then only the environment is read. Throws Failure where the file can't be read.
  explicit SettingReader(const std::string& path);
  explicit SettingReader(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  void text(const std::string& name, std::string& target, std::string default_value);
  void secret(const std::string& name, std::string& target);
  void choice(const std::string& name, std::string& target, std::string default_value,
              std::initializer_list<std::string_view> choices);
  void integer(const std::string& name, std::int64_t& target, std::int64_t default_value, std::int64_t least,
               std::int64_t most);
  void rate(const std::string& name, std::string& target, std::string default_value);
  void duration(const std::string& name, Clock::duration& target, std::string default_value, Clock::duration least,
                Clock::duration most);
  void size(const std::string& name, std::size_t& target, std::string default_value, std::size_t least,
            std::size_t most);

  // A rule over several settings, or one that no row can say.
  void complain(std::string sentence) { complaints_.push_back(std::move(sentence)); }

  // A name that no row claimed is a mistake where every module's rows are read; where some are not it may be theirs.
  enum class Unclaimed { refused, passed_over };
  // Throws Failure listing everything that is wrong.
  void finish(Unclaimed unclaimed = Unclaimed::refused) const;

  const std::vector<SettingRow>& rows() const { return rows_; }

 private:
  std::string take(const std::string& name, const std::string& type, const std::string& default_value,
                   const std::string& range);

  std::map<std::string, std::string> values_;
  std::set<std::string> claimed_;
  std::vector<SettingRow> rows_;
  std::vector<std::string> complaints_;
};

// Every process of the fleet has these. A module has its own (sdk/plugfleet/module.h).
struct Settings {
  // Who this process is; supervisord's configuration says it.
  std::string pool, pools, run_dir, modules_dir, modules, prompts_dir, migrations_dir, modules_source_dir, files_dir,
      public_url;
  std::int64_t slot = 0;
  Clock::duration scale_down_after{};

  std::string log_file, log_level;

  Clock::duration request_timeout{}, drain_timeout{};
  std::int64_t requests_in_flight_max = 0, max_requests = 0, requests_per_minute = 0, client_prefix = 0;
  std::size_t body_max = 0, memory_limit = 0;

  std::string database_url, reports_database_url, replica_database_url;
  std::map<std::string, std::string> module_databases;  // by module: DATABASE_NOTES of notes, of those that set it
  Clock::duration replica_lag_max{};
  std::int64_t database_pool = 0;
  std::string redis_socket, payloads_socket;

  Clock::duration job_lease{}, job_payload_ttl{}, job_payload_bound{}, runner_grace{};
  std::int64_t runner_jobs = 0, jobs_keep_completed = 0, jobs_keep_failed = 0, jobs_keep_days = 0;
  std::int64_t streams_max = 0, streams_per_client = 0;

  std::string jwt_alg, jwt_secret, jwt_jwks_file, jwt_jwks_url, jwt_issuer, jwt_audience, jwt_issuers;

  std::string ai_provider, ai_plain_http, http_proxy;
  std::int64_t ai_in_flight_max = 0, ai_attempts = 0, ai_hedge_percent = 0;
  Clock::duration ai_timeout{};
  std::size_t ai_image_reply_max = 0;
  std::string openrouter_api_key, openrouter_base_url, openrouter_model, openrouter_image_model;
  std::string gemini_api_key, gemini_base_url, gemini_model, gemini_image_model;
  std::string openai_api_key, openai_base_url, openai_model, openai_image_model;
  std::int64_t breaker_failures = 0;
  Clock::duration breaker_window{}, breaker_open_for{};

  void rows(SettingReader& s);
};

}  // namespace plugfleet
