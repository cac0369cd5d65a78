#include "core/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "base/utf8.h"
#include "core/ai/ai_addresses.h"
#include "core/ai/ai_providers.h"
#include "core/migrations.h"
#include "io/postgres.h"
#include "io/redis_address.h"

extern char** environ;

namespace plugfleet {
namespace {

constexpr std::string_view kPrefix = "PLUGFLEET_";
constexpr std::string_view kTestPrefix = "PLUGFLEET_TEST_";  // the tests' own, not settings

// "20MiB" -> 20 and "MiB".
std::optional<std::pair<std::int64_t, std::string_view>> number_and_unit(std::string_view text) {
  const auto parsed = number_before<std::int64_t>(text);
  return parsed && parsed->first >= 0 ? parsed : std::nullopt;
}

std::optional<Clock::duration> parse_duration(std::string_view text) {
  const auto parsed = number_and_unit(text);
  if (!parsed || parsed->first > 1'000'000'000) return std::nullopt;
  const auto& [number, unit] = *parsed;
  if (unit == "ms") return milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

std::optional<std::size_t> parse_size(std::string_view text) {
  const auto parsed = number_and_unit(text);
  if (!parsed || parsed->first > (std::int64_t{1} << 40)) return std::nullopt;
  const auto& [number, unit] = *parsed;
  const auto count = static_cast<std::size_t>(number);
  if (unit.empty()) return count;
  if (unit == "KiB") return count << 10;
  if (unit == "MiB") return count << 20;
  if (unit == "GiB") return count << 30;
  return std::nullopt;
}

std::string shown(Clock::duration duration) {
  const auto ms = std::chrono::duration_cast<milliseconds>(duration).count();
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

std::string shown(std::size_t size) {
  if (size >= (1u << 30) && size % (1u << 30) == 0) return fmt::format("{}GiB", size >> 30);
  if (size >= (1u << 20) && size % (1u << 20) == 0) return fmt::format("{}MiB", size >> 20);
  if (size >= 1024 && size % 1024 == 0) return fmt::format("{}KiB", size >> 10);
  return fmt::format("{}", size);
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

}  // namespace

SettingReader::SettingReader(const std::string& path) {
  if (!path.empty()) {
    const auto text = read_file(path);
    if (!text) throw Failure(FailureKind::internal, fmt::format("cannot read the settings file {}", path));
    std::istringstream lines(*text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      const std::string_view trimmed_line = trimmed(line);
      if (trimmed_line.empty() || trimmed_line.front() == '#') continue;
      const std::size_t equals = trimmed_line.find('=');
      if (equals == trimmed_line.npos) {
        complain(fmt::format("{} line {}: expected NAME=value", path, number));
        continue;
      }
      values_[std::string(trimmed(trimmed_line.substr(0, equals)))] = trimmed(trimmed_line.substr(equals + 1));
    }
  }
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view variable = *entry;
    const std::size_t equals = variable.find('=');
    if (!variable.starts_with(kPrefix) || variable.starts_with(kTestPrefix) || equals == variable.npos) continue;
    values_[std::string(variable.substr(kPrefix.size(), equals - kPrefix.size()))] = variable.substr(equals + 1);
  }
}

std::string SettingReader::take(const std::string& name, const std::string& type, const std::string& default_value,
                                const std::string& range) {
  SettingRow& row = rows_.emplace_back(name, type, default_value, range, type == "secret" ? "" : default_value);
  claimed_.insert(name);
  const auto found = values_.find(name);
  if (found == values_.end()) return default_value;
  std::string_view value = without_mark(found->second);
  const bool quoted = value.size() > 1 && value.front() == value.back() && (value[0] == '"' || value[0] == '\'');
  if (quoted && type != "secret") value = value.substr(1, value.size() - 2);  // as a shell would take it
  row.value = type == "secret" && !value.empty() ? "(secret)" : value;
  return std::string(value);
}

void SettingReader::text(const std::string& name, std::string& target, std::string default_value) {
  target = take(name, "text", default_value, "");
}

void SettingReader::secret(const std::string& name, std::string& target) {
  target = take(name, "secret", "", "");
  claimed_.insert(name + "_FILE");
  const auto file = values_.find(name + "_FILE");
  if (file == values_.end() || file->second.empty()) return;
  rows_.back().value = file->second;
  const auto content = read_file(file->second);
  if (!content) return complain(fmt::format("{}_FILE: cannot read {}", name, file->second));
  target = *content;
  if (target.starts_with("\xFF\xFE") || target.starts_with("\xFE\xFF")) {
    complain(fmt::format("{}_FILE: {} is written in UTF-16, and must be in UTF-8", name, file->second));
    return target.clear();
  }
  while (target.ends_with('\n') || target.ends_with('\r')) target.pop_back();
}

void SettingReader::choice(const std::string& name, std::string& target, std::string default_value,
                           std::initializer_list<std::string_view> choices) {
  const std::string range = fmt::format("{}", fmt::join(choices, "|"));
  target = take(name, "choice", default_value, range);
  if (std::ranges::find(choices, target) == choices.end())
    complain(fmt::format("{}: must be one of {}, not \"{}\"", name, range, target));
}

// As nginx reads one.
void SettingReader::rate(const std::string& name, std::string& target, std::string default_value) {
  target = take(name, "rate", default_value, "");
  const auto [number, unit] = number_and_unit(target).value_or(std::pair(0, ""));
  if (number >= 1 && number <= 1'000'000 && (unit == "r/s" || unit == "r/m")) return;
  complain(fmt::format("{}: must be a rate like 30r/m or 5r/s, not \"{}\"", name, target));
  target = std::move(default_value);
}

void SettingReader::integer(const std::string& name, std::int64_t& target, std::int64_t default_value,
                            std::int64_t least, std::int64_t most) {
  const std::string value = take(name, "integer", fmt::format("{}", default_value), fmt::format("{}..{}", least, most));
  const auto number = number_in<std::int64_t>(value, least, most);
  if (!number) complain(fmt::format("{}: must be a whole number from {} to {}, not \"{}\"", name, least, most, value));
  target = number.value_or(default_value);
}

void SettingReader::duration(const std::string& name, Clock::duration& target, std::string default_value,
                             Clock::duration least, Clock::duration most) {
  const std::string range = fmt::format("{}..{}", shown(least), shown(most));
  const std::string value = take(name, "duration", default_value, range);
  const auto parsed = parse_duration(value);
  if (!parsed || *parsed < least || *parsed > most) {
    return complain(
        fmt::format("{}: must be a duration such as {} within {}, not \"{}\"", name, default_value, range, value));
  }
  target = *parsed;
}

void SettingReader::size(const std::string& name, std::size_t& target, std::string default_value, std::size_t least,
                         std::size_t most) {
  const std::string range = fmt::format("{}..{}", shown(least), shown(most));
  const std::string value = take(name, "size", default_value, range);
  const auto parsed = parse_size(value);
  if (!parsed || *parsed < least || *parsed > most) {
    return complain(
        fmt::format("{}: must be a size such as {} within {}, not \"{}\"", name, default_value, range, value));
  }
  target = *parsed;
}

void SettingReader::finish(Unclaimed unclaimed) const {
  std::vector<std::string> wrong = complaints_;
  for (const auto& [name, value] : values_) {
    if (unclaimed == Unclaimed::refused && !claimed_.contains(name))
      wrong.push_back(fmt::format("{}: there is no such setting", name));
  }
  if (!wrong.empty()) throw Failure(FailureKind::internal, fmt::format("{}", fmt::join(wrong, "\n")));
}

void Settings::rows(SettingReader& s) {
  s.text("POOL", pool, "worker");
  s.integer("SLOT", slot, 0, 0, 99);
  s.text("RUN_DIR", run_dir, "");
  s.text("PUBLIC_URL", public_url, "https://localhost:8443");
  s.text("MODULES_DIR", modules_dir, "build/release/modules");
  s.text("MODULES", modules, "");
  s.text("PROMPTS_DIR", prompts_dir, "modules/*/prompts");
  s.text("MIGRATIONS_DIR", migrations_dir, "migrations");
  s.text("MODULES_SOURCE_DIR", modules_source_dir, "modules");
  s.text("FILES_DIR", files_dir, "");

  s.text("POOLS", pools, "");
  s.duration("SCALE_DOWN_AFTER", scale_down_after, "60s", 1s, 3600s);

  s.text("LOG_FILE", log_file, "");
  s.choice("LOG_LEVEL", log_level, "info", {"debug", "info", "warning", "error"});

  s.duration("REQUEST_TIMEOUT", request_timeout, "120s", 1s, 600s);
  s.duration("DRAIN_TIMEOUT", drain_timeout, "125s", 1s, 900s);
  s.integer("REQUESTS_IN_FLIGHT_MAX", requests_in_flight_max, 2000, 1, 100'000);
  s.integer("MAX_REQUESTS", max_requests, 0, 0, 1'000'000'000);
  s.integer("REQUESTS_PER_MINUTE", requests_per_minute, 600, 1, 1'000'000);
  s.integer("CLIENT_PREFIX", client_prefix, 64, 32, 128);
  s.size("BODY_MAX", body_max, "20MiB", 1024, std::size_t{1} << 30);
  s.size("MEMORY_LIMIT", memory_limit, "1GiB", std::size_t{64} << 20, std::size_t{64} << 30);

  s.text("DATABASE_URL", database_url, "");
  s.integer("DATABASE_POOL", database_pool, 4, 1, 100);
  s.text("REPORTS_DATABASE_URL", reports_database_url, "");
  if (reports_database_url.empty()) reports_database_url = database_url;
  s.text("REPLICA_DATABASE_URL", replica_database_url, "");
  for (const auto& [name, conninfo] : {std::pair("DATABASE_URL", database_url),
                                       {"REPORTS_DATABASE_URL", reports_database_url},
                                       {"REPLICA_DATABASE_URL", replica_database_url}}) {
    if (const auto wrong = wrong_conninfo(conninfo)) s.complain(fmt::format("{}: {}", name, *wrong));
  }
  for (const std::string& module : modules_with_migrations(modules_source_dir)) {
    const std::string name = "DATABASE_" + upper(module);
    std::string conninfo;
    s.text(name, conninfo, "");
    if (const auto wrong = wrong_conninfo(conninfo)) s.complain(fmt::format("{}: {}", name, *wrong));
    if (!conninfo.empty()) module_databases.emplace(module, conninfo);
  }
  s.duration("REPLICA_LAG_MAX", replica_lag_max, "60s", 15s, 3600s);
  s.text("REDIS_SOCKET", redis_socket, "");
  s.text("PAYLOADS_SOCKET", payloads_socket, "");
  for (const auto& [name, address] : {std::pair("REDIS_SOCKET", redis_socket), {"PAYLOADS_SOCKET", payloads_socket}}) {
    if (parse_redis_address(address)) continue;
    s.complain(
        fmt::format("{}: must be a socket's path, an address such as 10.8.0.1:6379, or "
                    "sentinel://10.8.0.1:26379,10.8.0.2:26379/NAME, not \"{}\"",
                    name, address));
  }

  s.integer("RUNNER_JOBS", runner_jobs, 50, 1, 10'000);
  s.duration("RUNNER_GRACE", runner_grace, "25s", 1s, 900s);
  s.duration("JOB_LEASE", job_lease, "10s", 5s, 300s);
  s.duration("JOB_PAYLOAD_TTL", job_payload_ttl, "300s", 10s, 86400s);
  s.duration("JOB_PAYLOAD_BOUND", job_payload_bound, "1h", 10s, 86400s);
  s.integer("JOBS_KEEP_COMPLETED", jobs_keep_completed, 100, 0, 1'000'000);
  s.integer("JOBS_KEEP_FAILED", jobs_keep_failed, 50, 0, 1'000'000);
  s.integer("JOBS_KEEP_DAYS", jobs_keep_days, 7, 2, 3650);
  s.integer("STREAMS_MAX", streams_max, 5000, 1, 100'000);
  s.integer("STREAMS_PER_CLIENT", streams_per_client, 20, 1, 100'000);

  s.choice("JWT_ALG", jwt_alg, "none", {"none", "HS256", "RS256", "ES256"});
  s.secret("JWT_SECRET", jwt_secret);
  s.text("JWT_JWKS_FILE", jwt_jwks_file, "");
  s.text("JWT_JWKS_URL", jwt_jwks_url, "");
  s.text("JWT_ISSUER", jwt_issuer, "");
  s.text("JWT_AUDIENCE", jwt_audience, "");
  s.secret("JWT_ISSUERS", jwt_issuers);
  if (jwt_alg != "none" && (jwt_issuer.empty() || jwt_audience.empty())) {
    s.complain(
        "JWT_ISSUER and JWT_AUDIENCE: both must be set where JWT_ALG is, or tokens made for others would be taken");
  }

  s.text("AI_PROVIDER", ai_provider, "auto");
  s.integer("AI_IN_FLIGHT_MAX", ai_in_flight_max, 400, 1, 10'000);
  s.integer("AI_ATTEMPTS", ai_attempts, 3, 1, 10);
  s.duration("AI_TIMEOUT", ai_timeout, "60s", 100ms, 600s);
  s.size("AI_IMAGE_REPLY_MAX", ai_image_reply_max, "20MiB", std::size_t{1} << 20, std::size_t{64} << 20);
  s.integer("AI_HEDGE_PERCENT", ai_hedge_percent, 3, 0, 20);
  s.choice("AI_PLAIN_HTTP", ai_plain_http, "loopback", {"loopback", "anywhere"});
  s.secret("HTTP_PROXY", http_proxy);
  if (auto proxy = read_proxy(http_proxy)) {
    http_proxy = std::move(*proxy);
  } else {
    s.complain("HTTP_PROXY: " + proxy.error());
  }
  s.secret("OPENROUTER_API_KEY", openrouter_api_key);
  s.text("OPENROUTER_BASE_URL", openrouter_base_url, "https://openrouter.ai/api/v1");
  s.text("OPENROUTER_MODEL", openrouter_model, "google/gemini-2.5-flash-lite");
  s.text("OPENROUTER_IMAGE_MODEL", openrouter_image_model, "google/gemini-2.5-flash-image");
  s.secret("GEMINI_API_KEY", gemini_api_key);
  s.text("GEMINI_BASE_URL", gemini_base_url, "https://generativelanguage.googleapis.com/v1beta");
  s.text("GEMINI_MODEL", gemini_model, "gemini-2.5-flash-lite");
  s.text("GEMINI_IMAGE_MODEL", gemini_image_model, "gemini-2.5-flash-image");
  s.secret("OPENAI_API_KEY", openai_api_key);
  s.text("OPENAI_BASE_URL", openai_base_url, "https://api.openai.com/v1");
  s.text("OPENAI_MODEL", openai_model, "gpt-4o-mini");
  s.text("OPENAI_IMAGE_MODEL", openai_image_model, "gpt-image-1");
  s.integer("BREAKER_FAILURES", breaker_failures, 10, 1, 10'000);
  s.duration("BREAKER_WINDOW", breaker_window, "10s", 1s, 300s);
  s.duration("BREAKER_OPEN_FOR", breaker_open_for, "5s", 100ms, 300s);

  read_ai_order(*this, [&s](std::string what) { s.complain(std::move(what)); });
}

}  // namespace plugfleet
