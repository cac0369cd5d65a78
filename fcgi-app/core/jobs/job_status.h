// The words of a job's states and of what comes of an attempt at it: each stands here, and in migrations/.
#pragma once

#include "base/names.h"

namespace plugfleet {

// The column jobs.status, and what clients and operators are told.
enum class JobStatus { queued, processing, completed, failed, cancelled };

inline constexpr Names<JobStatus, 5> kJobStatuses({{{JobStatus::queued, "queued"},
                                                    {JobStatus::processing, "processing"},
                                                    {JobStatus::completed, "completed"},
                                                    {JobStatus::failed, "failed"},
                                                    {JobStatus::cancelled, "cancelled"}}});
constexpr std::string_view name_of(JobStatus status) { return kJobStatuses.of(status); }
constexpr std::optional<JobStatus> named(std::string_view name, JobStatus) { return kJobStatuses.find(name); }

// Whether it has ended: it stays so, unless an operator has it start anew.
constexpr bool is_terminal(JobStatus status) {
  return status == JobStatus::completed || status == JobStatus::failed || status == JobStatus::cancelled;
}

// What finish_jobs (migrations/functions/) is told of an attempt. It knows two more, which reap() alone gives: "lost" is
// charged to the job, "spared" is not (J14).
enum class JobOutcome {
  done,
  retry,      // after a wait, or a backoff; fails for good where that was its last attempt
  cancelled,  // as its handler wished
  failed,     // for good
  released,   // not tried: the attempt is given back
};

inline constexpr Names<JobOutcome, 5> kJobOutcomes({{{JobOutcome::done, "done"},
                                                     {JobOutcome::retry, "retry"},
                                                     {JobOutcome::cancelled, "cancelled"},
                                                     {JobOutcome::failed, "failed"},
                                                     {JobOutcome::released, "released"}}});
constexpr std::string_view name_of(JobOutcome outcome) { return kJobOutcomes.of(outcome); }

}  // namespace plugfleet
