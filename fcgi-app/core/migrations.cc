#include "core/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/utf8.h"

namespace plugfleet {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLock = 0x706c7567;  // "plug": what every host that migrates this database locks

constexpr const char* kCreateTable =
    "create table if not exists schema_migrations ("
    "component text not null, version text not null, name text not null, checksum text not null, "
    "applied_at timestamptz not null default now(), primary key (component, version))";

constexpr const char* kFind =
    "select applied.checksum is not null as applied, "
    "applied.checksum <> encode(sha256(convert_to(file.sql, 'UTF8')), 'hex') as changed "
    "from unnest($1::text[], $2::text[], $3::text[]) with ordinality as file(component, version, sql, place) "
    "left join schema_migrations applied using (component, version) order by place";

constexpr const char* kInsert =
    "insert into schema_migrations (component, version, name, checksum) "
    "values ($1, $2, $3, encode(sha256(convert_to($4, 'UTF8')), 'hex'))";

[[noreturn]] void refuse(const fs::path& path, std::string_view why) {
  throw Failure(Kind::internal, fmt::format("{}: {}", path.string(), why));
}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// "0001_create_jobs.sql": four digits, then at least two words.
bool is_file_name(std::string_view name) {
  if (!name.ends_with(".sql") || name.size() < 12) return false;
  name.remove_suffix(4);
  if (!std::ranges::all_of(name.substr(0, 4), [](char c) { return c >= '0' && c <= '9'; })) return false;
  if (std::ranges::count(name, '_') < 2 || name.contains("__") || name.ends_with('_') || name[4] != '_') return false;
  return std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '_'; });
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) refuse(folder, error.message());
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : entries) {
    if (!entry.path().filename().string().starts_with('.')) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

void read_component(const std::string& component, const fs::path& folder, std::vector<Migration>& into) {
  std::string previous;
  for (const fs::path& path : sorted_entries(folder)) {
    const std::string name = path.filename().string();
    if (!is_file_name(name)) refuse(path, "a migration is named NNNN_verb_noun.sql");
    const std::string version = name.substr(0, 4);
    if (version == previous) refuse(path, "its number is used twice");
    const auto sql = read_file(path);
    if (!sql || sql->empty()) refuse(path, "can't be read, or is empty");
    if (!is_utf8(*sql) || sql->contains('\0')) refuse(path, "is no text in UTF-8");
    into.push_back({component, version, name.substr(5, name.size() - 9), *sql});
    previous = version;
  }
}

Params columns_of(const std::vector<Migration>& migrations) {
  std::vector<std::string> components, versions, texts;
  for (const Migration& migration : migrations) {
    components.push_back(migration.component);
    versions.push_back(migration.version);
    texts.push_back(migration.sql);
  }
  return {components, versions, texts};
}

bool is_applied(const Row& found, const Migration& migration) {
  if (!found.boolean("applied")) return false;
  if (!found.boolean("changed")) return true;
  throw Failure(Kind::internal,
                fmt::format("migration {} has changed since it was applied; undo that and add a new one instead",
                            migration.label()));
}

}  // namespace

std::vector<Migration> find_migrations(const std::string& folder, const std::string& modules_folder) {
  std::vector<Migration> migrations;
  read_component("core", folder, migrations);
  if (!fs::is_directory(modules_folder)) return migrations;
  for (const fs::path& module : sorted_entries(modules_folder)) {
    if (!fs::is_directory(module / "migrations")) continue;
    if (module.filename() == "core") refuse(module, "core is the platform's own component");
    read_component(module.filename().string(), module / "migrations", migrations);
  }
  return migrations;
}

Async<std::vector<std::string>> pending_migrations(Database& database, std::string folder, std::string modules_folder) {
  const std::vector<Migration> migrations = find_migrations(folder, modules_folder);
  const Rows table = co_await database.query("select to_regclass('schema_migrations') is not null");
  Rows found;
  if (table[0].boolean(0)) found = co_await database.query(kFind, columns_of(migrations));
  std::vector<std::string> pending;
  for (std::size_t i = 0; i < migrations.size(); ++i) {
    if (found.empty() || !is_applied(found[i], migrations[i])) pending.push_back(migrations[i].label());
  }
  co_return pending;
}

Async<bool> apply_migration(Database& database, Migration migration) {
  Transaction transaction = co_await database.begin();
  co_await transaction.query("set local statement_timeout = 0");  // the caller's patience counts, not the role's
  co_await transaction.query("select pg_advisory_xact_lock($1)", {kLock});
  // Behind a table's lock that is waited for, every other query queues: better to fail and be run again.
  co_await transaction.query("set local lock_timeout = '10s'");
  co_await transaction.query(kCreateTable);
  const Rows found = co_await transaction.query(kFind, columns_of({migration}));
  if (is_applied(found[0], migration)) co_return false;
  co_await transaction.script(migration.sql);
  co_await transaction.query(kInsert, {migration.component, migration.version, migration.name, migration.sql});
  co_await transaction.commit();
  co_return true;
}

}  // namespace plugfleet
