// What the fake provider was told to do, and what it has seen: its script of rules, its counters, its last calls.
//
// Everything here is used by one thread. Images are never kept: a call's record holds sizes, names, the instructions
// and 200 bytes of the prompt.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider_answers.h"

namespace plugfleet::test {

enum class Fault { none, reset, hang, truncate, slow_body, empty_choices, error_in_200, huge };

// One rule of the script. The first rule that is for the call, has its turn and has times left applies.
struct Rule {
  // Which calls it is for.
  std::string match;  // a part of the request's skeleton (see body_scan.h)
  std::optional<std::string> key;
  std::optional<Wants> wants;
  // Of those, which: each Nth, some by chance, the first so many.
  long every = 1, seen = 0;
  double chance = 1;
  std::optional<long> times_left;
  // What becomes of them.
  std::optional<std::chrono::milliseconds> latency;
  int status = 200;
  std::string headers;               // whole lines
  std::optional<std::string> body;   // sent as it is
  std::optional<std::string> text;   // sent in the protocol's shape
  std::optional<std::string> image;  // the same, base64
  Fault fault = Fault::none;
};

inline const char* to_text(Wants wants) {
  return wants == Wants::text ? "text" : wants == Wants::edits ? "edits" : "image";
}

inline Wants parse_wants(std::string_view name) {
  for (const Wants wants : {Wants::text, Wants::edits, Wants::image}) {
    if (name == to_text(wants)) return wants;
  }
  throw std::invalid_argument(fmt::format("nobody wants: {}", name));
}

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
    } else if (name == "every") {
      rule.every = number();
      if (rule.every < 1) throw std::invalid_argument("every is less than 1");
    } else if (name == "chance") {
      rule.chance = json_number_value(value);
    } else if (name == "key") {
      rule.key = string();
    } else if (name == "wants") {
      rule.wants = parse_wants(string());
    } else if (name == "image") {
      rule.image = string();
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
  Wants wants;
  std::string instructions;
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
  Used used;                    // what answers have told
  std::minstd_rand random;      // the same each time

  Rule take_rule(std::string_view skeleton, std::string_view key, Wants wants) {
    for (Rule& rule : script) {
      if (rule.times_left == 0 || skeleton.find(rule.match) == skeleton.npos) continue;
      if ((rule.key && *rule.key != key) || (rule.wants && *rule.wants != wants)) continue;
      if (++rule.seen % rule.every != 0) continue;
      if (rule.chance < 1 && std::uniform_real_distribution<>()(random) >= rule.chance) continue;
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
    used = {};
    max_in_flight = in_flight;
    connections_opened = connections;
  }

  std::string stats() const {
    const Json by_key(json_object());
    for (const auto& [key, count] : calls_by_key) json_object_set_new(by_key.get(), key.c_str(), json_integer(count));
    const auto wide = [](long value) { return static_cast<json_int_t>(value); };
    return dump_json(Json(json_pack(
        "{sIsIsIsIsIsIsOsIsIsf}", "calls", wide(calls), "inFlight", wide(in_flight), "maxInFlight", wide(max_in_flight),
        "aborted", wide(aborted), "connections", wide(connections), "connectionsOpened", wide(connections_opened),
        "byKey", by_key.get(), "inputTokens", used.in, "outputTokens", used.out, "cost", used.cost)));
  }

  // The last `count` calls, oldest first.
  std::string recent(std::size_t count) const {
    const Json list(json_array());
    for (std::size_t i = last_calls.size() - std::min(count, last_calls.size()); i < last_calls.size(); ++i) {
      const CallRecord& call = last_calls[i];
      json_t* names = json_array();
      for (const auto& name : call.header_names) json_array_append_new(names, json_string(name.c_str()));
      json_array_append_new(
          list.get(),
          json_pack("{sssssssssssssssosIsI}", "path", call.path.c_str(), "model", call.model.c_str(), "wants",
                    to_text(call.wants), "traceId", call.trace_id.c_str(), "traceparent", call.traceparent.c_str(),
                    "instructions", call.instructions.c_str(), "prompt", call.prompt.c_str(), "headers", names,
                    "bodyBytes", static_cast<json_int_t>(call.body_bytes), "images",
                    static_cast<json_int_t>(call.images)));
    }
    return dump_json(list);
  }
};

}  // namespace plugfleet::test
