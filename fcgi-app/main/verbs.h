// What operators' programs (plugfleet-jobs, plugfleet-token) have in common: a verb with its words and options, one
// database, and how it is told what went wrong.
//
// Exit status: 0; 1 where something is refused, or the database does not answer; 2 for a wrong usage.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/settings.h"
#include "io/postgres.h"
#include "io/reactor.h"
#include "main/table.h"

namespace plugfleet {

struct UsageError : Failure {
  explicit UsageError(const std::string& what) : Failure(FailureKind::unprocessable, what) {}
};

// Said on stderr; exit status 1.
struct Refused : Failure {
  explicit Refused(const std::string& what) : Failure(FailureKind::internal, what) {}
};

// `Desk` is what a program's verbs work with.
template <class Desk>
struct Verb {
  std::string_view name, words, options, about;
  std::size_t least, most;  // words
  Async<void> (*run)(Desk&);

  std::string usage() const {
    std::string text(name);
    for (const std::string_view part : {words, options}) {
      if (!part.empty()) text += fmt::format(" {}", part);
    }
    return text;
  }
};

template <class Desk>
using Verbs = std::span<const Verb<Desk>>;

template <class Desk>
struct Asked {
  const Verb<Desk>* verb;
  std::vector<std::string> words;
  std::map<std::string, std::string> options;  // a flag's value is "yes"
  std::string settings_file;
};

// The first verb stands where none is given. Options take a value, but for --json, --help and `flag`. `program` is what
// its script is called. Throws UsageError.
template <class Desk>
Asked<Desk> read_arguments(std::string_view program, Verbs<Desk> verbs, std::string_view flag,
                           std::span<char*> arguments) {
  Asked<Desk> asked{.verb = verbs.data()};
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string word = arguments[i];
    if (!word.starts_with("--")) {
      words.push_back(word);
    } else if (word == "--json" || word == "--help" || word == flag) {
      asked.options[word] = "yes";
    } else if (i + 1 == arguments.size()) {
      throw UsageError(fmt::format("{} needs a value", printable(word, 60)));
    } else {
      (word == "--settings" ? asked.settings_file : asked.options[word]) = arguments[++i];
    }
  }
  if (!words.empty()) {
    const auto found = std::ranges::find(verbs, words[0], &Verb<Desk>::name);
    if (found == verbs.end()) throw UsageError(fmt::format("there is no verb {}", printable(words[0], 60)));
    asked.verb = &*found;
    asked.words.assign(words.begin() + 1, words.end());
  }
  const Verb<Desk>& verb = *asked.verb;
  const bool help = asked.options.contains("--help");
  if (!help && (asked.words.size() < verb.least || asked.words.size() > verb.most))
    throw UsageError(fmt::format("usage: {} {}", program, verb.usage()));
  for (const auto& [option, value] : asked.options) {
    const bool known = option == "--json" || option == "--help" || verb.options.find(option) != verb.options.npos;
    if (!known) throw UsageError(fmt::format("{} has no {}", verb.name, printable(option, 60)));
  }
  return asked;
}

template <class Desk>
int print_usage(std::string_view program, Verbs<Desk> verbs) {
  fmt::print("usage: {} [VERB] [--json]\n", program);
  for (const Verb<Desk>& verb : verbs) fmt::print("  {:42} {}\n", verb.usage(), verb.about);
  return 0;
}

// Runs it to its end. Throws what it throws; Refused, in PostgreSQL's words, where that is to blame.
inline void run_to_end(Reactor& reactor, const Database& database, Async<void> work) {
  std::exception_ptr failure;
  reactor.spawn(std::move(work), [&](std::exception_ptr ended) {
    failure = std::move(ended);
    reactor.stop();
  });
  reactor.run();
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const SqlError& error) {
    throw Refused(fmt::format("PostgreSQL refused: {} ({})", error.primary(), error.sqlstate()));
  } catch (const Failure& why) {
    if (why.kind() != FailureKind::unavailable) throw;
    const std::string trouble = database.trouble();
    throw Refused(fmt::format("PostgreSQL does not answer: {}", trouble.empty() ? why.what() : trouble));
  }
}

// The exit status of `run`, a function that gives one.
template <class F>
int run_told(const char* program, F run) {
  try {
    return run();
  } catch (const UsageError& wrong) {
    fmt::print(stderr, "{}: {} (--help tells more)\n", program, wrong.what());
    return 2;
  } catch (const Refused& refused) {
    fmt::print(stderr, "{}\n", refused.what());
    return 1;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}: {}\n", program, failure.what());
    return 1;
  }
}

}  // namespace plugfleet
