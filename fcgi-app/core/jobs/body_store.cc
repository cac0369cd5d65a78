#include "core/jobs/body_store.h"

#include <algorithm>
#include <utility>

namespace plugfleet {
namespace {

constexpr std::size_t kKeysAtOnce = 1000;  // Redis serves nobody else meanwhile

const RedisScript kRefresh{"for _, key in ipairs(KEYS) do redis.call('expire', key, ARGV[1]) end"};

std::string body_key(std::string_view job_id) { return "job:" + std::string(job_id) + ":body"; }
std::string result_key(std::string_view job_id) { return "job:" + std::string(job_id) + ":result"; }

std::vector<std::vector<std::string>> body_keys(const std::vector<std::string>& job_ids) {
  std::vector<std::vector<std::string>> batches;
  for (std::size_t i = 0; i < job_ids.size(); ++i) {
    if (i % kKeysAtOnce == 0) batches.emplace_back();
    batches.back().push_back(body_key(job_ids[i]));
  }
  return batches;
}

std::optional<std::string> text_of(RedisReply reply) {
  if (reply.is_nil()) return std::nullopt;
  return std::move(reply.text);
}

}  // namespace

Async<void> BodyStore::put_body(std::string job_id, std::string_view body) {
  return redis_.set(body_key(job_id), body, ttl_);
}

Async<std::optional<std::string>> BodyStore::take_body(std::string job_id) {
  RedisReply reply = co_await redis_.command({"GETEX", body_key(job_id), "EX", std::to_string(ttl_.count())});
  co_return text_of(std::move(reply));
}

Async<void> BodyStore::put_full_result(std::string job_id, std::string_view result) {
  return redis_.set(result_key(job_id), result, ttl_);
}

Async<std::optional<std::string>> BodyStore::full_result(std::string job_id) {
  RedisReply reply = co_await redis_.command({"GET", result_key(job_id)});
  co_return text_of(std::move(reply));
}

Async<void> BodyStore::refresh(std::vector<std::string> job_ids) {
  for (auto& keys : body_keys(job_ids)) {
    co_await redis_.eval(kRefresh, std::move(keys), {std::to_string(ttl_.count())});
  }
}

Async<void> BodyStore::forget_bodies(std::vector<std::string> job_ids) {
  for (auto& keys : body_keys(job_ids)) {
    keys.insert(keys.begin(), "UNLINK");
    co_await redis_.command(std::move(keys));
  }
}

}  // namespace plugfleet
