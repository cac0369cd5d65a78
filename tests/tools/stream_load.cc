// stream_load: many clients of one event stream, and when each of them heard of each event. Linux, one thread.
//
//   stream_load --url http://127.0.0.1:8080/PATH --streams N
//
// Prints a line of JSON when all N have had their first event, and one for each later event once all N have had it:
//   {"event": "12", "firstS", "p50S", "p99S", "lastS"}
// "event" is the event's id; times are CLOCK_MONOTONIC's (Python's time.monotonic()). Ends with status 0 when every
// stream has ended, 1 when one was refused, or ended before it had all that the others had.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Client {
  int fd = -1;
  bool in_body = false;
  std::string rest;  // of a line that has not ended yet
  std::string id;    // of the event that has not ended yet
};

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// When each client had the event, in the order they had it.
std::map<std::string, std::vector<double>> heard;
std::size_t streams = 0;

void hear(const std::string& id, double when) {
  std::vector<double>& times = heard[id];
  times.push_back(when);
  if (times.size() != streams) return;
  fmt::print("{{\"event\": \"{}\", \"firstS\": {:.6f}, \"p50S\": {:.6f}, \"p99S\": {:.6f}, \"lastS\": {:.6f}}}\n", id,
             times.front(), times[streams / 2], times[streams * 99 / 100], times.back());
  std::fflush(stdout);
}

void take_line(Client& client, std::string_view line, double when) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!client.in_body) {
    if (line.starts_with("HTTP/") && line.find(" 200") == line.npos) throw std::runtime_error(std::string(line));
    client.in_body = line.empty();
  } else if (line.starts_with("id: ")) {
    client.id = line.substr(4);
  } else if (line.empty() && !client.id.empty()) {
    hear(client.id, when);
    client.id.clear();
  }
}

void take(Client& client, std::string_view bytes, double when) {
  for (;;) {
    const std::size_t end = bytes.find('\n');
    if (end == bytes.npos) break;
    if (client.rest.empty()) {
      take_line(client, bytes.substr(0, end), when);
    } else {
      take_line(client, client.rest.append(bytes.substr(0, end)), when);
      client.rest.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  client.rest.append(bytes);
}

// "http://ADDRESS:PORT/PATH"
std::pair<sockaddr_in, std::string> parse_url(const std::string& url) {
  std::array<char, 64> address{};
  std::array<char, 512> path{};
  int port = 0;
  if (std::sscanf(url.c_str(), "http://%63[0-9.]:%d%511s", address.data(), &port, path.data()) != 3) {
    throw std::runtime_error("the URL is not http://ADDRESS:PORT/PATH");
  }
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.data(), &server.sin_addr);
  return {server, path.data()};
}

// HTTP/1.0: the body comes as it is, not chunked.
int ask(const sockaddr_in& server, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string request = fmt::format("GET {} HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0 ||
      write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
    throw std::runtime_error(fmt::format("no connection: errno {}", errno));
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

void run(const std::string& url) {
  const auto [server, path] = parse_url(url);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Client> clients(streams);
  std::size_t open = 0;
  std::array<epoll_event, 512> events{};
  std::array<char, 65536> bytes{};
  while (open < streams || std::ranges::any_of(clients, [](const Client& client) { return client.fd >= 0; })) {
    for (int i = 0; i < 50 && open < streams; ++i, ++open) {  // a few at a time, so that nobody's backlog is full
      clients[open].fd = ask(server, path);
      epoll_event wanted{.events = EPOLLIN, .data = {.ptr = &clients[open]}};
      epoll_ctl(poll, EPOLL_CTL_ADD, clients[open].fd, &wanted);
    }
    const int ready = epoll_wait(poll, events.data(), events.size(), open < streams ? 5 : -1);
    for (int i = 0; i < ready; ++i) {
      Client& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
      const double when = now();
      const ssize_t size = read(client.fd, bytes.data(), bytes.size());
      if (size > 0) {
        take(client, {bytes.data(), static_cast<std::size_t>(size)}, when);
      } else if (size == 0 || errno != EAGAIN) {
        close(client.fd);
        client.fd = -1;
      }
    }
  }
  for (const auto& [id, times] : heard) {
    if (times.size() != streams)
      throw std::runtime_error(fmt::format("{} of {} had event {}", times.size(), streams, id));
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::string url;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--url") url = argv[i + 1];
    if (option == "--streams") streams = std::stoul(argv[i + 1]);
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (streams == 0) throw std::runtime_error("--streams is missing");
  run(url);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "stream_load: {}\n", error.what());
  return 1;
}
