// fake_provider: an AI provider for tests and benchmarks, on 127.0.0.1, that answers as it is told to.
//
//   fake_provider --port 0 [--latency-ms N] [--until-stdin-closes]
//
// Prints "listening on 127.0.0.1:PORT" first; ends on SIGTERM. Speaks HTTP/1.1:
//   POST .../chat/completions                  OpenRouter's and OpenAI's protocol, with Authorization: Bearer KEY
//   POST .../images/generations                OpenAI's way to images
//   POST .../models/MODEL:generateContent      Gemini's, with x-goog-api-key: KEY
//   POST /script   a JSON array of rules (provider_script.h) that replaces the script; without one every call is
//                  answered after the latency with image_name() of its first image, or of its prompt; where it wants
//                  an image, with one; where it wants something in a schema, with edits (provider_answers.h)
//   GET  /stats    calls, inFlight, maxInFlight, aborted (the client left before its answer), byKey, connections, and
//                  what the answers said was used: inputTokens, outputTokens, cost
//   GET  /calls?n=K  the last K calls, without images
//   POST /reset    forgets script and counts
//
// One thread; keeps of a body only its skeleton (body_scan.h). It trusts whoever reaches its port.
#include <fmt/format.h>
#include <sys/resource.h>

#include <asio.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "body_scan.h"
#include "http_stream.h"
#include "provider_answers.h"
#include "provider_script.h"

namespace {

using namespace plugfleet::test;
using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr std::size_t kHugeBody = 50 * 1024 * 1024;
constexpr std::size_t kGeminiMax = 20 * 1024 * 1024;
constexpr auto kSlowByte = 20ms;
constexpr auto kForEver = std::chrono::hours(24);

struct Provider {
  std::chrono::milliseconds latency{0};
  Ledger ledger;
};

// Counts a call in flight while it lives, and as aborted unless it was answered.
struct InFlight {
  explicit InFlight(Ledger& counts) : ledger(counts) {
    ++ledger.calls;
    ledger.max_in_flight = std::max(ledger.max_in_flight, ++ledger.in_flight);
  }
  ~InFlight() {
    --ledger.in_flight;
    if (!answered) ++ledger.aborted;
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  Ledger& ledger;
  bool answered = false;
};

enum class Client { stayed, left };

bool has_left(tcp::socket& socket) {
  char byte = 0;
  std::error_code error;
  socket.non_blocking(true);
  const auto size = socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return size == 0 && error != asio::error::would_block;
}

// Waits `time`, watching for the client to hang up.
asio::awaitable<Client> wait_with(tcp::socket& socket, std::chrono::milliseconds time) {
  asio::steady_timer timer(socket.get_executor(), time);
  const auto watching = std::make_shared<bool>(true);  // the handler may run after this frame is gone
  socket.async_wait(tcp::socket::wait_read, [&timer, watching](std::error_code error) {
    if (*watching && !error) timer.cancel();
  });
  std::error_code interrupted;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));
  *watching = false;
  socket.cancel();
  if (!interrupted) co_return Client::stayed;
  if (has_left(socket)) co_return Client::left;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));  // it only sent its next request
  co_return Client::stayed;
}

std::string response(int status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}", status,
                     status < 400 ? "OK" : "Error", body.size(), headers, body);
}

// 50 MB of one answer in chunks, so that the client cannot know its size beforehand.
asio::awaitable<void> send_huge(HttpStream& stream, const Rule& rule) {
  co_await stream.write(
      fmt::format("HTTP/1.1 {} OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n{}\r\n",
                  rule.status, rule.headers));
  const auto chunk = [](std::string_view data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); };
  co_await stream.write(chunk(R"({"choices":[{"message":{"role":"assistant","content":")"));
  const std::string filling = chunk(std::string(64 * 1024, 'a'));
  for (std::size_t sent = 0; sent < kHugeBody; sent += filling.size()) co_await stream.write(filling);
  co_await stream.write(chunk(R"("}}]})") + "0\r\n\r\n");
}

asio::awaitable<Client> send_slowly(HttpStream& stream, std::string text) {
  const auto body = text.find("\r\n\r\n") + 4;
  co_await stream.write(std::string_view(text).substr(0, body));
  for (std::size_t i = body; i < text.size(); ++i) {
    const auto client = co_await wait_with(stream.socket, kSlowByte);
    if (client == Client::left) co_return Client::left;
    co_await stream.write(std::string_view(text).substr(i, 1));
  }
  co_return Client::stayed;
}

std::string body_for(const Rule& rule, Protocol protocol, const Asked& asked, Ledger& ledger) {
  if (rule.body) return *rule.body;
  if (rule.status >= 400) return error_answer(protocol, rule.status, rule.text.value_or("scripted error"));
  if (rule.fault == Fault::error_in_200) {
    return error_answer(protocol, 502, rule.text.value_or("Provider returned error"));
  }
  Answer answer = rule.text || rule.image ? Answer{.text = rule.text, .image = rule.image} : usual_answer(asked);
  answer.empty = rule.fault == Fault::empty_choices;
  const Used used = used_for(protocol, asked, answer);
  ledger.used += used;
  return answer_text(protocol, asked, answer, used, ledger.calls);
}

enum class Connection { keep, close };

// Carries out `rule` on the call. Throws when the client goes away in the middle.
asio::awaitable<Connection> carry_out(HttpStream& stream, InFlight& call, const Rule& rule, std::string body) {
  const auto text = response(rule.status, body, rule.headers);
  call.answered = rule.fault == Fault::reset || rule.fault == Fault::truncate;
  switch (rule.fault) {
    case Fault::reset:
      stream.socket.set_option(asio::socket_base::linger(true, 0));
      stream.socket.close();  // at once: a socket that is only destroyed closes politely
      co_return Connection::close;
    case Fault::hang:
      co_await wait_with(stream.socket, kForEver);
      co_return Connection::close;
    case Fault::truncate:
      co_await stream.write(std::string_view(text).substr(0, text.size() - body.size() / 2));
      co_return Connection::close;
    case Fault::huge:
      co_await send_huge(stream, rule);
      break;
    case Fault::slow_body: {
      const auto client = co_await send_slowly(stream, text);
      if (client == Client::left) co_return Connection::close;
      break;
    }
    default:
      co_await stream.write(text);
  }
  call.answered = true;
  co_return Connection::keep;
}

void remember(Ledger& ledger, const Head& head, const Asked& asked, const BodyScan& scan) {
  CallRecord record{.path = std::string(head.word(1)),
                    .model = asked.model,
                    .wants = asked.wants,
                    .instructions = asked.instructions,
                    .header_names = {},
                    .trace_id = std::string(head.field("x-trace-id")),
                    .traceparent = std::string(head.field("traceparent")),
                    .prompt = asked.prompt.substr(0, 200),
                    .body_bytes = scan.size(),
                    .images = asked.image_names.size()};
  while (!record.prompt.empty() && (asked.prompt.size() > 200) && (record.prompt.back() & 0x80)) {
    record.prompt.pop_back();  // not half a character
  }
  head.each([&](std::string_view name, std::string_view) {
    record.header_names.emplace_back(name);
    return false;
  });
  ledger.remember(std::move(record));
}

std::string key_of(Protocol protocol, const Head& head) {
  if (protocol == Protocol::gemini) return std::string(head.field("x-goog-api-key"));
  const auto value = head.field("authorization");
  return value.starts_with("Bearer ") ? std::string(value.substr(7)) : "";
}

asio::awaitable<Connection> answer_call(HttpStream& stream, Provider& provider, Protocol protocol, const Head& head) {
  Ledger& ledger = provider.ledger;
  InFlight call(ledger);
  BodyScan scan;
  const auto feed = [&](std::string_view piece) { scan.feed(piece); };
  co_await stream.read_body(head, feed);

  const Asked asked = read_request(protocol, head.word(1), scan.skeleton());
  const std::string key = key_of(protocol, head);
  ++ledger.calls_by_key[key];
  remember(ledger, head, asked, scan);

  Rule rule;
  std::string refusal;
  if (key.empty()) {
    rule.status = 401;
    refusal = "No auth credentials found";
  } else if (!asked.error.empty()) {
    rule.status = 400;
    refusal = asked.error;
  } else if (protocol == Protocol::gemini && scan.size() > kGeminiMax) {
    rule.status = 400;
    refusal = "Request payload size exceeds the limit: 20971520 bytes.";
  } else {
    rule = ledger.take_rule(scan.skeleton(), key, asked.wants);
  }
  const auto latency = rule.latency.value_or(refusal.empty() ? provider.latency : 0ms);
  if (latency > 0ms) {
    const auto client = co_await wait_with(stream.socket, latency);
    if (client == Client::left) co_return Connection::close;
  }
  std::string body =
      refusal.empty() ? body_for(rule, protocol, asked, ledger) : error_answer(protocol, rule.status, refusal);
  co_return co_await carry_out(stream, call, rule, std::move(body));
}

std::string control(Provider& provider, std::string_view method, std::string_view target, std::string_view body) {
  const auto path = target.substr(0, target.find('?'));
  if (method == "GET" && path == "/stats") return response(200, provider.ledger.stats());
  if (method == "GET" && path == "/calls") {
    const auto at = target.find("n=");
    return response(200,
                    provider.ledger.recent(at == target.npos ? 100 : to_number<std::size_t>(target.substr(at + 2))));
  }
  if (method == "POST" && path == "/reset") {
    provider.ledger.reset();
    return response(200, "{}");
  }
  if (method == "POST" && path == "/script") {
    try {
      provider.ledger.script = parse_script(body);
      return response(200, "{}");
    } catch (const std::invalid_argument& wrong) {
      return response(400, error_answer(Protocol::chat, 400, wrong.what()));
    }
  }
  return response(404, error_answer(Protocol::chat, 404, "no such path"));
}

asio::awaitable<Connection> answer_one(HttpStream& stream, Provider& provider, const Head& head) {
  if (head.field("expect") == "100-continue") co_await stream.write("HTTP/1.1 100 Continue\r\n\r\n");
  const auto method = head.word(0);
  const auto target = head.word(1);
  if (method == "POST" && target.ends_with("/chat/completions")) {
    co_return co_await answer_call(stream, provider, Protocol::chat, head);
  }
  if (method == "POST" && target.ends_with("/images/generations")) {
    co_return co_await answer_call(stream, provider, Protocol::images, head);
  }
  if (method == "POST" && target.ends_with(":generateContent") && target.find("/models/") != target.npos) {
    co_return co_await answer_call(stream, provider, Protocol::gemini, head);
  }
  std::string body;
  const auto gather = [&](std::string_view piece) { body += piece; };
  co_await stream.read_body(head, gather);
  co_await stream.write(control(provider, method, target, body));
  co_return Connection::keep;
}

asio::awaitable<void> serve(tcp::socket socket, Provider& provider) {
  ++provider.ledger.connections;
  ++provider.ledger.connections_opened;
  try {
    HttpStream stream(std::move(socket));
    stream.socket.set_option(tcp::no_delay(true));
    while (true) {
      const auto head = co_await stream.read_head();
      if (!head) break;
      const auto connection = co_await answer_one(stream, provider, *head);
      if (connection == Connection::close) break;
    }
  } catch (const std::system_error&) {  // the client went away, or spoke no HTTP
  }
  --provider.ledger.connections;
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, Provider& provider) {
  while (true) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), provider), asio::detached);
  }
}

asio::awaitable<void> stop_at_end_of(asio::posix::stream_descriptor& input, asio::io_context& io) {
  char bytes[256];
  std::error_code error;
  while (!error) {
    co_await input.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
  }
  io.stop();
}

}  // namespace

int main(int argc, char** argv) try {
  Provider provider;
  std::uint16_t port = 0;
  bool until_stdin_closes = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--until-stdin-closes") {
      until_stdin_closes = true;
    } else if (option == "--port" && i + 1 < argc) {
      port = to_number<std::uint16_t>(argv[++i]);
    } else if (option == "--latency-ms" && i + 1 < argc) {
      provider.latency = std::chrono::milliseconds(to_number<long>(argv[++i]));
    } else {
      fmt::print(stderr, "usage: fake_provider --port N [--latency-ms N] [--until-stdin-closes]\n");
      return 2;
    }
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  asio::io_context io(1);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](std::error_code, int) { io.stop(); });
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  acceptor.listen(4096);
  fmt::print("listening on 127.0.0.1:{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(io, accept_all(acceptor, provider), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  asio::posix::stream_descriptor input(io);
  if (until_stdin_closes) {
    input.assign(STDIN_FILENO);
    asio::co_spawn(io, stop_at_end_of(input, io), asio::detached);
  }
  io.run();
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "fake_provider: {}\n", error.what());
  return 1;
}
