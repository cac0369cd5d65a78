#include "marketplace/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "marketplace/tags.h"

namespace marketplace {

namespace {

constexpr std::size_t kWordsMost = 8, kQueryMost = 80;
constexpr std::int64_t kVersionsShown = 100;
constexpr std::string_view kSorts[] = {"popular", "new", "name"};

struct Plugin {
  std::string slug, name, summary, category, latest_version, updated_at;
  std::optional<std::string> icon_url, publisher;  // the publisher's team: none once that is deleted
  std::int64_t installs = 0;
  void fields(auto& f) {
    f("slug", slug);
    f("name", name);
    f("summary", summary);
    f("category", category);
    f("iconUrl", icon_url);
    f("latestVersion", latest_version);
    f("publisher", publisher);
    f("installs", installs, range(0, kAnyNumber));
    f("updatedAt", updated_at, time_text());
  }
};

struct Plugins {
  std::vector<Plugin> plugins;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("plugins", plugins);
    f("nextCursor", next_cursor);
  }
};

struct Facet {
  std::string category;
  std::int64_t plugins = 0;
  void fields(auto& f) {
    f("category", category);
    f("plugins", plugins, range(1, kAnyNumber));
  }
};

struct Market : Plugins {
  std::vector<Facet> facets;  // of all that the search finds, whatever category was asked for
  void fields(auto& f) {
    Plugins::fields(f);
    f("facets", facets);
  }
};

struct MarketQuery : PageQuery {
  std::optional<std::string> category, q, sort;
  void fields(auto& f) {
    f("category", category, length(1, 30));
    f("q", q, length(0, kQueryMost));
    f("sort", sort, one_of(kSorts));
    PageQuery::fields(f);
  }
};

// ---- Lists -----------------------------------------------------------------------------------------------------------
// From the primary: what is made here is kept for minutes, and a replica may lack what a tag was just invalidated for.

constexpr std::string_view kShown = R"sql(
  from plugin_packages p join plugin_deployments d on d.id = p.latest_deployment join plugin_versions v on v.id = d.version_id
  left join teams t on t.id = p.team_id
 where p.latest_deployment is not null and p.blocked_at is null)sql";

constexpr std::string_view kColumns = R"sql(
select p.slug, p.name, p.summary, p.category, v.version as latest_version, t.name as publisher, p.installs,
       rfc3339(p.updated_at) as updated_at,
       '/plugins/' || p.slug || '/' || v.version || '/' || p.icon_path as icon_url)sql";

// An order, and the key by which a page goes on behind its last row.
struct Sort {
  std::string_view name, key, after, order;
  bool number = true;  // the key
};
constexpr Sort kOrders[] = {
    {.name = "popular",
     .key = "p.installs",
     .after = "p.installs < $3 or (p.installs = $3 and p.slug > $4)",
     .order = "p.installs desc, p.slug"},
    {.name = "new",
     .key = "(extract(epoch from p.published_at) * 1000000)::bigint",
     .after = "p.published_at < 'epoch'::timestamptz + $3 * interval '1 microsecond'"
              " or (p.published_at = 'epoch'::timestamptz + $3 * interval '1 microsecond' and p.slug > $4)",
     .order = "p.published_at desc, p.slug"},
    {.name = "name",
     .key = "lower(p.name)",
     .after = "(lower(p.name), p.slug) > ($3, $4)",
     .order = "lower(p.name), p.slug",
     .number = false},
};

// Each word of `q` as a pattern of LIKE.
std::vector<std::string> patterns_of(std::string_view q) {
  std::vector<std::string> patterns;
  for (const auto part : std::views::split(q, ' ')) {
    if (part.empty() || patterns.size() == kWordsMost) continue;
    std::string pattern = "%";
    for (const char c : part) {
      if (c == '%' || c == '_' || c == '\\') pattern += '\\';
      pattern += c;
    }
    patterns.push_back(pattern + '%');
  }
  return patterns;
}

struct FoundPlugin : Plugin {
  std::string key;
  void fields(auto& f) {
    Plugin::fields(f);
    f("key", key);
  }
};

constexpr std::string_view kSearched = "(p.name || ' ' || p.summary || ' ' || p.slug) ilike all ($1::text[])";

Async<Plugins> find(Sql& sql, MarketQuery wanted, Sort sort) {
  const PageKey<3> after(wanted.cursor);
  if (after[0].value_or(std::string(sort.name)) != sort.name)
    throw_wrong_query({{"cursor", fmt::format("is of a list that is sorted by {}", *after[0])}});
  if (sort.number) after.number(1);
  const std::string statement = fmt::format(
      "{}, ({})::text as key {} and {} and ($2::text is null or p.category = $2)"
      " and ($3::{} is null or {}) order by {} limit $5",
      kColumns, sort.key, kShown, kSearched, sort.number ? "bigint" : "text", sort.after, sort.order);
  auto found = co_await sql.all<FoundPlugin>(statement, patterns_of(wanted.q.value_or("")), wanted.category, after[1],
                                             after[2], wanted.rows());
  Plugins page;
  page.next_cursor = wanted.next(
      found, [&](const FoundPlugin& last) { return page_cursor({std::string(sort.name), last.key, last.slug}); });
  std::ranges::move(found, std::back_inserter(page.plugins));
  co_return page;
}

Async<Reply> list(Call& call) {
  MarketQuery wanted{call.query<PageQuery>(), {}, {}, {}};
  const Plugins page = co_await find(call.services.database, std::move(wanted), kOrders[2]);
  co_return json(200, page);
}

Async<Reply> search(Call& call) {
  const auto wanted = call.query<MarketQuery>();
  const Sort sort = *std::ranges::find(kOrders, wanted.sort.value_or("popular"), &Sort::name);
  Market market{co_await find(call.services.database, wanted, sort), {}};
  const std::string statement =
      fmt::format("select p.category, count(*) as plugins {} and {} group by p.category order by 2 desc, 1 limit 50",
                  kShown, kSearched);
  market.facets = co_await call.services.database.all<Facet>(statement, patterns_of(wanted.q.value_or("")));
  co_return json(200, market);
}

// ---- One -------------------------------------------------------------------------------------------------------------

struct Version {
  std::string version, digest, published_at;
  std::vector<std::string> permissions;
  std::optional<std::string> min_shell;
  std::int64_t packed_bytes = 0, unpacked_bytes = 0, files = 0;
  bool yanked = false;
  void fields(auto& f) {
    f("version", version);
    f("digest", digest);
    f("permissions", permissions);
    f("minShell", min_shell);
    f("packedBytes", packed_bytes, range(0, kAnyNumber));
    f("unpackedBytes", unpacked_bytes, range(0, kAnyNumber));
    f("files", files, range(0, kAnyNumber));
    f("publishedAt", published_at, time_text());
    f("yanked", yanked);
  }
};

struct PluginPage : Plugin {
  std::optional<std::string> readme_html;
  std::string published_at;
  void fields(auto& f) {
    Plugin::fields(f);
    f("readmeHtml", readme_html);
    f("publishedAt", published_at, time_text());
  }
};

struct ShownPluginPage : PluginPage {
  std::vector<Version> versions;  // the newest first
  void fields(auto& f) {
    PluginPage::fields(f);
    f("versions", versions);
  }
};

constexpr const char* kVersions = R"sql(
select v.version, v.digest, to_jsonb(v.permissions) as permissions, v.min_shell, v.packed_bytes, v.unpacked_bytes, v.files,
       rfc3339(v.published_at) as published_at, v.yanked_at is not null as yanked
  from plugin_packages p join plugin_versions v on v.package_id = p.id join plugin_deployments d on d.version_id = v.id
 where p.slug = $1 and v.blocked_at is null
 order by v.major desc, v.minor desc, v.patch desc, v.prerelease_key desc limit $2)sql";

Async<Reply> show(Call& call, std::string slug) {
  const std::string statement =
      fmt::format("{}, p.readme_html, rfc3339(p.published_at) as published_at {} and p.slug = $1", kColumns, kShown);
  const auto page = co_await call.services.database.maybe<PluginPage>(statement, slug);
  if (!page) throw Failure(FailureKind::not_found, "there is no such plugin");
  ShownPluginPage shown{*page, {}};
  shown.versions = co_await call.services.database.all<Version>(kVersions, slug, kVersionsShown);
  co_return json(200, shown);
}

}  // namespace

std::vector<Route> catalog_routes() {
  const std::vector<std::string> tags{std::string(kPluginsTag), std::string(kInstallsTag)};
  return {{Method::GET,
           "/api/v1/plugins",
           list,
           {.summary = "The published plugins, by name",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Plugins>()}},
            .cache = CacheRule{.fresh = 300s, .tags = tags}}},
          {Method::GET,
           "/api/v1/marketplace",
           search,
           {.summary = "The published plugins that a search finds, and how many each category has of them",
            .query = type_of<MarketQuery>(),
            .answers = {{200, json_of<Market>()}},
            .cache = CacheRule{.fresh = 600s, .tags = tags}}},
          {Method::GET,
           "/api/v1/marketplace/{slug}",
           show,
           {.summary = "A plugin's page: what it is, and its versions, the newest first",
            .answers = {{200, json_of<ShownPluginPage>()}},
            .fails = {FailureKind::not_found},
            .cache = CacheRule{.fresh = 600s, .tags = tags}}}};
}

}  // namespace marketplace
