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

constexpr const char* kCreateFunctionsTable =
    "create table if not exists schema_functions ("
    "name text primary key, component text not null, checksum text not null, "
    "applied_at timestamptz not null default now())";

constexpr const char* kFind =
    "select applied.checksum is not null as applied, "
    "applied.checksum <> encode(sha256(convert_to(file.sql, 'UTF8')), 'hex') as changed "
    "from unnest($1::text[], $2::text[], $3::text[]) with ordinality as file(component, version, sql, place) "
    "left join schema_migrations applied using (component, version) order by place";

constexpr const char* kInsert =
    "insert into schema_migrations (component, version, name, checksum) "
    "values ($1, $2, $3, encode(sha256(convert_to($4, 'UTF8')), 'hex'))";

// Of functions; `there` is how many of the name there are, each with parameters of its own.
constexpr const char* kFindFunctions =
    "select there, there > 0 and applied.checksum is not distinct from encode(sha256(convert_to(file.sql, 'UTF8')), "
    "'hex') "
    "as current from unnest($1::text[], $2::text[]) with ordinality as file(name, sql, place) "
    "left join schema_functions applied using (name), lateral (select count(*) as there from pg_proc "
    "where proname = file.name and pronamespace = current_schema()::regnamespace) as counted order by place";

constexpr const char* kNotKnown =
    "select distinct component from schema_migrations where component = any ($1::text[]) and (component, version) not "
    "in "
    "(select * from unnest($2::text[], $3::text[])) order by component";

constexpr const char* kRemember =
    "insert into schema_functions (name, component, checksum) "
    "values ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex')) on conflict (name) do update "
    "set component = excluded.component, checksum = excluded.checksum, applied_at = now()";

[[noreturn]] void refuse(const fs::path& path, std::string_view why) {
  throw Failure(FailureKind::internal, fmt::format("{}: {}", path.string(), why));
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

// The text of an SQL file.
std::string read_sql(const fs::path& path) {
  std::optional<std::string> sql = read_file(path);
  if (!sql || sql->empty()) refuse(path, "can't be read, or is empty");
  if (!is_utf8(*sql) || sql->contains('\0')) refuse(path, "is not text in UTF-8");
  return *std::move(sql);
}

void read_component(const std::string& component, const fs::path& folder, std::vector<Migration>& into) {
  std::string previous;
  for (const fs::path& path : sorted_entries(folder)) {
    const std::string name = path.filename().string();
    if (name == "functions" && fs::is_directory(path)) continue;
    if (!is_file_name(name)) refuse(path, "a migration is named NNNN_verb_noun.sql");
    const std::string version = name.substr(0, 4);
    if (version == previous) refuse(path, "its number is used twice");
    into.push_back({component, version, name.substr(5, name.size() - 9), read_sql(path)});
    previous = version;
  }
}

// What comes after the comments at the file's head.
std::string_view statement_of(std::string_view sql) {
  while (sql.starts_with("--") || sql.starts_with('\n')) {
    const std::size_t end = sql.find('\n');
    if (end == sql.npos) return {};
    sql.remove_prefix(end + 1);
  }
  return sql;
}

void read_functions(const std::string& component, const fs::path& folder, std::vector<SchemaFunction>& into) {
  if (!fs::is_directory(folder)) return;
  for (const fs::path& path : sorted_entries(folder)) {
    const std::string name = path.stem().string();
    const bool named =
        !name.empty() && std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '_'; });
    if (!named || path.extension() != ".sql") refuse(path, "a function's file is named NAME.sql");
    if (std::ranges::find(into, name, &SchemaFunction::name) != into.end())
      refuse(path, "another component has a function of its name");
    SchemaFunction function{component, name, read_sql(path)};
    if (!statement_of(function.sql).starts_with(fmt::format("create or replace function {}(", name)))
      refuse(path, fmt::format("holds one statement, create or replace function {}(...)", name));
    into.push_back(std::move(function));
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

Params columns_of(const std::vector<SchemaFunction>& functions) {
  std::vector<std::string> names, texts;
  for (const SchemaFunction& function : functions) {
    names.push_back(function.name);
    texts.push_back(function.sql);
  }
  return {names, texts};
}

bool is_applied(const Row& found, const Migration& migration) {
  if (!found.boolean("applied")) return false;
  if (!found.boolean("changed")) return true;
  throw Failure(FailureKind::internal,
                fmt::format("migration {} has changed since it was applied; undo that and add a new one instead",
                            migration.label()));
}

}  // namespace

Schema Schema::of(std::string_view component) const {
  Schema part = *this;
  std::erase_if(part.migrations, [&](const Migration& migration) { return migration.component != component; });
  std::erase_if(part.functions, [&](const SchemaFunction& function) { return function.component != component; });
  return part;
}

Schema Schema::without(const std::vector<std::string>& components) const {
  Schema part = *this;
  const auto is_left_out = [&](const auto& file) {
    return std::ranges::find(components, file.component) != components.end();
  };
  std::erase_if(part.migrations, is_left_out);
  std::erase_if(part.functions, is_left_out);
  return part;
}

std::vector<std::string> modules_with_migrations(const std::string& modules_folder) {
  std::vector<std::string> names;
  if (!fs::is_directory(modules_folder)) return names;
  for (const fs::path& module : sorted_entries(modules_folder)) {
    if (!fs::is_directory(module / "migrations")) continue;
    if (module.filename() == "core") refuse(module, "core is the platform's own component");
    names.push_back(module.filename().string());
  }
  return names;
}

Schema find_schema(const std::string& folder, const std::string& modules_folder) {
  Schema schema;
  const auto read = [&schema](const std::string& component, const fs::path& files) {
    read_component(component, files, schema.migrations);
    read_functions(component, files / "functions", schema.functions);
  };
  read("core", folder);
  for (const std::string& module : modules_with_migrations(modules_folder))
    read(module, fs::path(modules_folder) / module / "migrations");
  return schema;
}

Async<std::vector<std::string>> pending_migrations(Database& database, Schema schema) {
  const auto& [migrations, functions] = schema;
  const Rows tables = co_await database.query(
      "select to_regclass('schema_migrations') is not null, to_regclass('schema_functions') is not null");
  Rows found, found_functions;
  if (tables[0].boolean(0)) found = co_await database.query(kFind, columns_of(migrations));
  if (tables[0].boolean(1)) found_functions = co_await database.query(kFindFunctions, columns_of(functions));
  std::vector<std::string> pending;
  for (std::size_t i = 0; i < migrations.size(); ++i) {
    if (found.empty() || !is_applied(found[i], migrations[i])) pending.push_back(migrations[i].label());
  }
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const bool there = !found_functions.empty() && found_functions[i].integer("there") > 0;
    if (!there) pending.push_back(functions[i].label());
  }
  co_return pending;
}

namespace {

// A transaction that no other host's migration runs beside.
Async<Transaction> begin_alone(Database& database) {
  Transaction transaction = co_await database.begin();
  co_await transaction.query("set local statement_timeout = 0");  // the caller's patience counts, not the role's
  co_await transaction.query("select pg_advisory_xact_lock($1)", {kLock});
  // Behind a table's lock that is waited for, every other query queues: better to fail and be run again.
  co_await transaction.query("set local lock_timeout = '10s'");
  co_await transaction.query(kCreateTable);
  co_return transaction;
}

// The components that hold a migration which is none of `known`.
Async<std::vector<std::string>> components_ahead(Transaction& transaction, std::vector<Migration> known) {
  std::vector<std::string> components, versions;
  for (const Migration& migration : known) {
    components.push_back(migration.component);
    versions.push_back(migration.version);
  }
  return transaction.all<std::string>(kNotKnown, components, components, versions);
}

Async<void> create_function(Transaction& transaction, SchemaFunction function) {
  try {
    co_await transaction.query(function.sql);
  } catch (const SqlError& error) {
    throw Failure(FailureKind::internal,
                  fmt::format("{}: {} ({})", function.label(), error.primary(), error.sqlstate()));
  }
}

}  // namespace

Async<bool> apply_migration(Database& database, Migration migration) {
  Transaction transaction = co_await begin_alone(database);
  const Rows found = co_await transaction.query(kFind, columns_of({migration}));
  if (is_applied(found[0], migration)) co_return false;
  co_await transaction.script(migration.sql);
  co_await transaction.query(kInsert, {migration.component, migration.version, migration.name, migration.sql});
  co_await transaction.commit();
  co_return true;
}

Async<AppliedFunctions> apply_functions(Database& database, Schema schema) {
  std::vector<SchemaFunction>& functions = schema.functions;
  AppliedFunctions applied;
  Transaction transaction = co_await begin_alone(database);
  co_await transaction.query(kCreateFunctionsTable);
  applied.newer_than = co_await components_ahead(transaction, schema.migrations);
  std::erase_if(functions, [&](const SchemaFunction& function) {
    return std::ranges::find(applied.newer_than, function.component) != applied.newer_than.end();
  });
  const Rows found = co_await transaction.query(kFindFunctions, columns_of(functions));
  std::vector<SchemaFunction> changed;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (!found[i].boolean("current")) changed.push_back(functions[i]);
  }
  // Twice: once all are there, whatever order they need each other in, their bodies are checked.
  for (const char* check : {"off", "on"}) {
    co_await transaction.query(fmt::format("set local check_function_bodies = {}", check));
    for (const SchemaFunction& function : changed) co_await create_function(transaction, function);
  }
  const Rows now = co_await transaction.query(kFindFunctions, columns_of(changed));
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (now[i].integer("there") > 1)
      throw Failure(FailureKind::internal,
                    fmt::format("{} is there with other parameters too: a migration drops that, or this "
                                "one gets a new name",
                                changed[i].label()));
    co_await transaction.query(kRemember, {changed[i].name, changed[i].component, changed[i].sql});
    applied.labels.push_back(changed[i].label());
  }
  co_await transaction.commit();
  co_return applied;
}

}  // namespace plugfleet
