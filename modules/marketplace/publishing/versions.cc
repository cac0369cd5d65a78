#include "marketplace/publishing/versions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "marketplace/packages.h"
#include "marketplace/publishing/bundle.h"
#include "marketplace/publishing/folders.h"
#include "marketplace/publishing/publish.h"
#include "marketplace/tags.h"

namespace marketplace {

using namespace plugfleet;

namespace {

constexpr std::uint64_t kRoomKept = std::uint64_t{1} << 30;  // bytes of the disk that uploads leave to others

[[noreturn]] void no_room(std::string_view why) {
  log(Severity::error, "upload_refused", {{"why", why}});
  throw Failure(FailureKind::unavailable, "the server has no room for uploads right now");
}

// A file that comes; gone with this unless it was kept.
class Incoming {
 public:
  explicit Incoming(std::string path)
      : path_(std::move(path)), descriptor_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) no_room("a file can't be made");
  }
  ~Incoming() {
    close(descriptor_);
    if (!kept_) unlink(path_.c_str());
  }
  Incoming(const Incoming&) = delete;

  void add(std::string_view part) {
    digest_.add(part);
    bytes_ += static_cast<std::int64_t>(part.size());
    while (!part.empty()) {
      const ssize_t count = write(descriptor_, part.data(), part.size());
      if (count <= 0) no_room("a file can't be written to");
      part.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void keep() { kept_ = true; }
  std::string digest() { return digest_.hex(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  const int descriptor_;
  bool kept_ = false;
  Sha256 digest_;
  std::int64_t bytes_ = 0;
};

Async<Reply> upload(Call& call, std::string slug) {
  const Package package = co_await package_of(call.services.database, slug);
  const Member member = co_await call.member_of(package.team_id, Role::member);
  if (package.blocked) throw Failure(FailureKind::forbidden, "an operator has blocked this plugin");
  if (call.services.files.empty()) no_room("FILES_DIR is not set");
  NewJob job{.kind = kPublish, .user_email = call.user()->email.value_or(call.user()->id)};
  const Folders folders(call.services.files);
  folders.make_incoming();
  struct statvfs disk{};
  if (statvfs(call.services.files.c_str(), &disk) != 0 || disk.f_bavail * disk.f_frsize < kRoomKept)
    no_room("the disk is nearly full");
  Incoming incoming(folders.incoming(job.id));
  for (;;) {
    const std::string part = co_await call.body_part();
    if (part.empty()) break;
    incoming.add(part);
  }
  if (incoming.bytes() == 0)
    throw Failure(FailureKind::invalid_request, "the body is empty: it is to be the bundle, a zip or a tar.gz");
  const Upload given{.slug = slug, .digest = incoming.digest(), .account = member.account, .bytes = incoming.bytes()};
  job.payload = write_fields(given).dump();
  incoming.keep();
  Reply reply = co_await call.run_as_job(std::move(job));
  co_return reply;
}

constexpr const char* kYank = R"sql(
update plugin_versions v set yanked_at = coalesce(yanked_at, now()) where package_id = $1 and version = $2
   and exists (select from plugin_deployments d where d.version_id = v.id))sql";

Async<Reply> yank(Call& call, std::string slug, std::string version) {
  const Package package = co_await package_of(call.services.database, slug);
  const Member member = co_await call.member_of(package.team_id, Role::admin);
  Transaction transaction = co_await call.services.database.begin();
  const Rows found = co_await transaction.query(kYank, {package.id, version});
  if (found.affected() == 0) throw Failure(FailureKind::not_found, "there is no such version");
  co_await transaction.query("select plugin_set_latest($1)", {package.id});
  co_await note_in_audit_log(transaction, {.team = package.team_id,
                                           .account = member.account,
                                           .action = "plugin.yank",
                                           .details = Json::object({{"plugin", slug}, {"version", version}})});
  NewJob job{.kind = kReconcile,
             .payload = Json::object({{"slug", slug}}).dump(),
             .user_email = call.user()->email.value_or(call.user()->id)};
  co_await call.enqueue(transaction, std::move(job));
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({std::string(kPluginsTag)});
  co_return Reply{.status = 204};
}

}  // namespace

std::vector<Route> version_routes() {
  return {{Method::POST,
           "/api/v1/plugins/{slug}/versions",
           upload,
           {.summary = "Publishes a version: a bundle, as zip or tar.gz of 50 MB at the most (members of its team)",
            .body = bytes_of("application/octet-stream"),
            .answers = answers_of_work<PublishedVersion>(),
            .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict, FailureKind::unprocessable,
                      FailureKind::invalid_request, FailureKind::unavailable},
            .auth = Auth::required,
            .limit = per_client(30, 1h),
            .body_max = kPackedMost}},
          {Method::DELETE,
           "/api/v1/plugins/{slug}/versions/{version}",
           yank,
           {.summary = "Yanks a version: nobody new gets it, and who has chosen it keeps it (admins of its team)",
            .answers = {{204, nothing()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}}};
}

}  // namespace marketplace
