#include "core/jobs/job_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

constexpr std::string_view kJobPrefix = "job:", kEnqueued = "jobs:enqueued", kCancelled = "jobs:cancelled";

// Who is told of something. While it tells, anybody may come (and is not told) or go (and is not told any more).
template <class... Arguments>
class Listeners {
 public:
  using Function = std::function<void(Arguments...)>;

  // `gone` is called when the handle is gone, and must call remove().
  JobEvents::Handle add(Function function, std::function<void(std::uint64_t)> gone) {
    const std::uint64_t number = next_++;
    std::shared_ptr<Function> handle(new Function(std::move(function)), [number, gone](Function* ended) {
      delete ended;
      gone(number);
    });
    by_number_.emplace(number, handle);
    return handle;
  }
  void remove(std::uint64_t number) { by_number_.erase(number); }
  bool empty() const { return by_number_.empty(); }

  void tell(Arguments... arguments) const {
    std::vector<std::weak_ptr<Function>> all;
    all.reserve(by_number_.size());
    for (const auto& [number, function] : by_number_) all.push_back(function);
    for (const auto& one : all) {
      if (const auto function = one.lock()) (*function)(arguments...);
    }
  }

 private:
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::weak_ptr<Function>> by_number_;
};

std::string shown(const JobEvent& event) {
  return Json::object({{"status", name_of(event.status)},
                       {"number", event.number},
                       {"progress", event.progress},
                       {"message", event.message}})
      .dump();
}

// There while nobody has answered what was told of the kind.
std::string unanswered(const std::string& kind) { return fmt::format("{}:{}", kEnqueued, kind); }

// None where its status is none of ours.
std::optional<JobEvent> read(std::string_view id, std::string_view text) {
  const Json json = Json::parse(text).value_or(Json());
  const auto status = kJobStatuses.find(json["status"].string().value_or(""));
  if (!status) return std::nullopt;
  return JobEvent{.id = std::string(id),
                  .status = *status,
                  .number = static_cast<int>(json["number"].integer().value_or(0)),
                  .progress = static_cast<int>(json["progress"].integer().value_or(0)),
                  .message = std::string(json["message"].string().value_or(""))};
}

}  // namespace

struct JobEvents::State : std::enable_shared_from_this<JobEvents::State> {
  // A message's text and, of a job's channel, what it says.
  using Channel = Listeners<std::string_view, const JobEvent&>;

  State(Reactor& its_reactor, Redis& its_redis, RedisOptions its_options)
      : reactor(its_reactor), redis(its_redis), options(std::move(its_options)) {}

  void publish(std::string channel, std::string message);
  Handle listen(const std::string& channel, Channel::Function function);
  void deliver(std::string_view name, std::string_view message);

  Reactor& reactor;
  Redis& redis;
  const RedisOptions options;
  const Counter dropped = counter("plugfleet_job_events_dropped_total", "", "Events of jobs that Redis did not take.");
  std::unordered_map<std::string, Channel> channels;  // those that are listened to
  Listeners<> gap;
  std::unique_ptr<RedisSubscriber> subscriber;  // once something was listened to
};

void JobEvents::State::publish(std::string channel, std::string message) {
  if (!redis.send({"PUBLISH", std::move(channel), std::move(message)})) dropped.add();
}

JobEvents::Handle JobEvents::State::listen(const std::string& name, Channel::Function function) {
  if (!subscriber) {
    subscriber = std::make_unique<RedisSubscriber>(
        reactor, options,
        RedisSubscriber::Events{.on_message = [this](auto channel, auto message) { deliver(channel, message); },
                                .on_gap = [this] { gap.tell(); }});
  }
  if (!channels.contains(name)) subscriber->subscribe(name);
  return channels[name].add(std::move(function), [weak = weak_from_this(), name](std::uint64_t number) {
    const auto self = weak.lock();
    if (!self) return;
    Channel& channel = self->channels.at(name);
    channel.remove(number);
    if (!channel.empty()) return;
    self->channels.erase(name);
    self->subscriber->unsubscribe(name);
  });
}

void JobEvents::State::deliver(std::string_view name, std::string_view message) {
  const auto self = shared_from_this();
  const auto channel = channels.find(std::string(name));
  if (channel == channels.end()) return;  // left, but Redis does not know yet
  if (!name.starts_with(kJobPrefix)) return channel->second.tell(message, {});
  const auto event = read(name.substr(kJobPrefix.size()), message);
  if (event) channel->second.tell(message, *event);
}

JobEvents::JobEvents(Reactor& reactor, Redis& redis, RedisOptions options)
    : state_(std::make_shared<State>(reactor, redis, std::move(options))) {}

JobEvents::~JobEvents() = default;

void JobEvents::publish(JobEvent event) { state_->publish(std::string(kJobPrefix) + event.id, shown(event)); }

void JobEvents::publish_enqueued(const std::vector<std::string>& kinds) {
  std::vector<std::string> distinct = kinds;
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  for (std::string& kind : distinct) {
    state_->redis.send({"SET", unanswered(kind), "1"});
    state_->publish(std::string(kEnqueued), std::move(kind));
  }
}

Async<bool> JobEvents::answer_enqueued(std::string kind) {
  try {
    const RedisReply removed = co_await state_->redis.command({"DEL", unanswered(kind)});
    co_return removed.integer > 0;
  } catch (const Failure&) {
    co_return true;
  }
}

void JobEvents::publish_cancelled(const std::string& id) { state_->publish(std::string(kCancelled), id); }

JobEvents::Handle JobEvents::watch(std::string id, std::function<void(const JobEvent&)> on_event) {
  return state_->listen(std::string(kJobPrefix) + id,
                        [on_event = std::move(on_event)](std::string_view, const JobEvent& event) { on_event(event); });
}

JobEvents::Handle JobEvents::on_enqueued(std::function<void(std::string_view kind)> fn) {
  return on_message(std::string(kEnqueued), std::move(fn));
}

JobEvents::Handle JobEvents::on_cancelled(std::function<void(std::string_view id)> fn) {
  return on_message(std::string(kCancelled), std::move(fn));
}

JobEvents::Handle JobEvents::on_message(const std::string& channel, std::function<void(std::string_view message)> fn) {
  return state_->listen(channel, [fn = std::move(fn)](std::string_view message, const JobEvent&) { fn(message); });
}

JobEvents::Handle JobEvents::on_gap(std::function<void()> fn) {
  return state_->gap.add(std::move(fn), [weak = state_->weak_from_this()](std::uint64_t number) {
    if (const auto self = weak.lock()) self->gap.remove(number);
  });
}

bool JobEvents::listening() const { return state_->subscriber && state_->subscriber->connected(); }

}  // namespace plugfleet
