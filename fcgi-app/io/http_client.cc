#include "io/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <unordered_map>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kSmallBody = 16 * 1024;  // copied, to leave with the head and without curl's buffer of 64 KB
constexpr std::size_t kLargeBody = 64 * 1024;  // worth a larger buffer, which its handle then holds for ever
constexpr long kLargeBodyBuffer = 128 * 1024;
constexpr std::size_t kEasyKept = 64;
constexpr std::size_t kSmallReply = 1024 * 1024;             // needs no room of its own
constexpr std::size_t kLargeRepliesMax = 256 * 1024 * 1024;  // of all that are larger, together
constexpr std::size_t kHeadersMax = 64 * 1024;
constexpr std::chrono::seconds kRetryAfterMost = 24h;  // more is as good as never, and no clock may run over

constexpr const char* kTooManyHeaders = "has more than 64 KB of headers";

class LargeReplies;

struct Transfer {
  HttpRequest request;
  CURL* handle;
  LargeReplies& large;
  HttpReply reply{};
  Waiter done{};
  CURLcode result = CURLE_OK;
  std::size_t header_bytes = 0;
  std::size_t room = 0;               // what it has of `large`
  std::size_t piece = 0, offset = 0;  // where in request.body the next read begins
  char error[CURL_ERROR_SIZE] = {};

  std::size_t body_size() const {
    std::size_t size = 0;
    for (const std::string_view part : request.body) size += part.size();
    return size;
  }
};

// The memory of replies of over kSmallReply. Each takes all that it may grow to at once, or is paused until it can: two
// that have a part each would wait for each other.
class LargeReplies {
 public:
  // False: it is to be paused, and goes on once it has its room.
  bool admit(Transfer& transfer) {
    if (transfer.room > 0) return true;
    const std::size_t room = std::min(transfer.request.reply_max, kLargeRepliesMax);
    const bool first = line_.empty() || line_.front() == &transfer;
    if (!first || room > left_) {
      if (!waits(transfer)) line_.push_back(&transfer);
      return false;
    }
    line_.remove(&transfer);
    left_ -= transfer.room = room;
    transfer.reply.body.reserve(room);
    return true;
  }

  void leave(Transfer& transfer) {
    line_.remove(&transfer);
    left_ += std::exchange(transfer.room, 0);
    while (!line_.empty()) {
      Transfer& next = *line_.front();
      if (!admit(next)) return;
      const CURLcode resumed = curl_easy_pause(next.handle, CURLPAUSE_CONT);
      if (resumed == CURLE_OK || next.done.resumed()) continue;
      next.result = resumed;
      next.done.resume();
    }
  }

  bool waits(Transfer& transfer) const { return std::ranges::find(line_, &transfer) != line_.end(); }
  std::size_t left() const { return left_; }
  std::size_t waiting() const { return line_.size(); }

 private:
  std::size_t left_ = kLargeRepliesMax;
  std::list<Transfer*> line_;
};

std::size_t read_body(char* to, std::size_t, std::size_t room, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::size_t written = 0;
  while (written < room && transfer.piece < transfer.request.body.size()) {
    const std::string_view part = transfer.request.body[transfer.piece].substr(transfer.offset);
    const std::size_t take = std::min(part.size(), room - written);
    std::memcpy(to + written, part.data(), take);
    written += take;
    transfer.offset += take;
    if (take == part.size()) {
      ++transfer.piece;
      transfer.offset = 0;
    }
  }
  return written;
}

// curl sends a body anew when a kept connection turns out to be dead.
int seek_body(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  transfer.piece = transfer.offset = 0;
  return CURL_SEEKFUNC_OK;
}

std::size_t write_reply(char* from, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t whole = transfer.reply.body.size() + size;
  if (whole > transfer.request.reply_max) {
    transfer.reply.unread = "is larger than allowed";
    return 0;  // ends the transfer
  }
  if (whole > kSmallReply && !transfer.large.admit(transfer)) return CURL_WRITEFUNC_PAUSE;
  transfer.reply.body.append(from, size);
  return size;
}

// A line of the reply's head; curl keeps them.
std::size_t count_header(char*, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += size;
  if (transfer.header_bytes <= kHeadersMax) return size;
  transfer.reply.unread = kTooManyHeaders;
  return 0;
}

long to_curl_ms(Clock::duration duration) {
  return std::max<long>(1, static_cast<long>(std::chrono::duration_cast<milliseconds>(duration).count()));
}

struct Easy {  // an easy handle in the multi handle, out of it again however the coroutine ends
  CURLM* multi;
  CURL* handle;
  curl_slist* headers = nullptr;
  std::vector<CURL*>& kept;
  bool large = false;

  ~Easy() {
    curl_multi_remove_handle(multi, handle);
    curl_slist_free_all(headers);
    if (kept.size() < kEasyKept && !large) {
      curl_easy_reset(handle);
      kept.push_back(handle);
    } else {
      curl_easy_cleanup(handle);
    }
  }
};

}  // namespace

struct HttpClient::State {
  State(Reactor& reactor_, std::size_t kept_connections, std::string its_proxy)
      : reactor(reactor_), proxy(std::move(its_proxy)), timer(reactor_) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    if (global != CURLE_OK || !multi) throw Failure(FailureKind::internal, "libcurl does not start");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(kept_connections));
  }

  ~State() {
    for (CURL* const handle : kept) curl_easy_cleanup(handle);
    curl_multi_cleanup(multi);
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto& self = *static_cast<State*>(user);
    if (what == CURL_POLL_REMOVE) {
      self.watches.erase(fd);
      return 0;
    }
    auto& watch = self.watches[fd];
    if (!watch) {
      watch = std::make_unique<FdWatch>(
          self.reactor, fd, [&self, fd] { self.act(fd, CURL_CSELECT_IN); },
          [&self, fd] { self.act(fd, CURL_CSELECT_OUT); });
    }
    watch->want_read((what & CURL_POLL_IN) != 0);
    watch->want_write((what & CURL_POLL_OUT) != 0);
    return 0;
  }

  static int on_timer(CURLM*, long ms, void* user) {
    auto& self = *static_cast<State*>(user);
    if (ms < 0) {
      self.timer.disarm();
    } else {
      self.timer.arm(milliseconds(ms), [&self] { self.act(CURL_SOCKET_TIMEOUT, 0); });
    }
    return 0;
  }

  void act(curl_socket_t fd, int what) {
    int running = 0;
    curl_multi_socket_action(multi, fd, what, &running);
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      auto& transfer = *static_cast<Transfer*>(user);
      transfer.result = message->data.result;
      transfer.done.resume();
    }
  }

  CURL* take_handle() {
    if (kept.empty()) return curl_easy_init();
    CURL* const handle = kept.back();
    kept.pop_back();
    return handle;
  }

  Reactor& reactor;
  const std::string proxy;
  Timer timer;
  CURLM* multi = nullptr;
  std::unordered_map<curl_socket_t, std::unique_ptr<FdWatch>> watches;
  std::vector<CURL*> kept;
  LargeReplies large;
  std::size_t in_flight = 0;
};

HttpClient::HttpClient(Reactor& reactor, std::size_t kept_connections, std::string proxy)
    : state_(std::make_unique<State>(reactor, kept_connections, std::move(proxy))) {}
HttpClient::~HttpClient() = default;

std::size_t HttpClient::in_flight() const { return state_->in_flight; }
std::size_t HttpClient::room() const { return state_->large.left(); }
std::size_t HttpClient::paused() const { return state_->large.waiting(); }

Async<HttpReply> HttpClient::send(HttpRequest request) {
  std::string small_body;
  CURL* const handle = state_->take_handle();
  if (!handle) throw Failure(FailureKind::internal, "no memory for a call");
  Transfer transfer{.request = std::move(request), .handle = handle, .large = state_->large};
  struct Leaving {
    Transfer& transfer;
    ~Leaving() { transfer.large.leave(transfer); }
  } leaving{transfer};
  Easy easy{state_->multi, handle, nullptr, state_->kept};
  for (const std::string& header : transfer.request.headers)
    easy.headers = curl_slist_append(easy.headers, header.c_str());
  easy.headers = curl_slist_append(easy.headers, "Expect:");  // never wait for a 100-continue

  const auto set = [handle](CURLoption option, auto value) { curl_easy_setopt(handle, option, value); };
  set(CURLOPT_URL, transfer.request.url.c_str());
  if (!transfer.request.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, transfer.request.unix_socket.c_str());
  const std::string& proxy = transfer.request.proxy.empty() ? state_->proxy : transfer.request.proxy;
  set(CURLOPT_PROXY, proxy.c_str());  // empty: none, whatever the environment says
  set(CURLOPT_NOPROXY, "localhost,127.0.0.0/8,::1");
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_HTTPHEADER, easy.headers);
  set(CURLOPT_PRIVATE, static_cast<void*>(&transfer));
  set(CURLOPT_ERRORBUFFER, transfer.error);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // else a transfer that ends early waits for the thread that looks its host's name up
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_TIMEOUT_MS, to_curl_ms(transfer.request.timeout));
  set(CURLOPT_CONNECTTIMEOUT_MS, to_curl_ms(transfer.request.connect_timeout));
  set(CURLOPT_WRITEFUNCTION, &write_reply);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(CURLOPT_HEADERFUNCTION, &count_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  set(CURLOPT_ACCEPT_ENCODING, "identity");  // and so curl undoes what comes all the same
  // On one connection of HTTP/2 a paused reply would hold up the others, which it waits for.
  if (transfer.request.reply_max > kSmallReply) set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  if (!transfer.request.body.empty()) {
    const std::size_t size = transfer.body_size();
    easy.large = size > kLargeBody;
    if (easy.large) set(CURLOPT_UPLOAD_BUFFERSIZE, kLargeBodyBuffer);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(size));
    if (size <= kSmallBody) {
      small_body.reserve(size);
      for (const std::string_view part : transfer.request.body) small_body += part;
      set(CURLOPT_POSTFIELDS, small_body.c_str());
    } else {
      set(CURLOPT_READFUNCTION, &read_body);
      set(CURLOPT_READDATA, static_cast<void*>(&transfer));
      set(CURLOPT_SEEKFUNCTION, &seek_body);
      set(CURLOPT_SEEKDATA, static_cast<void*>(&transfer));
    }
  }

  struct Count {
    std::size_t& n;
    explicit Count(std::size_t& counter) : n(++counter) {}
    ~Count() { --n; }
  } count(state_->in_flight);
  curl_multi_add_handle(state_->multi, handle);
  co_await transfer.done.wait();

  std::string& unread = transfer.reply.unread;
  if (transfer.result == CURLE_BAD_CONTENT_ENCODING) unread = "has an encoding that cannot be undone";
  if (transfer.result == CURLE_OUT_OF_MEMORY && transfer.reply.body.empty()) unread = kTooManyHeaders;  // in one line
  if (transfer.result == CURLE_OPERATION_TIMEDOUT && transfer.large.waits(transfer))
    unread = "is large, and no memory was free for it";
  if (transfer.result != CURLE_OK) {
    const char* const why = transfer.error[0] ? transfer.error : curl_easy_strerror(transfer.result);
    log(Severity::info, "http_call_failed",
        {{"trace", transfer.request.trace}, {"why", unread.empty() ? std::string(why) : "the reply " + unread}});
    const bool late = transfer.result == CURLE_OPERATION_TIMEDOUT;
    if (unread.empty() && late) throw Failure(FailureKind::provider_timeout, "no answer in time");
    if (unread.empty()) throw Failure(FailureKind::provider_error, "the connection failed");
    transfer.reply.body.clear();
  }
  long status = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
  transfer.reply.status = static_cast<int>(status);
  curl_header* written = nullptr;
  if (retry_after == 0 && curl_easy_header(handle, "Retry-After", 0, CURLH_HEADER, -1, &written) == CURLHE_OK &&
      std::string_view(written->value).find_first_not_of("0123456789") == std::string_view::npos &&
      std::string_view(written->value).find_first_not_of('0') != std::string_view::npos)
    retry_after = kRetryAfterMost.count();  // a number that is larger than any integer: libcurl reads 0
  if (retry_after > 0) transfer.reply.retry_after = std::min(std::chrono::seconds(retry_after), kRetryAfterMost);
  co_return std::move(transfer.reply);
}

}  // namespace plugfleet
