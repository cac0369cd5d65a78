#include "figma/rename_layers.h"

#include <fmt/format.h>

#include <unordered_map>

#include "figma/layer_image.h"
#include "figma/layer_name.h"
#include "figma/offline_namer.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr std::size_t kLayersMax = 500;
constexpr auto kAnswerMargin = 3s;                 // before the request's deadline: answer with what there is
constexpr std::size_t kOffloadBytes = 256 * 1024;  // checking more than this would hold the reactor up

struct Layer {
  std::string id, current_name, type;
  RawText image_base64;
  LayerImage image;
  void fields(auto& f) {
    f("id", id, length(1, 255));
    f("imageBase64", image_base64, Rule{.length_min = 1});
    f("currentName", current_name, length(0, 1000));
    f("type", type, length(1, 64));
    f.ignore_others();
  }
};

struct RenameRequest {
  std::string user_email;
  std::optional<std::string> user_id;
  std::vector<Layer> layers;
  void fields(auto& f) {
    f("userEmail", user_email, email());
    f("userId", user_id, length(1, 255));
    f("layers", layers, items(1, kLayersMax));
    f.ignore_others();
  }
  static Rule email() {
    Rule rule = length(1, 255);
    rule.accepts = [](std::string_view text) { return text.find('@') != text.npos; };
    rule.complaint = "must be an e-mail address";
    return rule;
  }
};

// The rules that no single field can say: ids are distinct, images are images.
std::vector<Detail> check_layers(std::vector<Layer>& layers) {
  std::vector<Detail> wrong;
  std::unordered_map<std::string_view, std::size_t> first;
  for (std::size_t i = 0; i < layers.size() && wrong.size() < kDetailsMax; ++i) {
    const std::string path = field_path("layers", i);
    const auto [twin, fresh] = first.emplace(layers[i].id, i);
    if (!fresh) wrong.push_back({path + ".id", fmt::format("is the same as layers[{}].id", twin->second)});
    auto image = read_layer_image(layers[i].image_base64.raw);
    if (image) {
      layers[i].image = std::move(*image);
    } else {
      wrong.push_back({path + ".imageBase64", image.error()});
    }
  }
  return wrong;
}

struct Renaming {
  RenameRequest request;
  std::vector<std::optional<std::string>> names;  // empty: the layer keeps its own
  std::string job_id = uuid_v4();
  WallClock::time_point started = WallClock::now();

  std::size_t renamed() const {
    std::size_t count = 0;
    for (const auto& name : names) count += name.has_value();
    return count;
  }
};

Async<void> rename_one(Call& call, Renaming& renaming, std::size_t index) {
  const Layer& layer = renaming.request.layers[index];
  Prompt prompt{
      .text = naming_prompt(layer.type, layer.current_name),
      .image = PromptImage{layer.image.media_type, layer.image.base64()},
      .offline = [&layer] { return offline_layer_name(layer.type, layer.current_name, layer.image.base64()); }};
  try {
    const Completion completion = co_await call.complete(std::move(prompt));
    renaming.names[index] = name_from_answer(completion.text);
  } catch (const Failure& failure) {
    if (failure.kind() == Kind::cancelled) throw;
    if (log_wants(Severity::info)) {
      log(Severity::info, "layer_kept", {{"trace", call.trace().id}, {"layer", index}, {"why", failure.message()}});
    }
  }
}

void record(Call& call, const Renaming& renaming, const std::string& status, const Json& result) {
  Json layers = Json::array();
  for (const Layer& layer : renaming.request.layers) {
    layers.push(Json::object({{"id", layer.id}, {"currentName", layer.current_name}, {"type", layer.type}}));
  }
  const std::size_t kept = renaming.names.size() - renaming.renamed();
  call.services.recorder.record(DoneJobRow{
      .id = renaming.job_id,
      .type = "rename-layers",
      .status = status,
      .layer_count = static_cast<std::int64_t>(renaming.names.size()),
      .payload = Json::object({{"layers", layers}}).dump(),
      .result = result.dump(),
      .error_message = kept == 0 ? std::nullopt : std::optional(fmt::format("{} layers kept their names", kept)),
      .user_email = renaming.request.user_email,
      .user_id = call.user() ? std::optional(call.user()->id) : renaming.request.user_id,
      .ip_address = std::string(call.client_address()),
      .started_at = renaming.started,
      .completed_at = WallClock::now()});
}

std::int64_t in_flight_per_request = 10;  // set once, at start

Async<Reply> rename_layers(Call& call) {
  Renaming renaming;
  renaming.request = co_await call.json<RenameRequest>();
  std::size_t bytes = 0;
  for (const Layer& layer : renaming.request.layers) bytes += layer.image_base64.raw.size();
  std::vector<Detail> wrong;
  if (bytes > kOffloadBytes) {
    std::function<std::vector<Detail>()> check = [&renaming] { return check_layers(renaming.request.layers); };
    wrong = co_await call.services.reactor.offload(std::move(check));
  } else {
    wrong = check_layers(renaming.request.layers);
  }
  if (!wrong.empty()) throw_unprocessable(std::move(wrong));

  const std::size_t count = renaming.request.layers.size();
  renaming.names.resize(count);
  std::function<Async<void>(std::size_t)> each = [&call, &renaming](std::size_t index) {
    return rename_one(call, renaming, index);
  };
  try {
    co_await for_each_parallel(
        call.services.reactor, count,
        {.width = static_cast<std::size_t>(in_flight_per_request), .deadline = call.deadline() - kAnswerMargin},
        std::move(each));
  } catch (...) {
    record(call, renaming, "cancelled", Json());
    throw;
  }

  Json layers = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    const Layer& layer = renaming.request.layers[i];
    layers.push(Json::object({{"id", layer.id}, {"newName", renaming.names[i].value_or(layer.current_name)}}));
  }
  const std::size_t renamed = renaming.renamed();
  Json result = Json::object({{"layers", layers}});
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - call.started()).count();
  const Json reply = Json::object({{"layers", layers},
                                   {"jobId", renaming.job_id},
                                   {"durationMs", took},
                                   {"renamed", renamed},
                                   {"kept", count - renamed}});
  record(call, renaming, "completed", result);
  co_return json(200, reply);
}

}  // namespace

void RenameSettings::rows(SettingReader& settings) {
  settings.integer("RENAME_LIMIT_PER_MINUTE", limit_per_minute, 10, 1, 1'000'000);
  settings.integer("RENAME_IN_FLIGHT", in_flight, 10, 1, 100);
}

Route rename_layers_route(const RenameSettings& settings) {
  in_flight_per_request = settings.in_flight;
  return {Method::POST,
          "/api/rename-layers",
          rename_layers,
          {.auth = Auth::optional, .limit = per_client(settings.limit_per_minute, 1min)}};
}

}  // namespace figma
