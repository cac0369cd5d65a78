#include "marketplace/publishing/publish.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "marketplace/packages.h"
#include "marketplace/publishing/bundle.h"
#include "marketplace/publishing/compression.h"
#include "marketplace/publishing/folders.h"
#include "marketplace/publishing/manifest.h"
#include "marketplace/publishing/readme.h"
#include "marketplace/tags.h"

namespace marketplace {

using namespace plugfleet;

namespace {

constexpr auto kTimeout = 5min;
constexpr const char* kAbandonedAfter = "15 minutes";

// What blocks, on another thread.
Async<void> on_disk(Services& services, std::function<void(const Folders&)> work) {
  std::function<bool()> offloaded = [folders = Folders(services.files), work = std::move(work)] {
    work(folders);
    return true;
  };
  co_await services.reactor.offload(std::move(offloaded));
}

// ---- The bundle, unpacked --------------------------------------------------------------------------------------------

struct Unpacked {
  std::set<std::string> files;
  std::string manifest, readme;
  std::uint64_t bytes = 0;
  std::size_t sent = 0;  // bytes, as they are sent
};

// One file more. False at the end.
bool unpack_one(BundleReader& reader, const Folders& folders, const std::string& job, Unpacked& so_far) {
  const auto file = reader.next();
  if (!file) return false;
  folders.write(job, file->path, file->bytes);
  if (const auto packed = compressed(file->path, file->bytes)) {
    folders.write(job, file->path + ".gz", packed->gzip);
    folders.write(job, file->path + ".br", packed->brotli);
    so_far.sent += packed->gzip.size();
  } else {
    so_far.sent += file->bytes.size();
  }
  if (file->path == "plugin.json") so_far.manifest = file->bytes;
  if (file->path == "README.md") so_far.readme = file->bytes.substr(0, kReadmeMost);
  so_far.files.insert(file->path);
  so_far.bytes = reader.unpacked_bytes();
  return true;
}

Async<Unpacked> unpack(Job& job, Folders folders, Upload upload) {
  Reactor& reactor = job.services.reactor;
  const std::string id = job.id();
  std::function<std::shared_ptr<BundleReader>()> open = [folders, id] {
    folders.begin(id);
    return std::make_shared<BundleReader>(folders.incoming(id));
  };
  const auto reader = co_await reactor.offload(std::move(open));
  const auto so_far = std::make_shared<Unpacked>();
  for (;;) {
    std::function<bool()> one = [reader, folders, id, so_far] { return unpack_one(*reader, folders, id, *so_far); };
    if (!co_await reactor.offload(std::move(one))) break;
    const auto part =
        80 * reader->packed_bytes_read() / static_cast<std::uint64_t>(std::max<std::int64_t>(upload.bytes, 1));
    job.progress(static_cast<int>(std::min<std::uint64_t>(5 + part, 85)),
                 fmt::format("{} files are checked", so_far->files.size()));
  }
  if (!so_far->files.contains("plugin.json"))
    throw Failure(FailureKind::unprocessable, "the bundle has no plugin.json at its top");
  co_return std::move(*so_far);
}

// ---- Its rows --------------------------------------------------------------------------------------------------------

constexpr const char* kForgetAbandoned = R"sql(
delete from plugin_versions v where package_id = $1 and version = $2 and digest <> $3
   and published_at < now() - $4::interval and not exists (select from plugin_deployments d where d.version_id = v.id))sql";

constexpr const char* kTake = R"sql(
insert into plugin_versions (package_id, version, major, minor, patch, prerelease_key, digest, entry, permissions, min_shell,
                             packed_bytes, unpacked_bytes, files, icon_path, readme_html, published_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text[], $10, $11, $12, $13, $14, $15, $16)
    on conflict (package_id, version) do nothing)sql";

constexpr const char* kTaken = R"sql(
select v.id, v.digest, exists (select from plugin_deployments d where d.version_id = v.id) as deployed
  from plugin_versions v where v.package_id = $1 and v.version = $2)sql";

struct Taken {
  std::string id, digest;
  bool deployed = false;
  void fields(auto& f) {
    f("id", id);
    f("digest", digest);
    f("deployed", deployed);
  }
};

// P1, P3: the version's row, by whoever comes first.
Async<Taken> take_version(Sql& sql, std::string package, Manifest manifest, Upload upload, Unpacked bundle,
                          std::string readme) {
  const Semver order = *semver(manifest.version);
  co_await sql.query(kForgetAbandoned, {package, manifest.version, upload.digest, kAbandonedAfter});
  co_await sql.query(kTake, {package, manifest.version, order.major, order.minor, order.patch, order.prerelease_key,
                             upload.digest, manifest.entry, manifest.permissions, manifest.min_shell, upload.bytes,
                             static_cast<std::int64_t>(bundle.bytes), static_cast<std::int64_t>(bundle.files.size()),
                             manifest.icon, readme, upload.account});
  Taken taken = co_await sql.one<Taken>(kTaken, package, manifest.version);
  if (taken.digest != upload.digest)
    throw Failure(FailureKind::conflict,
                  fmt::format("version {} is published already, with other bytes", manifest.version));
  co_return taken;
}

Async<void> deploy(Database& database, Package package, std::string version, Manifest manifest, Upload upload) {
  Transaction transaction = co_await database.begin();
  co_await transaction.query(
      "insert into plugin_deployments (version_id) values ($1) on conflict (version_id) do nothing", {version});
  co_await transaction.query("update plugin_versions set published_at = now() where id = $1", {version});
  co_await transaction.query("update plugin_packages set published_at = coalesce(published_at, now()) where id = $1",
                             {package.id});
  co_await transaction.query("select plugin_set_latest($1)", {package.id});
  co_await note_in_audit_log(transaction,
                             {.team = package.team_id,
                              .account = upload.account,
                              .action = "plugin.publish",
                              .details = Json::object({{"plugin", upload.slug}, {"version", manifest.version}})});
  co_await transaction.commit();
}

// ---- What is served --------------------------------------------------------------------------------------------------

struct Served {
  std::string version;
  bool served = true, latest = false;
  void fields(auto& f) {
    f("version", version);
    f("served", served);
    f("latest", latest);
  }
};

constexpr const char* kServed = R"sql(
select v.version, v.blocked_at is null and p.blocked_at is null as served, d.id is not distinct from p.latest_deployment as latest
  from plugin_packages p join plugin_versions v on v.package_id = p.id join plugin_deployments d on d.version_id = v.id
 where p.slug = $1)sql";

// P4.
Async<void> reconcile(Services& services, std::string slug) {
  Transaction transaction = co_await services.database.begin();
  co_await transaction.query("select from plugin_packages where slug = $1 for update", {slug});
  const auto rows = co_await transaction.all<Served>(kServed, slug);
  std::vector<Folders::Version> versions;
  std::optional<std::string> latest;
  for (const Served& row : rows) {
    versions.push_back({row.version, row.served});
    if (row.served && row.latest) latest = row.version;
  }
  co_await on_disk(services, [&](const Folders& folders) { folders.arrange(slug, versions, latest); });
  co_await transaction.commit();
  co_await services.reply_cache.invalidate({std::string(kPluginsTag)});
}

struct Slug {
  std::string slug;
  void fields(auto& f) { f("slug", slug); }
};

Async<Outcome> reconcile_again(Job& job) {
  const auto wanted = co_await job.json<Slug>();
  co_await reconcile(job.services, wanted.slug);
  co_return done(Json::object({{"slug", wanted.slug}}));
}

// ---- The job ---------------------------------------------------------------------------------------------------------

Async<Outcome> sweep(Job& job) {
  co_await on_disk(job.services, [](const Folders& folders) { folders.sweep(); });
  co_return done(Json());
}

Async<PublishedVersion> publish_upload(Job& job, Folders folders, Upload upload) {
  const Package package = co_await package_of(job.services.database, upload.slug);
  if (package.blocked) throw Failure(FailureKind::forbidden, "an operator has blocked this plugin");
  job.progress(5, "the bundle is here");
  Unpacked bundle = co_await unpack(job, folders, upload);
  const Manifest manifest = read_manifest(bundle.manifest, upload.slug, bundle.files);
  if (manifest.budget_kb && bundle.sent > static_cast<std::size_t>(*manifest.budget_kb) * 1000)
    throw Failure(FailureKind::unprocessable,
                  fmt::format("plugin.json: budgetKb is {}, and the files have {} KB as they are sent",
                              *manifest.budget_kb, (bundle.sent + 999) / 1000));
  job.progress(88, "the files are fine");
  std::function<std::string()> render = [&] { return readme_html(bundle.readme); };
  const std::string readme = co_await job.services.reactor.offload(std::move(render));
  const Taken taken = co_await take_version(job.services.database, package.id, manifest, upload, bundle, readme);
  if (!taken.deployed) {
    job.progress(92, "the files go to where they are served");
    co_await on_disk(job.services, [&](const Folders& there) { there.place(job.id(), upload.slug, manifest.version); });
    co_await deploy(job.services.database, package, taken.id, manifest, upload);
  }
  co_await reconcile(job.services, upload.slug);
  co_return PublishedVersion{
      .slug = upload.slug,
      .version = manifest.version,
      .entry_url = fmt::format("/plugins/{}/{}/{}", upload.slug, manifest.version, manifest.entry),
      .digest = upload.digest,
      .packed_bytes = upload.bytes,
      .unpacked_bytes = static_cast<std::int64_t>(bundle.bytes),
      .files = static_cast<std::int64_t>(bundle.files.size())};
}

Async<Outcome> publish(Job& job) {
  const auto upload = co_await job.json<Upload>();
  const Folders folders(job.services.files);
  if (access(folders.incoming(job.id()).c_str(), R_OK) != 0)
    co_return fail_job(FailureKind::unprocessable, "the upload is not there any more: send it again");
  PublishedVersion published;
  std::exception_ptr refused;  // for good: nobody needs the upload any more
  try {
    published = co_await publish_upload(job, folders, upload);
  } catch (const Failure& failure) {
    if (info(failure.kind()).retry != Retry::never) throw;
    refused = std::current_exception();
  }
  co_await on_disk(job.services, [&](const Folders& there) { there.forget(job.id()); });
  if (refused) std::rethrow_exception(refused);
  co_return done(write_fields(published));
}

}  // namespace

std::vector<JobHandler> publishing_jobs() {
  return {{.kind = kPublish, .run = publish, .timeout = kTimeout, .concurrency_limit = 2},
          {.kind = kReconcile, .run = reconcile_again},
          {.kind = kSweep, .run = sweep}};
}

}  // namespace marketplace
