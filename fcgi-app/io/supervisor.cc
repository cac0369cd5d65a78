#include "io/supervisor.h"

#include <fmt/format.h>

#include <algorithm>

namespace plugfleet {
namespace {

constexpr std::size_t kProcessesMax = 1000;

// What stands after `<name>NAME</name>`: the text of its <value>, within its <string> or <int>.
std::string_view member(std::string_view xml, std::string_view name) {
  const std::string tag = fmt::format("<name>{}</name>", name);
  const std::size_t at = xml.find(tag);
  if (at == xml.npos) return {};
  xml.remove_prefix(at + tag.size());
  const std::size_t value = xml.find("<value><");
  const std::size_t begin = value == xml.npos ? value : xml.find('>', value + 8);
  if (begin == xml.npos) return {};
  const std::size_t end = xml.find('<', begin);
  return end == xml.npos ? std::string_view() : xml.substr(begin + 1, end - begin - 1);
}

bool is_plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '-';
  });
}

}  // namespace

std::vector<SupervisedProcess> parse_supervised(std::string_view xml) {
  constexpr std::string_view kEnd = "</struct>";
  std::vector<SupervisedProcess> processes;
  for (std::size_t end; (end = xml.find(kEnd)) != xml.npos && processes.size() < kProcessesMax;) {
    const std::string_view one = xml.substr(0, end);
    processes.push_back({.group = std::string(member(one, "group")),
                         .name = std::string(member(one, "name")),
                         .state = std::string(member(one, "statename"))});
    xml.remove_prefix(end + kEnd.size());
  }
  return processes;
}

Async<void> Supervisor::start(std::string name) { return tell("startProcess", std::move(name)); }
Async<void> Supervisor::stop(std::string name) { return tell("stopProcess", std::move(name)); }

Async<std::vector<SupervisedProcess>> Supervisor::states() {
  const std::string reply = co_await call("getAllProcessInfo", "");
  if (reply.find("<fault>") != reply.npos)
    throw Failure(FailureKind::unavailable, "supervisord does not tell its programs");
  co_return parse_supervised(reply);
}

Async<void> Supervisor::tell(std::string verb, std::string name) {
  if (!is_plain(name)) throw Failure(FailureKind::internal, fmt::format("\"{}\" is not a program's name", name));
  const std::string reply = co_await call(verb, fmt::format("<param><value><string>{}</string></value></param>"
                                                            "<param><value><boolean>0</boolean></value></param>",
                                                            name));
  if (reply.find("<fault>") == reply.npos) co_return;
  const std::string_view code = member(reply, "faultCode"), why = member(reply, "faultString");
  if (code == "60" || code == "70") co_return;  // ALREADY_STARTED, NOT_RUNNING
  throw Failure(FailureKind::unavailable, fmt::format("supervisord refuses {} of {}: {}", verb, name, why));
}

Async<std::string> Supervisor::call(std::string method, std::string parameters) {
  const std::string body = fmt::format(
      "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.{}</methodName><params>{}</params></methodCall>",
      method, parameters);
  HttpReply reply;
  try {
    reply = co_await http_.send({.url = "http://localhost/RPC2",
                                 .unix_socket = socket_,
                                 .headers = {"Content-Type: text/xml"},
                                 .body = {body},
                                 .timeout = 3s,
                                 .connect_timeout = 3s});
  } catch (const Failure&) {
    throw Failure(FailureKind::unavailable, "supervisord does not answer");
  }
  if (reply.status != 200) throw Failure(FailureKind::unavailable, fmt::format("supervisord answers {}", reply.status));
  if (!reply.unread.empty())
    throw Failure(FailureKind::unavailable, fmt::format("supervisord's answer {}", reply.unread));
  co_return std::move(reply.body);
}

}  // namespace plugfleet
