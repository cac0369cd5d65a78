// What another server publishes at an address - a key set, a provider's description - fetched, kept by this process, and
// fetched anew.
//
//   P1  One fetch is under way at most, whoever waits for it. It is nobody's own: a client that leaves ends it for no other.
//   P2  What is known serves, however old, until something newer has come: where the other server is down, for ever.
//   P3  Once it is kFresh old whoever asks has it fetched in the background, and goes on with the old one.
//   P4  Who doubts it may have it fetched before that, once in kDoubted whoever they are.
//   P5  Where nothing is known a failed fetch is tried again after kRetry; who asks meanwhile is told so (503).
//
// Not shared through Redis, whose writers could then sign in as anybody.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "io/http_client.h"
#include "io/reactor.h"

namespace plugfleet {

class PublishedBytes {
 public:
  using Value = std::shared_ptr<const void>;
  using Read = std::function<Value(std::string body)>;  // throws an std::exception that says why it is none

  static constexpr milliseconds kFresh = 5min, kDoubted = 60s, kRetry = 5s;

  PublishedBytes(Reactor& reactor, HttpClient& http, std::string url, Read read);

  // Throws Failure(unavailable) where nothing is known.
  Async<Value> get();
  // P4: fetched anew, where it may be.
  Async<Value> get_anew();

 private:
  struct State;
  static Async<void> fetch(std::shared_ptr<State> state);
  static void begin(const std::shared_ptr<State>& state);
  static Async<void> end_of_fetch(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // a fetch that is under way has it too
};

template <class T>
class Published {
 public:
  // `url` is private (wire/url.h).
  Published(Reactor& reactor, HttpClient& http, std::string url, std::function<T(std::string body)> read)
      : bytes_(reactor, http, std::move(url), [read = std::move(read)](std::string body) {
          return std::make_shared<const T>(read(std::move(body)));
        }) {}

  Async<std::shared_ptr<const T>> get() { return typed(bytes_.get()); }
  Async<std::shared_ptr<const T>> get_anew() { return typed(bytes_.get_anew()); }

 private:
  static Async<std::shared_ptr<const T>> typed(Async<PublishedBytes::Value> value) {
    const PublishedBytes::Value bytes = co_await std::move(value);
    co_return std::static_pointer_cast<const T>(bytes);
  }

  PublishedBytes bytes_;
};

}  // namespace plugfleet
