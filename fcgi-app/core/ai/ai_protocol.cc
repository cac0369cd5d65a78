#include "core/ai/ai_protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "core/ai/ai_dialects.h"
#include "wire/json_documents.h"

namespace plugfleet {
namespace {

// An error may quote what was sent: the call's key is cut out, and no long word, another key or an image perhaps, is
// kept whole.
std::string fit_for_log(std::string said, std::string_view key) {
  constexpr std::size_t kTextMax = 200, kWordMax = 20, kKept = 4;
  constexpr std::string_view kCut = "[key]";
  for (std::size_t at = 0; !key.empty() && (at = said.find(key, at)) != said.npos; at += kCut.size())
    said.replace(at, key.size(), kCut);
  std::string_view text = said;
  std::string out;
  while (!text.empty() && out.size() < kTextMax) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!out.empty()) out += ' ';
    out += word.size() > kWordMax ? fmt::format("{}...", utf8_prefix(word, kKept)) : std::string(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// OpenAI draws elsewhere than it talks.
bool images_apart(const AiTarget& target, Answer wants) { return wants == Answer::image && target.name == "openai"; }

ai::Answered read_documents(const AiTarget& target, HttpReply& reply, Answer wants) {
  if (!reply.unread.empty() && reply.status < 400)  // it is paid for, and another would most likely be as this one
    return std::unexpected(ai::fault(fmt::format("the AI provider's answer {}", reply.unread), false));
  const std::vector<JsonView> documents = read_json_documents(reply.body);
  for (const JsonView& document : documents) {
    auto error = ai::read_error(document, reply);
    if (error) return std::unexpected(std::move(*error));
  }
  if (reply.status != 200) return std::unexpected(ai::status_fault(reply.status, reply));
  if (documents.empty()) return std::unexpected(ai::fault("the AI provider's answer is not JSON", false));
  if (target.protocol == Protocol::gemini) return ai::read_gemini(documents, wants);
  return images_apart(target, wants) ? ai::read_images(documents) : ai::read_chat(documents, wants);
}

}  // namespace

ProviderCall make_call(const AiTarget& target, const Prompt& prompt, const Trace& trace) {
  ProviderCall call;
  call.request.reply_max = prompt.reply_max;
  call.request.headers = {"Content-Type: application/json"};
  if (!trace.id.empty()) call.request.headers.push_back("x-trace-id: " + trace.id);
  if (!trace.parent.empty()) call.request.headers.push_back("traceparent: " + trace.parent);
  const std::string& model = prompt.wants == Answer::image ? target.image_model : target.model;
  ai::BodyText text;
  if (target.protocol == Protocol::gemini) {
    call.request.url = fmt::format("{}/models/{}:generateContent", target.base_url, model);
    call.request.headers.push_back("x-goog-api-key: " + target.api_key);
    text = ai::gemini_body(prompt);
  } else {
    const bool apart = images_apart(target, prompt.wants);
    call.request.url = target.base_url + (apart ? "/images/generations" : "/chat/completions");
    call.request.headers.push_back("Authorization: Bearer " + target.api_key);
    text = apart ? ai::images_body(model, prompt) : ai::chat_body(model, prompt);
  }
  call.owned.push_back(std::move(text.head));
  call.owned.push_back(std::move(text.tail));
  call.request.body.push_back(call.owned.front());
  if (!call.owned.back().empty()) {
    call.request.body.push_back(prompt.image->base64);
    call.request.body.push_back(call.owned.back());
  }
  return call;
}

std::expected<Completion, ProviderFault> read_reply(const AiTarget& target, HttpReply reply, Answer wants) {
  ai::Answered answer = read_documents(target, reply, wants);
  if (!answer) answer.error().said = fit_for_log(std::move(answer.error().said), target.api_key);
  return answer;
}

}  // namespace plugfleet
