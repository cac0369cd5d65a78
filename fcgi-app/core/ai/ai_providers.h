// The AI providers that the settings name, in the order in which they are asked. No I/O.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/ai/ai_keys.h"
#include "core/ai/ai_protocol.h"

namespace plugfleet {

struct AiProviderSettings {
  AiTarget target;  // its api_key is each of `keys` in turn
  std::vector<AiKey> keys{};
};

struct AiOrder {
  std::vector<AiProviderSettings> providers;
  bool offline = true;  // the module's own answer, after all of them
};

// AI_PROVIDER's order, each with its own settings. `complain` gets a sentence for each thing that is wrong with them,
// which never shows a key.
AiOrder read_ai_order(const Settings& settings, const std::function<void(std::string)>& complain);

}  // namespace plugfleet
