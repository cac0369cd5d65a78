// The protocols the fake provider speaks, second half: answers and errors.
//
// A structured request is taken for one of edits (modules/figma/edits/prompt.h): its text is the frame as JSON, and
// five variants that name its layers are the answer. An image is noise that depends on the prompt alone, so that a test can
// tell one from another and find its bytes wherever they may have gone. No I/O here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "../support/png.h"
#include "image_name.h"
#include "provider_protocol.h"

namespace plugfleet::test {

struct Used {
  json_int_t in = 0, out = 0;
  double cost = 0;  // told in chat completions only
  Used& operator+=(const Used& other) {
    in += other.in, out += other.out, cost += other.cost;
    return *this;
  }
};

struct Answer {
  std::optional<std::string> text;   // what is said
  std::optional<std::string> image;  // base64
  bool empty = false;                // neither: no choice, no candidate, no data
};

inline std::string base64_of(const Bytes& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) { return i + k < bytes.size() ? std::uint32_t{bytes[i + k]} : 0; };
    const std::uint32_t group = at(0) << 16 | at(1) << 8 | at(2);
    for (const int shift : {18, 12, 6, 0}) out += kDigits[group >> shift & 63];
  }
  const std::size_t padding = (3 - bytes.size() % 3) % 3;
  return out.replace(out.size() - padding, padding, padding, '=');
}

// A PNG of 16 x 16 pixels of noise, in base64.
inline std::string drawn(std::string_view prompt) {
  std::uint64_t state = 14695981039346656037ULL;  // FNV-1a, then xorshift
  for (const char c : prompt) state = (state ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  const auto random = [&state] {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<std::uint8_t>(state >> 32);
  };
  return base64_of(
      png_of({16, 16}, [&](std::uint32_t, std::uint32_t) { return Rgba{random(), random(), random(), 255}; }));
}

// Five variants of the frame in `data`: a fill for each layer, a size for each text, an image for the first other
// layer.
inline std::string sound_edits(std::string_view data) {
  constexpr std::array<const char*, 5> kThemes{"Warm", "Cool", "Contrast", "Dense", "Airy"};
  constexpr std::array<const char*, 5> kFills{"#C2410C", "#1D4ED8", "#111827", "#374151", "#F3F4F6"};
  const Json frame = parse_json(data);
  const json_t* layers = json_object_get(frame.get(), "layers");
  json_t* variants = json_array();
  for (std::size_t v = 0; v < kThemes.size(); ++v) {
    json_t* instructions = json_array();
    bool has_image = false;
    for (std::size_t i = 0; i < json_array_size(layers); ++i) {
      const json_t* layer = json_array_get(layers, i);
      const char* id = json_string_value(json_object_get(layer, "id"));
      const bool is_text = string_at(layer, "type") == "TEXT";
      json_array_append_new(instructions, json_pack("{ssssss}", "action", "setFill", "layerId", id, "fill", kFills[v]));
      if (is_text) {
        json_array_append_new(instructions, json_pack("{sssssi}", "action", "setFontSize", "layerId", id, "fontSize",
                                                      static_cast<int>(12 + v)));
      } else if (!has_image) {
        has_image = true;
        json_array_append_new(instructions, json_pack("{ssssss}", "action", "generateImage", "layerId", id,
                                                      "imagePrompt", fmt::format("a {} picture", kThemes[v]).c_str()));
      }
    }
    json_array_append_new(variants, json_pack("{ssssso}", "theme", kThemes[v], "description", "By the fake provider.",
                                              "instructions", instructions));
  }
  return dump_json(Json(json_pack("{so}", "variants", variants)));
}

// What a request is answered with where the script does not say otherwise.
inline Answer usual_answer(const Asked& asked) {
  if (asked.wants == Wants::image) return {.text = {}, .image = drawn(asked.prompt)};
  if (asked.wants == Wants::edits) return {.text = sound_edits(asked.prompt), .image = {}};
  return {.text = asked.image_names.empty() ? image_name(asked.prompt) : asked.image_names.front(), .image = {}};
}

inline Used used_for(Protocol protocol, const Asked& asked, const Answer& answer) {
  constexpr json_int_t kTokensOfImage = 258;
  const auto in = static_cast<json_int_t>((asked.instructions.size() + asked.prompt.size()) / 4) +
                  kTokensOfImage * static_cast<json_int_t>(asked.image_names.size());
  const auto out =
      static_cast<json_int_t>(answer.text.value_or("").size() / 4 + 1) + (answer.image ? kTokensOfImage : 0);
  return {in, out, protocol == Protocol::chat ? 1e-6 * static_cast<double>(in) : 0};
}

inline std::string chat_answer(const Asked& asked, const Answer& answer, const Used& used, long number) {
  json_t* choices = json_array();
  if (!answer.empty) {
    const std::string text = answer.text.value_or("");
    json_t* message = json_pack("{ssss%}", "role", "assistant", "content", text.data(), text.size());
    if (answer.image) {
      const std::string url = "data:image/png;base64," + *answer.image;
      json_object_set_new(message, "images",
                          json_pack("[{sss{ss}}]", "type", "image_url", "image_url", "url", url.c_str()));
    }
    json_array_append_new(choices, json_pack("{sissso}", "index", 0, "finish_reason", "stop", "message", message));
  }
  json_t* usage = json_pack("{sIsIsIsf}", "prompt_tokens", used.in, "completion_tokens", used.out, "total_tokens",
                            used.in + used.out, "cost", used.cost);
  return dump_json(
      Json(json_pack("{sssssssoso}", "id", fmt::format("gen-{}", number).c_str(), "object", "chat.completion", "model",
                     asked.model.c_str(), "choices", choices, "usage", usage)));
}

inline std::string images_answer(const Answer& answer, const Used& used) {
  json_t* data = json_array();
  if (!answer.empty) {
    json_t* made = answer.image ? json_pack("{ss}", "b64_json", answer.image->c_str()) : json_object();
    json_array_append_new(data, made);
  }
  return dump_json(
      Json(json_pack("{sos{sIsI}}", "data", data, "usage", "input_tokens", used.in, "output_tokens", used.out)));
}

inline std::string gemini_answer(const Asked& asked, const Answer& answer, const Used& used) {
  json_t* candidates = json_array();
  if (!answer.empty) {
    json_t* parts = json_array();
    if (answer.text) {
      json_array_append_new(parts, json_pack("{ss%}", "text", answer.text->data(), answer.text->size()));
    }
    if (answer.image) {
      json_array_append_new(
          parts, json_pack("{s{ssss}}", "inlineData", "mimeType", "image/png", "data", answer.image->c_str()));
    }
    json_array_append_new(candidates, json_pack("{s{ssso}sssi}", "content", "role", "model", "parts", parts,
                                                "finishReason", "STOP", "index", 0));
  }
  return dump_json(Json(json_pack("{sos{sIsIsI}ss}", "candidates", candidates, "usageMetadata", "promptTokenCount",
                                  used.in, "candidatesTokenCount", used.out, "totalTokenCount", used.in + used.out,
                                  "modelVersion", asked.model.c_str())));
}

inline std::string answer_text(Protocol protocol, const Asked& asked, const Answer& answer, const Used& used,
                               long number) {
  if (protocol == Protocol::gemini) return gemini_answer(asked, answer, used);
  if (protocol == Protocol::images) return images_answer(answer, used);
  return chat_answer(asked, answer, used, number);
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
