// In which order modules are loaded, by the services that they offer and need; that a library which is none is refused is
// tests/live/settings_test.py's.
#include "host/module_loader.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

Module module_of(std::string name, std::vector<std::string> offers, std::vector<std::string> needs) {
  Module module{.name = std::move(name), .needs = std::move(needs)};
  for (std::string& service : offers) module.offers.push_back({.service = std::move(service), .make = {}});
  return module;
}

// The names in order, or why they are refused.
std::string order(std::vector<Module> modules) {
  std::string names;
  try {
    for (const Module& module : in_order(std::move(modules))) names += names.empty() ? module.name : " " + module.name;
  } catch (const Failure& failure) {
    return failure.message();
  }
  return names;
}

}  // namespace

TEST(who_offers_a_service_comes_before_who_needs_it) {
  CHECK_EQ(order({module_of("a", {}, {}), module_of("b", {}, {})}), "a b");
  CHECK_EQ(order({module_of("a", {"a.x/1"}, {"b.x/1"}), module_of("b", {"b.x/1"}, {"c.x/1"}),
                  module_of("c", {"c.x/1", "c.y/2"}, {})}),
           "c b a");
}

TEST(services_that_are_not_there_or_there_twice_are_refused) {
  CHECK_EQ(order({module_of("a", {}, {"b.x/2"}), module_of("b", {"b.x/1"}, {})}),
           "module a: no module here offers the service b.x/2 that it needs");
  CHECK_EQ(order({module_of("a", {"x/1"}, {}), module_of("b", {"x/1"}, {})}),
           "module b: the module a offers the service x/1 too");
  CHECK_EQ(order({module_of("a", {"a.x/1"}, {"b.x/1"}), module_of("b", {"b.x/1"}, {"a.x/1"})}),
           "module a: it needs a service of a module that needs one of its own");
}
