#include "core/ai/ai_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <expected>

#include "base/text.h"
#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kFirstRest = 60s, kLongestRest = 15min;
constexpr Clock::duration kTrial = 60s;
constexpr Clock::duration kLimitDefault = 1s, kLimitMost = 60s;
constexpr int kWeightMost = 100;

}  // namespace

std::string ordinal(std::size_t number) {
  const std::size_t last = number / 10 % 10 == 1 ? 0 : number % 10;
  return fmt::format("{}{}", number, last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

// ---- As they are written -----------------------------------------------------------------------------------------

// "sk-a*3" -> the key and its weight; what is wrong with it, as a sentence's end.
std::expected<AiKey, std::string> read_key(std::string_view part) {
  const std::size_t star = std::min(part.rfind('*'), part.size());
  AiKey key{.text = std::string(without_mark(trimmed(part.substr(0, star))))};
  if (star < part.size()) {
    const auto weight = number_in<decltype(key.weight)>(trimmed(part.substr(star + 1)), 0, kWeightMost);
    if (!weight) return std::unexpected(fmt::format("'s weight must be a whole number from 0 to {}", kWeightMost));
    key.weight = *weight;
  }
  if (key.text.empty()) return std::unexpected(" is empty");
  if (!std::ranges::all_of(key.text, [](char c) { return c > ' ' && c <= '~'; }))
    return std::unexpected(" holds a space, or another character that no key has");
  if (key.text.find_first_of("\"'") != key.text.npos) return std::unexpected(" holds a quotation mark");
  return key;
}

std::vector<AiKey> read_keys(std::string_view text, const std::function<void(std::string)>& complain) {
  std::vector<AiKey> keys;
  for (std::size_t number = 1; !text.empty();) {
    const std::size_t end = std::min(text.find_first_of(",\r\n"), text.size());
    const std::string_view part = trimmed(text.substr(0, end));
    const bool in_a_row = end < text.size() && text[end] == ',';
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty() && !in_a_row) continue;  // an empty line
    auto key = read_key(part);
    if (key && std::ranges::find(keys, key->text, &AiKey::text) != keys.end())
      key = std::unexpected(" stands there twice");
    if (key) {
      keys.push_back(std::move(*key));
    } else {
      complain(fmt::format("the {} key{}", ordinal(number), key.error()));
    }
    ++number;
  }
  return keys;
}

// ---- Which is used -----------------------------------------------------------------------------------------------

KeyRing::KeyRing(std::vector<AiKey> keys) {
  for (const AiKey& key : keys) keys_.push_back({.weight = key.weight});
}

bool KeyRing::rests(std::size_t key, Clock::time_point now) const {
  return now < keys_[key].refused_until || now < keys_[key].limited_until;
}

std::optional<std::size_t> KeyRing::choose(Clock::time_point now, std::uint64_t dice,
                                           std::optional<std::size_t> except) {
  bool spares = true;
  for (std::size_t key = 0; key < keys_.size(); ++key) spares = spares && (keys_[key].weight == 0 || rests(key, now));
  const auto weight = [&](std::size_t key) -> std::uint64_t {
    if (key == except || rests(key, now)) return 0;
    return static_cast<std::uint64_t>(spares ? 1 : keys_[key].weight);
  };
  std::uint64_t sum = 0;
  for (std::size_t key = 0; key < keys_.size(); ++key) sum += weight(key);
  if (sum == 0) return std::nullopt;
  dice %= sum;
  std::size_t chosen = 0;
  while (dice >= weight(chosen)) dice -= weight(chosen++);
  if (keys_[chosen].rest > Clock::duration::zero()) keys_[chosen].refused_until = now + kTrial;  // K3
  return chosen;
}

std::size_t KeyRing::back_first() const {
  const auto back = [](const Key& key) { return std::max(key.refused_until, key.limited_until); };
  return static_cast<std::size_t>(std::ranges::min_element(keys_, {}, back) - keys_.begin());
}

// ---- What came of it ---------------------------------------------------------------------------------------------

std::optional<Clock::duration> KeyRing::refused(std::size_t index, Clock::time_point begun, Clock::time_point now) {
  Key& key = keys_[index];
  if (key.rest > Clock::duration::zero() && begun <= key.refused_at) return std::nullopt;
  key.rest = key.rest == Clock::duration::zero() ? kFirstRest : std::min(2 * key.rest, kLongestRest);
  key.refused_at = now;
  key.refused_until = now + key.rest;
  return key.rest;
}

void KeyRing::limited(std::size_t index, Clock::time_point now, std::optional<Clock::duration> wait) {
  Key& key = keys_[index];
  key.limited_until = std::max(key.limited_until, now + std::min(wait.value_or(kLimitDefault), kLimitMost));
}

void KeyRing::accepted(std::size_t index, Clock::time_point begun) {
  Key& key = keys_[index];
  if (begun <= key.refused_at) return;
  key.rest = Clock::duration::zero();
  key.refused_until = {};
}

// ---- How they are ------------------------------------------------------------------------------------------------

std::size_t KeyRing::resting(Clock::time_point now) const {
  std::size_t count = 0;
  for (std::size_t key = 0; key < keys_.size(); ++key) count += rests(key, now);
  return count;
}

bool KeyRing::all_refused(Clock::time_point now) const {
  return std::ranges::all_of(keys_, [now](const Key& key) { return now < key.refused_until; });
}

std::optional<Clock::time_point> KeyRing::limited_until(Clock::time_point now) const {
  std::optional<Clock::time_point> first;
  for (const Key& key : keys_) {
    if (now < key.refused_until || now >= key.limited_until) continue;
    first = first ? std::min(*first, key.limited_until) : key.limited_until;
  }
  return first;
}

}  // namespace plugfleet
