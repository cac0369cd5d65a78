#include "figma/rename/rename_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "figma/layer_image.h"
#include "figma/offline/namer.h"
#include "figma/rename/layer_name.h"
#include "figma/request_rules.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr const char* kKind = "rename-layers";  // the jobs' type
constexpr const char* kExample = R"({"userEmail": "ada@example.com", "layers": [
    {"id": "1:7", "currentName": "Rectangle 3", "type": "RECTANGLE", "imageBase64":
     "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}]})";
constexpr const char* kAnswerExample = R"({"jobId": "0f1c3a52-6b1e-4f0a-9a3e-1d2c3b4a5f60", "durationMs": 840,
    "layers": [{"id": "1:7", "newName": "Blue Pill Button"}], "renamed": 1, "kept": 0})";
constexpr auto kAnswerMargin = 3s;        // before the request's deadline: answer with what there is
constexpr milliseconds kAgainLeast = 1s;  // before what could not be asked is asked again

struct Layer {
  std::string id, current_name, type;
  LargeText image_base64;
  LayerImage image;
  void fields(auto& f) {
    f("id", id, length(1, 255));
    f("imageBase64", image_base64, Rule{.length_min = 1});
    f("currentName", current_name, words(0, 1000));
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
};

// The rules that no single field can say: ids are distinct, images are images.
std::vector<Detail> check_layers(std::vector<Layer>& layers) {
  std::vector<Detail> wrong = twins_among(layers);
  for (std::size_t i = 0; i < layers.size() && wrong.size() < kDetailsMax; ++i) {
    auto image = read_layer_image(layers[i].image_base64.text);
    if (image) {
      layers[i].image = *image;
    } else {
      wrong.push_back({field_path(field_path("layers", i), "imageBase64"), image.error()});
    }
  }
  return wrong;
}

// The same for a request and for its job later.
template <class Source>
Async<RenameRequest> read_request(Source& source) {
  RenameRequest request = co_await source.template json<RenameRequest>();
  std::size_t bytes = 0;
  for (const Layer& layer : request.layers) bytes += layer.image_base64.text.size();
  std::vector<Detail> wrong;
  if (bytes > kOffloadBytes) {
    std::function<std::vector<Detail>()> check = [&request] { return check_layers(request.layers); };
    wrong = co_await source.services.reactor.offload(std::move(check));
  } else {
    wrong = check_layers(request.layers);
  }
  if (!wrong.empty()) throw_unprocessable(std::move(wrong));
  co_return request;
}

struct Renamed {
  std::vector<std::optional<std::string>> names;  // empty: the layer keeps its own
  std::size_t asked = 0;                          // calls that have ended
  std::vector<std::size_t> unasked;               // the AI can't be asked for them for a while
  std::optional<Failure> hitch;                   // one of them failed, and another time it might not
  bool all_failed = true;                         // none was answered, each failed so
  std::string why;                                // the last one that failed did

  std::size_t renamed() const {
    return static_cast<std::size_t>(std::ranges::count_if(names, [](const auto& name) { return name.has_value(); }));
  }
  std::size_t kept() const { return names.size() - renamed(); }
};

Async<void> rename_one(Work& work, const RenameRequest& request, Renamed& renamed, std::size_t index) {
  const Layer& layer = request.layers[index];
  Prompt prompt{.text = naming_prompt(layer.type, layer.current_name),
                .image = PromptImage{layer.image.media_type, layer.image.base64},
                .offline = [&layer] { return offline_layer_name(layer.type, layer.current_name, layer.image.base64); }};
  try {
    const Completion completion = co_await work.complete(std::move(prompt));
    renamed.names[index] = name_from_answer(completion.text);
    renamed.all_failed = false;
  } catch (const Failure& failure) {
    renamed.why = failure.message();
    const Retry retry = info(failure.kind()).retry;
    if (retry == Retry::never) {
      renamed.all_failed = false;
    } else {
      renamed.hitch = failure;
    }
    if (retry == Retry::later) {
      renamed.unasked.push_back(index);
      co_return;
    }
    if (log_wants(Severity::info)) {
      log(Severity::info, "layer_kept", {{"trace", work.trace().id}, {"layer", index}, {"why", failure.message()}});
    }
  }
  const std::size_t count = request.layers.size();
  ++renamed.asked;
  work.progress(static_cast<int>(100 * renamed.asked / count), fmt::format("{} of {} layers", renamed.asked, count));
}

// ---- What is kept of it, and told ----

NewJob job_of(const RenameRequest& request) {
  Json layers = Json::array();
  for (const Layer& layer : request.layers) {
    layers.push(Json::object({{"id", layer.id}, {"currentName", layer.current_name}, {"type", layer.type}}));
  }
  return {.kind = kKind,
          .payload = Json::object({{"layers", layers}}).dump(),
          .user_email = request.user_email,
          .user_id = request.user_id,
          .facts = Json::object({{"layer_count", request.layers.size()}})};
}

struct NewName {
  std::string id, new_name;
  void fields(auto& f) {
    f("id", id);
    f("newName", new_name);
  }
};

struct RenameResult {
  std::vector<NewName> layers;  // as they were sent
  std::int64_t renamed = 0, kept = 0;
  void fields(auto& f) {
    f("layers", layers);
    f("renamed", renamed);
    f("kept", kept);
  }
};

RenameResult result_of(const RenameRequest& request, const Renamed& renamed) {
  RenameResult result;
  result.layers.reserve(request.layers.size());
  for (std::size_t i = 0; i < request.layers.size(); ++i) {
    const Layer& layer = request.layers[i];
    result.layers.push_back({layer.id, renamed.names[i].value_or(layer.current_name)});
  }
  result.renamed = static_cast<std::int64_t>(renamed.renamed());
  result.kept = static_cast<std::int64_t>(renamed.kept());
  return result;
}

// ---- The work ----

std::int64_t in_flight_per_request = 10;  // set once, at start

enum class Attempt { a_requests, one_of_several, last };

// Where not one call could be answered it fails, unless this is the last attempt or a request's.
Async<Outcome> rename(Work& work, const RenameRequest& request, Attempt attempt) {
  Renamed renamed;
  renamed.names.resize(request.layers.size());
  std::vector<std::size_t> left(request.layers.size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  const auto until = work.deadline() - kAnswerMargin;
  for (;;) {
    std::function<Async<void>(std::size_t)> each = [&](std::size_t place) {
      return rename_one(work, request, renamed, left[place]);
    };
    co_await for_each_parallel(work.services.reactor, left.size(),
                               {.width = static_cast<std::size_t>(in_flight_per_request), .deadline = until},
                               std::move(each));
    if (renamed.unasked.empty() || renamed.all_failed || attempt == Attempt::a_requests) break;
    const auto wait = std::max(renamed.hitch->retry_after().value_or(kAgainLeast), kAgainLeast);
    if (Clock::now() + wait >= until) break;
    left = std::exchange(renamed.unasked, {});
    co_await sleep_for(wait);
  }
  if (!renamed.unasked.empty())
    log(Severity::info, "layers_not_asked",
        {{"trace", work.trace().id}, {"layers", renamed.unasked.size()}, {"why", renamed.hitch->message()}});
  const bool again = attempt == Attempt::one_of_several || (attempt == Attempt::last && !work.tried());
  if (renamed.hitch && renamed.all_failed && again) throw *renamed.hitch;
  Outcome outcome = done(write_fields(result_of(request, renamed)));
  if (renamed.kept() > 0) outcome.message = fmt::format("{} layers kept their names", renamed.kept());
  if (renamed.kept() > 0 && !renamed.why.empty()) outcome.message += fmt::format(" ({})", renamed.why);
  co_return outcome;
}

Async<Reply> rename_layers(Call& call) {
  const RenameRequest request = co_await read_request(call);
  std::function<Async<Outcome>(Work&)> now = [&request](Work& work) {
    return rename(work, request, Attempt::a_requests);
  };
  Reply reply = co_await call.answer(job_of(request), std::move(now));
  co_return reply;
}

Async<Outcome> run_rename_layers(Job& job) {
  const RenameRequest request = co_await read_request(job);
  const Attempt attempt = job.attempt() < job.max_attempts() ? Attempt::one_of_several : Attempt::last;
  Outcome outcome = co_await rename(job, request, attempt);
  co_return outcome;
}

}  // namespace

void RenameSettings::rows(SettingReader& settings) {
  settings.integer("RENAME_LIMIT_PER_MINUTE", limit_per_minute, 10, 1, 1'000'000);
  settings.integer("RENAME_IN_FLIGHT", in_flight, 10, 1, 100);
  edge = EdgeLimit::of(settings, "RENAME_EDGE", "20r/s", 200);
}

Route rename_layers_route(const RenameSettings& settings) {
  in_flight_per_request = settings.in_flight;
  return {Method::POST,
          "/api/rename-layers",
          rename_layers,
          {.summary = "Renames the layers of a frame",
           .body = json_of<RenameRequest>(kExample),
           .answers = answers_of_work<RenameResult>(kAnswerExample),
           .fails = {FailureKind::conflict},
           .auth = Auth::optional,
           .permission = "rename",
           .limit = per_client(settings.limit_per_minute, 1min),
           .edge = settings.edge}};
}

JobHandler rename_layers_job() { return {.kind = kKind, .run = run_rename_layers, .columns = {"layer_count"}}; }

}  // namespace figma
