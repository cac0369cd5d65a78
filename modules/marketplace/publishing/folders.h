// Where the marketplace's files are on this host, below Services::files:
//
//   tmp/incoming/JOB            an upload, until its job has ended
//   tmp/unpacked/JOB/           the bundle of a job that is under way
//   served/SLUG/VERSION/        what nginx serves at /plugins/
//   served/SLUG/latest          a link to one of them
//   withdrawn/SLUG/VERSION/     what an operator has blocked
//
// Each function blocks (Reactor::offload), may be repeated, and throws Failure(unavailable) where the disk fails.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace marketplace {

class Folders {
 public:
  explicit Folders(std::string root) : root_(std::move(root)) {}

  std::string incoming(const std::string& job) const { return root_ + "/tmp/incoming/" + job; }
  std::string unpacked(const std::string& job) const { return root_ + "/tmp/unpacked/" + job; }

  void make_incoming() const;
  // An empty folder for that job.
  void begin(const std::string& job) const;
  // Writes a file of it, and folders on the way; those and all in them are for nginx to read.
  void write(const std::string& job, const std::string& path, const std::string& bytes) const;
  // Makes the job's folder, all of it on the disk by then, that version: instead of what an attempt before has left there.
  void place(const std::string& job, const std::string& slug, const std::string& version) const;
  // What is left of a job.
  void forget(const std::string& job) const;
  // The same of each that nothing was written of for an hour.
  void sweep() const;

  struct Version {
    std::string version;
    bool served = true;
  };
  // Serves those versions that are to be, and no others; `latest` is a link then to the one of that name.
  void arrange(const std::string& slug, const std::vector<Version>& versions,
               const std::optional<std::string>& latest) const;

 private:
  std::string root_;
};

}  // namespace marketplace
