// What the fake provider was told to do, and what it has seen: its script of rules, its counters, its last calls.
//
// Everything here is used by one thread. Images are never kept: a call's record holds sizes, names and 200 bytes of
// the prompt.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider_protocol.h"

namespace plugfleet::test {

enum class Fault { none, reset, hang, truncate, slow_body, empty_choices, error_in_200, huge };

// One rule of the script. The first rule that still has times left and whose match is in the request applies.
struct Rule {
  std::optional<long> times_left;
  std::string match;  // a part of the request's skeleton (see body_scan.h)
  std::optional<std::chrono::milliseconds> latency;
  int status = 200;
  std::string headers;              // whole lines
  std::optional<std::string> body;  // sent as it is
  std::optional<std::string> text;  // sent in the protocol's shape
  Fault fault = Fault::none;
};

inline Fault parse_fault(std::string_view name) {
  static const std::map<std::string_view, Fault> kFaults = {{"reset", Fault::reset},
                                                            {"hang", Fault::hang},
                                                            {"truncate", Fault::truncate},
                                                            {"slow_body", Fault::slow_body},
                                                            {"huge", Fault::huge},
                                                            {"empty_choices", Fault::empty_choices},
                                                            {"error_in_200", Fault::error_in_200}};
  const auto found = kFaults.find(name);
  if (found == kFaults.end()) throw std::invalid_argument(fmt::format("no such fault: {}", name));
  return found->second;
}

inline Rule parse_rule(json_t* object) {
  Rule rule;
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(object, key, value) {
    const std::string_view name = key;
    const auto number = [&] {
      if (!json_is_integer(value)) throw std::invalid_argument(fmt::format("{} is not an integer", name));
      return json_integer_value(value);
    };
    const auto string = [&] {
      if (!json_is_string(value)) throw std::invalid_argument(fmt::format("{} is not a string", name));
      return std::string(json_string_value(value), json_string_length(value));
    };
    if (name == "times") {
      rule.times_left = number();
    } else if (name == "match") {
      rule.match = string();
    } else if (name == "latencyMs") {
      rule.latency = std::chrono::milliseconds(number());
    } else if (name == "status") {
      rule.status = static_cast<int>(number());
    } else if (name == "body") {
      rule.body = string();
    } else if (name == "text") {
      rule.text = string();
    } else if (name == "fault") {
      rule.fault = parse_fault(string());
    } else if (name == "headers") {
      const char* header = nullptr;
      json_t* text = nullptr;
      json_object_foreach(value, header, text) {
        rule.headers += fmt::format("{}: {}\r\n", header, json_is_string(text) ? json_string_value(text) : "");
      }
    } else {
      throw std::invalid_argument(fmt::format("no such key in a rule: {}", name));
    }
  }
  return rule;
}

// Throws std::invalid_argument that says what is wrong.
inline std::vector<Rule> parse_script(std::string_view text) {
  const Json list = parse_json(text);
  if (!json_is_array(list.get())) throw std::invalid_argument("the script is not a JSON array of rules");
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < json_array_size(list.get()); ++i)
    rules.push_back(parse_rule(json_array_get(list.get(), i)));
  return rules;
}

struct CallRecord {
  std::string path;
  std::string model;
  std::vector<std::string> header_names;
  std::string trace_id;
  std::string traceparent;
  std::string prompt;  // its first 200 bytes
  std::size_t body_bytes = 0;
  std::size_t images = 0;
};

struct Ledger {
  std::vector<Rule> script;
  std::map<std::string, long> calls_by_key;
  std::deque<CallRecord> last_calls;
  long calls = 0;
  long in_flight = 0;
  long max_in_flight = 0;
  long aborted = 0;
  long connections = 0;         // open now
  long connections_opened = 0;  // ever

  Rule take_rule(std::string_view skeleton) {
    for (Rule& rule : script) {
      if (rule.times_left == 0 || skeleton.find(rule.match) == skeleton.npos) continue;
      if (rule.times_left) --*rule.times_left;
      return rule;
    }
    return {};
  }

  void remember(CallRecord record) {
    last_calls.push_back(std::move(record));
    if (last_calls.size() > 4096) last_calls.pop_front();
  }

  // Forgets the script and what was seen; what is going on right now stays counted.
  void reset() {
    script.clear();
    calls_by_key.clear();
    last_calls.clear();
    calls = aborted = 0;
    max_in_flight = in_flight;
    connections_opened = connections;
  }

  std::string stats() const {
    const Json by_key(json_object());
    for (const auto& [key, count] : calls_by_key) json_object_set_new(by_key.get(), key.c_str(), json_integer(count));
    const auto wide = [](long value) { return static_cast<json_int_t>(value); };
    return dump_json(
        Json(json_pack("{sIsIsIsIsIsIsO}", "calls", wide(calls), "inFlight", wide(in_flight), "maxInFlight",
                       wide(max_in_flight), "aborted", wide(aborted), "connections", wide(connections),
                       "connectionsOpened", wide(connections_opened), "byKey", by_key.get())));
  }

  // The last `count` calls, oldest first.
  std::string recent(std::size_t count) const {
    const Json list(json_array());
    for (std::size_t i = last_calls.size() - std::min(count, last_calls.size()); i < last_calls.size(); ++i) {
      const CallRecord& call = last_calls[i];
      json_t* names = json_array();
      for (const auto& name : call.header_names) json_array_append_new(names, json_string(name.c_str()));
      json_array_append_new(list.get(), json_pack("{ssssssssssso sIsI}", "path", call.path.c_str(), "model",
                                                  call.model.c_str(), "traceId", call.trace_id.c_str(), "traceparent",
                                                  call.traceparent.c_str(), "prompt", call.prompt.c_str(), "headers",
                                                  names, "bodyBytes", static_cast<json_int_t>(call.body_bytes),
                                                  "images", static_cast<json_int_t>(call.images)));
    }
    return dump_json(list);
  }
};

}  // namespace plugfleet::test
