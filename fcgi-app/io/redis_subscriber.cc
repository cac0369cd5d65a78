// RedisSubscriber.
//
//            connect()            PONG               every channel of that moment stands
//     down ------------> greeting -----> subscribing -----------------------------------> connected: on_gap()
//      ^                    |                 |                                               |
//      +------ backoff -----+-----------------+----------- EOF, error, silence ---------------+
//
// Redis answers in order, and any answer or message is a sign of life. Where there was none for a second it is asked
// (PING); where it does not answer that in time it is taken for dead: a socket of a Redis that hangs stays open.
#include <unordered_map>
#include <utility>

#include "io/redis_link.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kQuiet = 1s;
constexpr std::size_t kChannelsACommand = 500;

}  // namespace

class RedisSubscriber::Connection : public RedisLink {
 public:
  Connection(Reactor& reactor, RedisOptions options, Events events)
      : RedisLink(reactor, std::move(options)), events_(std::move(events)), silence_(reactor) {}

  void subscribe(const std::string& channel) {
    if (channels_[channel]++ == 0 && greeted_) write({"SUBSCRIBE", channel});
  }
  void unsubscribe(const std::string& channel) {
    const auto found = channels_.find(channel);
    if (found == channels_.end() || --found->second > 0) return;
    channels_.erase(found);
    if (greeted_) write({"UNSUBSCRIBE", channel});
  }
  bool connected() const { return connected_; }

 private:
  void opened() override { ask(options_.connect_timeout); }
  void lost() override {
    greeted_ = connected_ = false;
    silence_.disarm();
  }
  void take(RedisReply reply) override;
  void greeted();
  void stand();
  void ask(Clock::duration patience);
  void listen();

  const Events events_;
  std::unordered_map<std::string, int> channels_;  // how often each is subscribed
  bool greeted_ = false, connected_ = false;
  std::size_t to_stand_ = 0;  // channels that were to be subscribed when Redis greeted, and are not yet
  bool heard_ = false;        // since silence_ was armed
  Timer silence_;
};

void RedisSubscriber::Connection::take(RedisReply reply) {
  heard_ = true;
  if (reply.type == RedisReply::Type::error) return drop(std::move(reply.text));
  if (!greeted_) return greeted();
  if (reply.items.size() != 3) return;  // a PONG
  const std::string& what = reply.items[0].text;
  if (what == "message") return events_.on_message(reply.items[1].text, reply.items[2].text);
  if (what != "subscribe" || to_stand_ == 0) return;
  --to_stand_;
  if (to_stand_ == 0) stand();
}

void RedisSubscriber::Connection::greeted() {
  greeted_ = true;
  listen();
  to_stand_ = channels_.size();
  std::vector<std::string> words{"SUBSCRIBE"};
  for (const auto& [channel, count] : channels_) {
    words.push_back(channel);
    if (words.size() <= kChannelsACommand) continue;
    write(words);
    words.resize(1);
  }
  if (words.size() > 1) write(words);
  if (to_stand_ == 0) stand();
}

void RedisSubscriber::Connection::stand() {
  connected_ = true;
  settled();
  events_.on_gap();
}

void RedisSubscriber::Connection::ask(Clock::duration patience) {
  write({"PING"});
  heard_ = false;
  silence_.arm(patience, [this] {
    const auto self = shared_from_this();
    if (!heard_) read();  // it may be this process that was late
    if (!open()) return;
    heard_ ? listen() : drop("no sign of life in time");
  });
}

void RedisSubscriber::Connection::listen() {
  heard_ = false;
  silence_.arm(kQuiet, [this] { heard_ ? listen() : ask(options_.command_timeout); });
}

RedisSubscriber::RedisSubscriber(Reactor& reactor, RedisOptions options, Events events)
    : connection_(std::make_shared<Connection>(reactor, std::move(options), std::move(events))) {
  connection_->connect();
}

RedisSubscriber::~RedisSubscriber() { connection_->close(); }

void RedisSubscriber::subscribe(const std::string& channel) { connection_->subscribe(channel); }
void RedisSubscriber::unsubscribe(const std::string& channel) { connection_->unsubscribe(channel); }
bool RedisSubscriber::connected() const { return connection_->connected(); }

}  // namespace plugfleet
