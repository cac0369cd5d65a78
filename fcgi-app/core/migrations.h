// The schema's migrations: files NNNN_verb_noun.sql, forward only, from migrations/ (component "core") and from each
// modules/NAME/migrations/ (component NAME). Table schema_migrations holds what has been applied, with each file's
// SHA-256: a file that changes afterwards is an error, never a second run.
//
// Each is applied in a transaction of its own, together with its row, under a lock that all hosts share: any number of
// them may migrate at once. No migration may hold what PostgreSQL runs outside transactions only.
#pragma once

#include <string>
#include <vector>

#include "io/postgres.h"

namespace plugfleet {

struct Migration {
  std::string component, version, name, sql;

  std::string label() const { return component + " " + version + "_" + name; }
};

// Every file in the order to apply them: core's first, then each module's. `modules_folder` may be missing.
// Throws Failure, naming the file, for a bad name, a number used twice, or what is no text.
std::vector<Migration> find_migrations(const std::string& folder, const std::string& modules_folder);

// The labels of those not applied yet, in order. Throws Failure where an applied file has changed.
Async<std::vector<std::string>> pending_migrations(Database& database, std::string folder, std::string modules_folder);

// False when it had been applied already, perhaps by another host a moment ago. Throws as pending_migrations() does,
// and SqlError where PostgreSQL refuses it; the database is then as it was before.
Async<bool> apply_migration(Database& database, Migration migration);

}  // namespace plugfleet
