#include "host/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include "wire/address.h"
#include "wire/gzip.h"
#include "wire/http.h"

namespace plugfleet {
namespace {

constexpr std::chrono::duration<double> kWaitMost{3600};  // a clock that was set, rather than a queue

constexpr RateLimit kOperatorTries{.points = 10, .duration = 1min, .block = {}};  // that fail, for each address

// What is kept with a request until it has been logged.
struct Served {
  Served(Incoming& incoming, Platform& platform, Services& services) : call(incoming, platform, services) {}
  Call call;
  const Router::Entry* entry = nullptr;
  std::optional<Clock::time_point> opened;  // a stream
};

Served& served_of(Incoming& incoming) { return *static_cast<Served*>(incoming.attachment.get()); }

// The one place where an exception becomes an answer.
Failure as_failure(std::exception_ptr thrown, const Call& call) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::exception& fault) {
    log(Severity::error, "handler_failed", {{"trace", call.trace().id}, {"path", call.path()}, {"what", fault.what()}});
  } catch (...) {
    log(Severity::error, "handler_failed", {{"trace", call.trace().id}, {"path", call.path()}});
  }
  return Failure(FailureKind::internal, "something went wrong here; the requestId helps to find it");
}

// Since nginx handed it over (its $msec, in seconds with three decimals): what it stood in the accept queue.
std::optional<Clock::duration> waited_for_us(const Incoming& incoming) {
  const std::string_view sent = incoming.param("REQUEST_MSEC");
  const auto seconds = number_in<double>(sent);
  if (!seconds) return std::nullopt;
  const std::chrono::duration<double> waited =
      WallClock::now().time_since_epoch() - std::chrono::duration<double>(*seconds);
  return std::chrono::duration_cast<Clock::duration>(std::clamp(waited, std::chrono::duration<double>(0), kWaitMost));
}

// RateLimit-* as in draft-ietf-httpapi-ratelimit-headers-05: reset is in seconds from now. Throws where the limit is
// reached.
void keep_to(const LimitState& state, Call& call) {
  call.reply_header("RateLimit-Limit", fmt::format("{}", state.limit));
  call.reply_header("RateLimit-Remaining", fmt::format("{}", state.remaining));
  call.reply_header("RateLimit-Reset", fmt::format("{}", state.reset_after.count()));
  if (!state.allowed)
    throw Failure(FailureKind::rate_limited, "too many requests; try again later").retry_after(state.reset_after);
}

// What a 401 asks for (RFC 6750 section 3): the reason only where a token was given, in the characters it may have.
std::string challenge(const Failure& failure, std::string_view authorization) {
  if (bearer_token(authorization).empty()) return "Bearer";
  std::string reason = failure.message();
  std::erase_if(reason, [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\'; });
  return fmt::format(R"(Bearer error="invalid_token", error_description="{}")", reason);
}

}  // namespace

Dispatch::Dispatch(Platform& platform, const Router& router)
    : platform_(platform),
      router_(router),
      in_flight_gauge_(gauge("plugfleet_in_flight", "", "Requests being answered, without the event streams.")),
      streams_gauge_(gauge("plugfleet_streams", "", "Event streams that are open.")),
      requests_(counter("plugfleet_requests_total", "route=\"none\"", "Requests answered, by route.")),
      errors_(counter("plugfleet_errors_total", "route=\"none\"", "Requests answered with a status of 500 or more.")),
      seconds_(histogram("plugfleet_request_seconds", "route=\"none\"",
                         "From a request's arrival at the worker to its answer.")),
      queue_seconds_(
          histogram("plugfleet_queue_seconds", "", "From nginx to the worker: the wait in its accept queue.")) {}

Async<Reply> Dispatch::serve(Incoming& incoming) {
  const Router::Match match =
      router_.find(parse_method(incoming.param("REQUEST_METHOD")), incoming.param("DOCUMENT_URI"));
  auto served = std::make_shared<Served>(incoming, platform_,
                                         platform_.services_of(match.entry ? match.entry->module : std::string_view()));
  incoming.attachment = served;
  Call& call = served->call;
  if (const auto waited = waited_for_us(incoming)) queue_seconds_.observe(*waited);
  in_flight_gauge_.add(1);
  if (++in_flight_ > platform_.settings.requests_in_flight_max) {
    throw Failure(FailureKind::unavailable, "the server is at its limit; try again shortly").retry_after(1s);
  }
  if (!match.entry && match.allow.empty()) throw Failure(FailureKind::not_found, "there is nothing at this path");
  if (!match.entry) {
    call.reply_header("Allow", match.allow);
    throw Failure(FailureKind::method_not_allowed, fmt::format("this path takes {}", match.allow));
  }
  const std::string_view encoding = call.header("content-encoding");
  if (incoming.content_length() > 0 && !encoding.empty() && !equal_ignoring_case(trimmed(encoding), "identity")) {
    throw Failure(FailureKind::unsupported_media_type,
                  fmt::format("the body is taken as it is, not with Content-Encoding: {}",
                              utf8_repaired(encoding.substr(0, 64))));
  }
  served->entry = match.entry;
  const Route& route = match.entry->route;
  call.user_ = co_await platform_.authenticator.identify(route.options.auth,
                                                         Asking{.method = call.method(),
                                                                .authorization = call.header("authorization"),
                                                                .cookie = call.header("cookie"),
                                                                .origin = call.header("origin"),
                                                                .fetch_site = call.header("sec-fetch-site"),
                                                                .permission = route.options.permission});
  // What the limiter and the cache are asked goes to Redis together: one round trip for a reply that is kept.
  std::optional<ReplyCache::Asked> asked;
  std::optional<ReplyCache::Peek> peeked;
  if (route.options.cache) {
    asked = asked_of_cache(call, *match.entry, match.values);
    peeked = platform_.reply_cache.peek(*asked);
  }
  if (route.options.auth == Auth::operator_token) {
    co_await admit_operator(call);
  } else if (route.options.limited) {
    co_await limit(call, route);
  }
  call.query_type_ = route.options.query.id;
  if (route.options.body) {
    call.body_type_ = route.options.body->type.id;
    call.in_parts_ = route.options.body->in_parts();
  }
  call.body_max_ = route.options.body_max.value_or(platform_.settings.body_max);
  if (incoming.content_length() > call.body_max_) {
    throw Failure(FailureKind::payload_too_large, fmt::format("the body has {} bytes; at most {} are taken here",
                                                              incoming.content_length(), call.body_max_));
  }
  Reply reply;
  if (asked) {
    const std::function<Async<Reply>()> make = [&call, &route, &match] { return route.handler(call, match.values); };
    reply = co_await platform_.reply_cache.get(platform_.reactor, std::move(*asked), *route.options.cache, make,
                                               std::move(peeked));
  } else {
    reply = co_await route.handler(call, match.values);
  }
  std::ranges::move(call.reply_headers_, std::back_inserter(reply.headers));
  if (reply.stream) set_streaming(incoming);
  co_return reply;
}

ReplyCache::Asked Dispatch::asked_of_cache(const Call& call, const Router::Entry& entry, const PathValues& values) {
  const Route& route = entry.route;
  const CacheRule& rule = *route.options.cache;
  ReplyCache::Asked asked{
      .key = {entry.label},
      .tags = rule.tags,
      .known = std::string(call.header("if-none-match")),
      .gzip = call.header("x-no-compression").empty() && accepts_gzip(call.header("accept-encoding"))};
  asked.key.insert(asked.key.end(), values.begin(), values.end());
  for (const std::string_view name : route.options.query.fields) {
    const auto value = call.query(name);
    asked.key.push_back(value ? "=" + *value : "");
  }
  if (rule.each == CacheRule::Each::user) asked.key.push_back(call.user() ? "=" + call.user()->id : "");
  for (std::string& tag : asked.tags) {
    tag = entry.filled_in(std::move(tag), values);
    if (const std::size_t at = tag.find(kUserTag); at != tag.npos)
      tag.replace(at, kUserTag.size(), call.user() ? user_tag(call.user()->issuer, call.user()->subject) : "");
  }
  return asked;
}

// An address that keeps failing is told to wait before its token is looked at: guessing costs the database nothing.
Async<void> Dispatch::admit_operator(Call& call) {
  const std::string key = fmt::format("operator:{}", call.client_key());
  LimitState tries = co_await platform_.limiter.take(key, kOperatorTries, 0);
  tries.allowed = tries.remaining > 0;
  bool admitted = false;
  if (tries.allowed) {
    const std::string_view token = bearer_token(call.header("authorization"));
    admitted = co_await platform_.operator_tokens.admits(std::string(token));
    if (!admitted) tries = co_await platform_.limiter.take(key, kOperatorTries);
  }
  keep_to(tries, call);
  if (admitted) co_return;
  throw Failure(FailureKind::unauthorized, "an operator's token is needed: Authorization: Bearer pft_...");
}

// It may be open for hours: it gives up its place, and what its log line does not need.
void Dispatch::set_streaming(Incoming& incoming) {
  Served& served = served_of(incoming);
  served.opened = Clock::now();
  served.call.body_.reset();
  served.call.reply_headers_ = {};
  incoming.keep_only({"REQUEST_METHOD", "REMOTE_ADDR", "HTTP_USER_AGENT"});
  --in_flight_;
  in_flight_gauge_.add(-1);
  streams_gauge_.add(1);
}

Async<void> Dispatch::limit(Call& call, const Route& route) {
  const RouteOptions& options = route.options;
  const RateLimit all{.points = platform_.settings.requests_per_minute, .duration = 1min};
  const std::string key = fmt::format("{}:{}", options.limit ? route.path : "all", call.client_key());
  LimitState state = co_await platform_.limiter.take(key, options.limit.value_or(all));
  // A 429 would end an EventSource for good.
  if (options.streams && !call.header("last-event-id").empty()) state.allowed = true;
  keep_to(state, call);
}

Reply Dispatch::failed(Incoming& incoming, std::exception_ptr thrown) {
  if (!incoming.attachment) {  // cancelled before it began
    incoming.attachment = std::make_shared<Served>(incoming, platform_, platform_.services_of(""));
    in_flight_gauge_.add(1);
    ++in_flight_;
  }
  Call& call = served_of(incoming).call;
  const Failure failure = as_failure(std::move(thrown), call);
  Reply reply = error_reply(failure, call.trace().id);
  if (failure.kind() == FailureKind::unauthorized)
    reply.headers.emplace_back("WWW-Authenticate", challenge(failure, call.header("authorization")));
  std::ranges::move(call.reply_headers_, std::back_inserter(reply.headers));
  return reply;
}

void Dispatch::finished(Incoming& incoming, const Reply& reply) {
  const Served& served = served_of(incoming);
  const Call& call = served.call;
  ++served_;
  if (served.opened) {
    streams_gauge_.add(-1);
  } else {
    --in_flight_;
    in_flight_gauge_.add(-1);
    assert(in_flight_ >= 0);
  }
  const auto now = Clock::now();
  const auto took = served.opened.value_or(now) - incoming.started();
  const bool error = reply.status >= 500;
  (served.entry ? served.entry->requests : requests_).add();
  (served.entry ? served.entry->seconds : seconds_).observe(took);
  if (error) (served.entry ? served.entry->errors : errors_).add();
  const std::string_view route = served.entry ? std::string_view(served.entry->label) : "none";
  const Severity severity = error ? Severity::warning : Severity::info;
  if (log_wants(severity)) {
    log(severity, "request",
        {{"trace", call.trace().id},
         {"route", route},
         {"method", incoming.param("REQUEST_METHOD")},
         {"status", reply.status},
         {"ms", to_ms(now - incoming.started())},
         {"upstreamMs", to_ms(call.upstream_time())},
         {"bytesIn", incoming.content_length()},
         {"bytesOut", reply.body.size() + incoming.streamed()},
         {"user", call.user() ? std::string_view(call.user()->id) : std::string_view()},
         {"address", call.client_address()}});
  }
  if (!served.entry || !served.entry->route.options.recorded) return;
  platform_.recorder.record(ApiCallRow{
      .endpoint = std::string(route),
      .ip_address = is_ip_address(call.client_address()) ? std::string(call.client_address()) : std::string(),
      .user_agent = utf8_repaired(call.header("user-agent").substr(0, 256)),
      .status = reply.status,
      .milliseconds = to_ms(took),
      .created_at = WallClock::now()});
}

}  // namespace plugfleet
