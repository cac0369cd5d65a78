// The job that makes an uploaded bundle a version: judges it, unpacks it beside, compresses it, puts it where nginx serves
// it, and then says so in the database.
//
//   P1  A version's row comes first, and its name is taken then. Its files are put into place next, and its deployment's
//       row last: what has no row is served by nobody, and what the catalog shows is served.
//   P2  Killed at any step, the job is run again and begins anew; what it finds of its own it replaces.
//   P3  A version never changes. The same bytes again are the same version; others are a conflict. A name that was taken by
//       a job which never came to its end is free after kAbandonedAfter.
//   P4  What nginx serves follows the rows, with the package's row locked: whoever publishes, yanks or blocks at once,
//       the last to commit is right (reconcile()).
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

inline constexpr const char* kPublish = "marketplace.publish";
inline constexpr const char* kReconcile =
    "marketplace.reconcile";                                // {"slug"}: for whoever changes what is to be served
inline constexpr const char* kSweep = "marketplace.sweep";  // removes what uploads have left

// What such a job is given; the upload itself is a file (folders.h).
struct Upload {
  std::string slug, digest, account;
  std::int64_t bytes = 0;
  void fields(auto& f) {
    f("slug", slug);
    f("digest", digest);  // SHA-256, hexadecimal
    f("account", account);
    f("bytes", bytes);
  }
};

struct PublishedVersion {
  std::string slug, version, entry_url, digest;
  std::int64_t packed_bytes = 0, unpacked_bytes = 0, files = 0;
  void fields(auto& f) {
    f("slug", slug);
    f("version", version);
    f("entryUrl", entry_url);
    f("digest", digest);
    f("packedBytes", packed_bytes);
    f("unpackedBytes", unpacked_bytes);
    f("files", files);
  }
};

std::vector<plugfleet::JobHandler> publishing_jobs();

}  // namespace marketplace
