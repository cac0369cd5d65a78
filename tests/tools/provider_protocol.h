// The protocols the fake provider speaks, first half: reading a request out of its skeleton (provider_answers.h writes
// the answers).
//
// Shapes are OpenRouter's chat completions (OpenAI's without the extras), OpenAI's images/generations and Gemini's
// generateContent. A request that is not in its shape is refused with what is wrong with it. No I/O here.
#pragma once

#include <fmt/format.h>
#include <jansson.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "body_scan.h"

namespace plugfleet::test {

enum class Protocol { chat, images, gemini };
enum class Wants { text, edits, image };  // edits: something in a schema

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

inline bool lists(const json_t* array, std::string_view wanted) {
  for (std::size_t i = 0; i < json_array_size(array); ++i) {
    const char* text = json_string_value(json_array_get(array, i));
    if (text && text == wanted) return true;
  }
  return false;
}

struct Asked {
  std::string model;
  Wants wants = Wants::text;
  std::string instructions;              // the system's part
  std::string prompt;                    // every other text part, one after another
  std::vector<std::string> image_names;  // in the order of the images
  std::string error;                     // what is wrong with the request, else empty
};

// "image/png;base64,<text>" -> the text; nothing when it is not an image this provider takes.
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

// What OpenAI's strict mode refuses of a schema: an object that leaves a member optional, or allows others.
inline bool is_strict(const json_t* schema) {
  if (json_is_array(schema)) {
    for (std::size_t i = 0; i < json_array_size(schema); ++i) {
      if (!is_strict(json_array_get(schema, i))) return false;
    }
    return true;
  }
  const json_t* properties = json_object_get(schema, "properties");
  if (properties && !json_is_false(json_object_get(schema, "additionalProperties"))) return false;
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(const_cast<json_t*>(properties), key, value) {
    if (!lists(json_object_get(schema, "required"), key)) return false;
  }
  json_object_foreach(const_cast<json_t*>(schema), key, value) {
    if (std::string_view(key) == "properties") {
      const char* name = nullptr;
      json_t* property = nullptr;
      json_object_foreach(value, name, property) {
        if (!is_strict(property)) return false;
      }
    } else if (!is_strict(value)) {
      return false;
    }
  }
  return true;
}

inline void read_chat_part(const json_t* part, std::string& text, Asked& asked) {
  const auto type = string_at(part, "type");
  if (type == "text" && json_is_string(json_object_get(part, "text"))) {
    text += string_at(part, "text");
  } else if (type == "image_url") {
    const auto base64 = image_in_data_url(string_at(json_object_get(part, "image_url"), "url"));
    if (!is_base64(base64)) asked.error = "image_url.url is not a data URL of a PNG, JPEG or WebP image";
    asked.image_names.push_back(skeleton_image_name(base64));
  } else {
    asked.error = "a content part is neither text nor image_url";
  }
}

inline void read_response_format(const json_t* format, Asked& asked) {
  const json_t* named = json_object_get(format, "json_schema");
  const auto name = string_at(named, "name");
  if (string_at(format, "type") != "json_schema" || name.empty() || name.size() > 64) {
    asked.error = "response_format is not a json_schema with a name";
  } else if (!json_is_object(json_object_get(named, "schema"))) {
    asked.error = "response_format.json_schema.schema is not an object";
  } else if (json_is_true(json_object_get(named, "strict")) && !is_strict(json_object_get(named, "schema"))) {
    asked.error = "response_format.json_schema.schema is not strict";
  }
  asked.wants = Wants::edits;
}

inline void read_chat(const json_t* body, Asked& asked) {
  asked.model = string_at(body, "model");
  if (asked.model.empty()) asked.error = "model is missing";
  const json_t* messages = json_object_get(body, "messages");
  if (json_array_size(messages) == 0) asked.error = "messages is missing or empty";
  for (std::size_t i = 0; i < json_array_size(messages); ++i) {
    const json_t* message = json_array_get(messages, i);
    const json_t* content = json_object_get(message, "content");
    const auto role = string_at(message, "role");
    std::string& text = role == "system" ? asked.instructions : asked.prompt;
    if (role.empty()) asked.error = fmt::format("messages[{}].role is missing", i);
    if (json_is_string(content)) {
      text += json_string_value(content);
    } else if (json_array_size(content) == 0) {
      asked.error = fmt::format("messages[{}].content is missing or empty", i);
    }
    for (std::size_t p = 0; p < json_array_size(content); ++p) read_chat_part(json_array_get(content, p), text, asked);
  }
  if (const json_t* format = json_object_get(body, "response_format")) read_response_format(format, asked);
  if (lists(json_object_get(body, "modalities"), "image")) asked.wants = Wants::image;
}

inline void read_images(const json_t* body, Asked& asked) {
  asked.wants = Wants::image;
  asked.model = string_at(body, "model");
  asked.prompt = string_at(body, "prompt");
  if (asked.model.empty()) asked.error = "model is missing";
  if (asked.prompt.empty()) asked.error = "prompt is missing";
}

inline void read_gemini_parts(const json_t* parts, std::string_view where, std::string& text, Asked& asked) {
  if (json_array_size(parts) == 0) asked.error = fmt::format("{}.parts is missing or empty", where);
  for (std::size_t p = 0; p < json_array_size(parts); ++p) {
    const json_t* part = json_array_get(parts, p);
    if (json_is_string(json_object_get(part, "text"))) {
      text += string_at(part, "text");
      continue;
    }
    const json_t* image = json_object_get(part, "inlineData");
    const auto base64 = string_at(image, "data");
    if (!string_at(image, "mimeType").starts_with("image/") || !is_base64(base64)) {
      asked.error = fmt::format("{}.parts[{}] is neither text nor inlineData in plain base64", where, p);
    }
    asked.image_names.push_back(skeleton_image_name(base64));
  }
}

inline void read_gemini(const json_t* body, std::string_view path, Asked& asked) {
  const auto model = path.substr(path.find("/models/") + 8);
  asked.model = model.substr(0, model.rfind(':'));
  const json_t* contents = json_object_get(body, "contents");
  if (json_array_size(contents) == 0) asked.error = "contents is missing or empty";
  for (std::size_t i = 0; i < json_array_size(contents); ++i) {
    read_gemini_parts(json_object_get(json_array_get(contents, i), "parts"), fmt::format("contents[{}]", i),
                      asked.prompt, asked);
  }
  if (const json_t* system = json_object_get(body, "systemInstruction")) {
    read_gemini_parts(json_object_get(system, "parts"), "systemInstruction", asked.instructions, asked);
  }
  const json_t* generation = json_object_get(body, "generationConfig");
  if (const json_t* schema = json_object_get(generation, "responseJsonSchema")) {
    asked.wants = Wants::edits;
    if (!json_is_object(schema)) asked.error = "generationConfig.responseJsonSchema is not an object";
    if (string_at(generation, "responseMimeType") != "application/json") {
      asked.error = "a response schema needs generationConfig.responseMimeType application/json";
    }
  }
  if (lists(json_object_get(generation, "responseModalities"), "IMAGE")) asked.wants = Wants::image;
}

inline Asked read_request(Protocol protocol, std::string_view path, std::string_view skeleton) {
  Asked asked;
  const Json body = parse_json(skeleton);
  if (!json_is_object(body.get())) {
    asked.error = "the body is not a JSON object";
  } else if (protocol == Protocol::gemini) {
    read_gemini(body.get(), path, asked);
  } else if (protocol == Protocol::images) {
    read_images(body.get(), asked);
  } else {
    read_chat(body.get(), asked);
  }
  return asked;
}

}  // namespace plugfleet::test
