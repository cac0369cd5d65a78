// The schema's migrations: files NNNN_verb_noun.sql, forward only, from migrations/ (component "core") and from each
// modules/NAME/migrations/ (component NAME). Table schema_migrations holds what has been applied, with each file's
// SHA-256: a file that changes afterwards is an error, never a second run.
//
// Each is applied in a transaction of its own, together with its row, under a lock that all hosts share: any number of
// them may migrate at once. No migration may hold what PostgreSQL runs outside transactions only.
//
// The schema's functions stand beside them, one file each, migrations/functions/NAME.sql: one `create or replace function
// NAME(...)`. They are applied after the migrations, all that are new or have changed in one transaction, and table
// schema_functions remembers the digests. Programs of the release before call them meanwhile: a function's parameters and
// result stay as they are, or it gets a new name. What drops a function is a migration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/postgres.h"

namespace plugfleet {

struct Migration {
  std::string component, version, name, sql;

  std::string label() const { return component + " " + version + "_" + name; }
};

// A file of functions/; its name is the function's. No two components have one of the same name.
struct SchemaFunction {
  std::string component, name, sql;

  std::string label() const { return component + " " + name + "()"; }
};

// What a database is to hold: migrations in the order to apply them, functions by component, then by name.
struct Schema {
  std::vector<Migration> migrations;
  std::vector<SchemaFunction> functions;

  Schema of(std::string_view component) const;  // that component's part: a database of its own has it
  Schema without(const std::vector<std::string>& components) const;
};

// Every file: core's first, then each module's. `modules_folder` may be missing. Throws Failure, naming the file, for a bad
// name, a number or a function's name used twice, or what is not text.
Schema find_schema(const std::string& folder, const std::string& modules_folder);

// The modules that have migrations, by name.
std::vector<std::string> modules_with_migrations(const std::string& modules_folder);

// The labels of the migrations not applied yet, in order, then those of the functions that are not there at all: one with
// another text is the release's beside this one. Throws Failure where an applied migration's file has changed.
Async<std::vector<std::string>> pending_migrations(Database& database, Schema schema);

// False when it had been applied already, perhaps by another host a moment ago. Throws as pending_migrations() does,
// and SqlError where PostgreSQL refuses it; the database is then as it was before.
Async<bool> apply_migration(Database& database, Migration migration);

struct AppliedFunctions {
  std::vector<std::string> labels;  // of those created or replaced
  std::vector<std::string>
      newer_than;  // components that a newer release migrated: their functions stay as that left them
};

// All of them or none. Throws Failure, naming the function, where PostgreSQL refuses it or it stands there with other
// parameters too.
Async<AppliedFunctions> apply_functions(Database& database, Schema schema);

}  // namespace plugfleet
