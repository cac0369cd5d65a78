// The two protocols the fake provider speaks: reading a request out of its skeleton, writing answers and errors.
//
// Shapes are OpenRouter's chat completions (OpenAI's without the extras) and Gemini's generateContent. A request that
// is not in its shape is refused with what is wrong with it. No I/O here.
#pragma once

#include <fmt/format.h>
#include <jansson.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "body_scan.h"

namespace plugfleet::test {

enum class Protocol { chat, gemini };

struct JsonRelease {
  void operator()(json_t* value) const { json_decref(value); }
};
using Json = std::unique_ptr<json_t, JsonRelease>;

inline Json parse_json(std::string_view text) { return Json(json_loadb(text.data(), text.size(), 0, nullptr)); }

inline std::string dump_json(const Json& value) {
  const std::unique_ptr<char, decltype(&free)> text(json_dumps(value.get(), JSON_COMPACT), &free);
  return text ? text.get() : "";
}

inline std::string_view string_at(const json_t* object, const char* key) {
  const char* text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

struct Asked {
  std::string model;
  std::string prompt;                    // every text part, one after another
  std::vector<std::string> image_names;  // in the order of the images
  std::string error;                     // what is wrong with the request, else empty
};

// "image/png;base64,<text>" -> the text; nothing when it is no image this provider takes.
inline std::string_view image_in_data_url(std::string_view url) {
  for (const std::string_view prefix :
       {"data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,"}) {
    if (url.starts_with(prefix)) return url.substr(prefix.size());
  }
  return {};
}

inline bool is_base64(std::string_view kept) {
  return !kept.empty() &&
         kept.substr(0, kept.find('#'))
                 .find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == kept.npos;
}

inline void read_chat_part(const json_t* part, Asked& asked) {
  const auto type = string_at(part, "type");
  if (type == "text" && json_is_string(json_object_get(part, "text"))) {
    asked.prompt += string_at(part, "text");
  } else if (type == "image_url") {
    const auto base64 = image_in_data_url(string_at(json_object_get(part, "image_url"), "url"));
    if (!is_base64(base64)) asked.error = "image_url.url is not a data URL of a PNG, JPEG or WebP image";
    asked.image_names.push_back(skeleton_image_name(base64));
  } else {
    asked.error = "a content part is neither text nor image_url";
  }
}

inline void read_chat(const json_t* body, Asked& asked) {
  asked.model = string_at(body, "model");
  if (asked.model.empty()) asked.error = "model is missing";
  const json_t* messages = json_object_get(body, "messages");
  if (json_array_size(messages) == 0) asked.error = "messages is missing or empty";
  for (std::size_t i = 0; i < json_array_size(messages); ++i) {
    const json_t* message = json_array_get(messages, i);
    const json_t* content = json_object_get(message, "content");
    if (string_at(message, "role").empty()) asked.error = fmt::format("messages[{}].role is missing", i);
    if (json_is_string(content)) {
      asked.prompt += json_string_value(content);
    } else if (json_array_size(content) == 0) {
      asked.error = fmt::format("messages[{}].content is missing or empty", i);
    }
    for (std::size_t p = 0; p < json_array_size(content); ++p) read_chat_part(json_array_get(content, p), asked);
  }
}

inline void read_gemini(const json_t* body, std::string_view path, Asked& asked) {
  const auto model = path.substr(path.find("/models/") + 8);
  asked.model = model.substr(0, model.rfind(':'));
  const json_t* contents = json_object_get(body, "contents");
  if (json_array_size(contents) == 0) asked.error = "contents is missing or empty";
  for (std::size_t i = 0; i < json_array_size(contents); ++i) {
    const json_t* parts = json_object_get(json_array_get(contents, i), "parts");
    if (json_array_size(parts) == 0) asked.error = fmt::format("contents[{}].parts is missing or empty", i);
    for (std::size_t p = 0; p < json_array_size(parts); ++p) {
      const json_t* part = json_array_get(parts, p);
      if (json_is_string(json_object_get(part, "text"))) {
        asked.prompt += string_at(part, "text");
        continue;
      }
      const json_t* image = json_object_get(part, "inlineData");
      const auto base64 = string_at(image, "data");
      if (!string_at(image, "mimeType").starts_with("image/") || !is_base64(base64)) {
        asked.error = fmt::format("contents[{}].parts[{}] is neither text nor inlineData in plain base64", i, p);
      }
      asked.image_names.push_back(skeleton_image_name(base64));
    }
  }
}

inline Asked read_request(Protocol protocol, std::string_view path, std::string_view skeleton) {
  Asked asked;
  const Json body = parse_json(skeleton);
  if (!json_is_object(body.get())) {
    asked.error = "the body is not a JSON object";
  } else if (protocol == Protocol::chat) {
    read_chat(body.get(), asked);
  } else {
    read_gemini(body.get(), path, asked);
  }
  return asked;
}

inline Json usage(Protocol protocol, const Asked& asked, std::string_view text) {
  const auto in = static_cast<json_int_t>(asked.prompt.size() / 4 + 258 * asked.image_names.size());
  const auto out = static_cast<json_int_t>(text.size() / 4 + 1);
  if (protocol == Protocol::gemini) {
    return Json(
        json_pack("{sIsIsI}", "promptTokenCount", in, "candidatesTokenCount", out, "totalTokenCount", in + out));
  }
  return Json(json_pack("{sIsIsIsf}", "prompt_tokens", in, "completion_tokens", out, "total_tokens", in + out, "cost",
                        1e-6 * static_cast<double>(in)));
}

enum class Choices { one, none };

// `text` as the protocol's answer; with Choices::none an answer that holds no candidate at all.
inline std::string answer(Protocol protocol, const Asked& asked, std::string_view text, Choices choices, long number) {
  const std::size_t size = text.size();
  json_t* list = json_array();
  if (choices == Choices::one) {
    json_array_append_new(list, protocol == Protocol::gemini
                                    ? json_pack("{s{sss[{ss%}]}sssi}", "content", "role", "model", "parts", "text",
                                                text.data(), size, "finishReason", "STOP", "index", 0)
                                    : json_pack("{siss s{ssss%}}", "index", 0, "finish_reason", "stop", "message",
                                                "role", "assistant", "content", text.data(), size));
  }
  json_t* counted = usage(protocol, asked, text).release();
  return dump_json(Json(
      protocol == Protocol::gemini
          ? json_pack("{sososs}", "candidates", list, "usageMetadata", counted, "modelVersion", asked.model.c_str())
          : json_pack("{ssssssso so}", "id", fmt::format("gen-{}", number).c_str(), "object", "chat.completion",
                      "model", asked.model.c_str(), "choices", list, "usage", counted)));
}

inline std::string error_answer(Protocol protocol, int status, std::string_view message) {
  const std::size_t size = message.size();
  return dump_json(
      Json(protocol == Protocol::gemini
               ? json_pack("{s{siss%ss}}", "error", "code", status, "message", message.data(), size, "status",
                           status == 429  ? "RESOURCE_EXHAUSTED"
                           : status < 500 ? "INVALID_ARGUMENT"
                                          : "UNAVAILABLE")
               : json_pack("{s{siss%}}", "error", "code", status, "message", message.data(), size)));
}

}  // namespace plugfleet::test
