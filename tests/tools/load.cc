// load: sends one HTTP/1.1 request many times, bounded in concurrency and time, and prints what came back as JSON.
//
//   load --url http://127.0.0.1:8080/PATH --requests N --concurrency C [--body FILE] [--header 'K: V']...
//        [--seconds S] [--timeout-s T] [--rate R] [--expect TEXT] [--times FILE] [--each FILE]
//
// With --each, request i is for the path and the bearer token of line i of FILE ("PATH TOKEN"), which begins anew at its end.
// With a body it POSTs, else it GETs. The file is mapped once and shared by all requests. Each of the C clients keeps
// its connection alive. With --seconds no request begins after S seconds. With --rate, request i is due at i/R seconds
// and its time counts from then, so that a server that falls behind cannot hide it. A request without a whole answer
// within T (default 30) seconds is a failure, and so is, with --expect, an answer that does not hold TEXT.
//
// Output: {"statuses": {"200": n}, "failures": n, "wallS", "minMs", "meanMs", "p50Ms", "p95Ms", "p99Ms", "maxMs"};
// times are of the requests that were answered, whatever their status; FILE gets each of them, in ms, the shortest
// first. Exits 1 when nothing was answered.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio.hpp>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "http_stream.h"

namespace {

using namespace plugfleet::test;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

struct Job {
  tcp::endpoint server;
  std::vector<std::string> heads;  // of which each request takes the next
  std::string_view body;
  std::string expected;
  long requests = 1;
  long concurrency = 1;
  long rate = 0;  // requests a second; 0 is as fast as they are answered
  std::chrono::seconds timeout{30};
  Clock::duration time = Clock::duration::max();  // in which requests begin
  std::string times_file;
};

struct Answer {
  int status;
  bool as_expected;
};

struct Tally {
  long begun = 0;
  long failures = 0;
  std::map<int, long> statuses;
  std::vector<double> times_ms;
  Clock::time_point start = Clock::now();
};

// The body is mapped for as long as the process lives.
std::string_view map_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat facts{};
  if (fd < 0 || fstat(fd, &facts) != 0 || facts.st_size == 0)
    throw std::runtime_error(fmt::format("no body: {}", path));
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  close(fd);
  if (bytes == MAP_FAILED) throw std::runtime_error(fmt::format("cannot map {}", path));
  return {static_cast<const char*>(bytes), size};
}

// Sends the request and reads its answer. A server may answer and close before it has read the body.
asio::awaitable<Answer> exchange(HttpStream& stream, const Job& job, long number) {
  std::error_code unsent;
  const std::string& head_sent = job.heads[static_cast<std::size_t>(number) % job.heads.size()];
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head_sent), asio::buffer(job.body)};
  co_await asio::async_write(stream.socket, parts, asio::redirect_error(asio::use_awaitable, unsent));
  const auto head = co_await stream.read_head();
  if (!head) throw std::system_error(asio::error::eof);
  std::string answer;
  const auto sink = [&](std::string_view piece) {
    if (!job.expected.empty()) answer += piece;
  };
  co_await stream.read_body(*head, sink);
  if (unsent || head->field("connection") == "close") stream.socket.close();
  co_return Answer{to_number<int>(head->word(1)), answer.find(job.expected) != answer.npos};
}

asio::awaitable<void> client(const Job& job, Tally& tally) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  std::shared_ptr<HttpStream> stream;
  while (tally.begun < job.requests && Clock::now() - tally.start < job.time) {
    auto due = Clock::now();
    const long number = tally.begun++;
    if (job.rate > 0) {
      due = tally.start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                              static_cast<double>(number) / static_cast<double>(job.rate)));
      timer.expires_at(due);
      co_await timer.async_wait(asio::use_awaitable);
    }
    try {
      const bool connected = stream && stream->socket.is_open();
      if (!connected) stream = std::make_shared<HttpStream>(tcp::socket(executor));
      timer.expires_at(Clock::now() + job.timeout);
      timer.async_wait([late = std::weak_ptr(stream)](std::error_code error) {
        const auto open = late.lock();
        if (!error && open) open->socket.close();
      });
      if (!connected) {
        co_await stream->socket.async_connect(job.server, asio::use_awaitable);
        stream->socket.set_option(tcp::no_delay(true));
      }
      const Answer answer = co_await exchange(*stream, job, number);
      ++tally.statuses[answer.status];
      if (!answer.as_expected) ++tally.failures;
      tally.times_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - due).count());
    } catch (const std::system_error&) {
      ++tally.failures;
      stream.reset();
    }
    timer.cancel();
  }
}

void print(Tally tally) {
  const double wall = std::chrono::duration<double>(Clock::now() - tally.start).count();
  auto& times = tally.times_ms;
  std::ranges::sort(times);
  const auto quantile = [&](double part) {
    const auto rank = static_cast<std::size_t>(part * static_cast<double>(times.size()));
    return times.empty() ? 0.0 : times[std::min(rank, times.size() - 1)];
  };
  const double mean =
      times.empty() ? 0.0 : std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  std::string statuses;
  for (const auto& [status, count] : tally.statuses) {
    statuses += fmt::format("{}\"{}\": {}", statuses.empty() ? "" : ", ", status, count);
  }
  fmt::print(
      "{{\"statuses\": {{{}}}, \"failures\": {}, \"wallS\": {:.4f}, \"minMs\": {:.3f}, \"meanMs\": {:.3f}, "
      "\"p50Ms\": {:.3f}, \"p95Ms\": {:.3f}, \"p99Ms\": {:.3f}, \"maxMs\": {:.3f}}}\n",
      statuses, tally.failures, wall, quantile(0), mean, quantile(0.5), quantile(0.95), quantile(0.99), quantile(1));
}

void write_times(const std::string& path, std::vector<double> times) {
  std::ranges::sort(times);
  std::ofstream file(path);
  for (const double ms : times) file << fmt::format("{:.3f}\n", ms);
  if (!file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path));
}

// "http://ADDRESS:PORT/PATH" -> the endpoint and the path.
std::pair<tcp::endpoint, std::string> parse_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  const auto slash = url.find('/', kScheme.size());
  const auto colon = url.find(':', kScheme.size());
  if (!url.starts_with(kScheme) || slash == url.npos || colon > slash) {
    throw std::runtime_error("the URL is not http://ADDRESS:PORT/PATH");
  }
  const std::string address(url.substr(kScheme.size(), colon - kScheme.size()));
  const auto port = to_number<std::uint16_t>(url.substr(colon + 1, slash - colon - 1));
  return {tcp::endpoint(asio::ip::make_address(address), port), std::string(url.substr(slash))};
}

Job parse_options(int argc, char** argv) {
  Job job;
  std::string path, each;
  std::string headers;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) throw std::runtime_error(fmt::format("{} needs a value", option));
    const char* value = argv[i + 1];
    if (option == "--url") {
      std::tie(job.server, path) = parse_url(value);
    } else if (option == "--body") {
      job.body = map_file(value);
    } else if (option == "--header") {
      headers += fmt::format("{}\r\n", value);
    } else if (option == "--expect") {
      job.expected = value;
    } else if (option == "--requests") {
      job.requests = to_number<long>(value);
    } else if (option == "--concurrency") {
      job.concurrency = to_number<long>(value);
    } else if (option == "--seconds") {
      job.time = std::chrono::seconds(to_number<long>(value));
    } else if (option == "--timeout-s") {
      job.timeout = std::chrono::seconds(to_number<long>(value));
    } else if (option == "--rate") {
      job.rate = to_number<long>(value);
    } else if (option == "--each") {
      each = value;
    } else if (option == "--times") {
      job.times_file = value;
    } else {
      throw std::runtime_error(fmt::format("no such option: {}", option));
    }
  }
  if (path.empty()) throw std::runtime_error("--url is missing");
  if (!job.body.empty()) {
    headers += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", job.body.size());
  }
  const auto add_head = [&](std::string_view target, std::string_view more) {
    job.heads.push_back(fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\n{}{}\r\n", job.body.empty() ? "GET" : "POST",
                                    target, job.server.address().to_string(), job.server.port(), headers, more));
  };
  if (each.empty()) {
    add_head(path, "");
    return job;
  }
  std::ifstream lines(each);
  for (std::string target, token; lines >> target >> token;)
    add_head(target, fmt::format("Authorization: Bearer {}\r\n", token));
  if (job.heads.empty()) throw std::runtime_error(fmt::format("no requests: {}", each));
  return job;
}

}  // namespace

int main(int argc, char** argv) try {
  const Job job = parse_options(argc, argv);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  asio::io_context io(1);
  Tally tally;
  tally.times_ms.reserve(static_cast<std::size_t>(job.requests));
  for (long i = 0; i < std::min(job.concurrency, job.requests); ++i) {
    asio::co_spawn(io, client(job, tally), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
  }
  io.run();
  const bool answered = !tally.times_ms.empty();
  if (!job.times_file.empty()) write_times(job.times_file, tally.times_ms);
  print(std::move(tally));
  return answered ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "load: {}\n", error.what());
  return 1;
}
