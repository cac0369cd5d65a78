#include "host/nginx_routes.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

Async<Reply> plain(Call&) { co_return text(200, ""); }
Async<Reply> with_text(Call&, std::string) { co_return text(200, ""); }

}  // namespace

TEST(a_route_with_a_guard_has_a_zone_that_its_method_and_path_fill) {
  Router router;
  router.add("notes",
             {Method::POST, "/api/notes.v2/{id}", with_text, {.edge = EdgeLimit{.rate = "40r/m", .burst = 7}}});
  const NginxRoutes nginx = nginx_routes(router, {});
  const std::string zone = "edge_post__api_notes_v2_id";
  CHECK_CONTAINS(nginx.maps, "map $route $edge {\n  \"POST /api/notes.v2/{}\" " + zone + ";\n");
  CHECK_CONTAINS(nginx.maps, "limit_req_zone $" + zone + " zone=" + zone + ":10m rate=40r/m;");
  CHECK_CONTAINS(nginx.maps, zone + " 40;");
  CHECK_CONTAINS(nginx.maps, zone + " 2;");  // seconds until one may ask again
  CHECK_CONTAINS(nginx.locations, R"(location /api/notes.v2 {
  location ~ "^/api/notes\.v2/[^/]+/*$" {
    set $route "$request_method /api/notes.v2/{}";
    limit_req zone=)" + zone + R"( burst=7 nodelay;
    include @RUN@/conf/nginx/clients.conf;
  }
  include @RUN@/conf/nginx/clients.conf;
}
)");
}

TEST(nginxs_own_errors_have_the_codes_of_the_table) {
  const std::string maps = nginx_routes(Router(), {}).maps;
  CHECK_CONTAINS(maps, "map $status $error_code {\n  401 unauthorized;\n  403 forbidden;\n");
  CHECK_CONTAINS(maps, "  414 invalid_request;\n  415 unsupported_media_type;\n  429 rate_limited;\n");
  CHECK_CONTAINS(maps,
                 "  502 provider_error;\n  503 unavailable;\n  504 provider_timeout;\n  default invalid_request;\n}\n");
  CHECK_CONTAINS(maps, "  413 \"The body is over $body_bound.\";\n");
}

TEST(a_path_goes_to_the_pool_of_its_module) {
  Router router;
  router.add("notes", {Method::GET, "/notes/{id}", with_text});
  router.add("pdf", {Method::GET, "/pdf.v1", plain});
  const NginxRoutes nginx = nginx_routes(router, {}, {{"pdf", "pages"}});
  CHECK_CONTAINS(nginx.locations, "  location ~ \"^/pdf\\.v1/*$\" {\n    set $pool pool_pages;\n");
  CHECK(nginx.locations.find("/notes") == std::string::npos);  // the first pool's, and like all others
}

TEST(a_path_in_two_pools_is_refused) {
  Router router;
  router.add("notes", {Method::GET, "/both", plain});
  router.add("pdf", {Method::POST, "/both", plain});
  std::string refused;
  try {
    nginx_routes(router, {}, {{"pdf", "pages"}});
  } catch (const Failure& failure) {
    refused = failure.message();
  }
  CHECK_EQ(refused, "POST /both: the pool worker has another route of this path, and pages has this one");
}

TEST(two_guards_that_would_share_a_zone_are_refused) {
  Router router;
  router.add("a", {Method::GET, "/a-b", plain, {.edge = EdgeLimit{.rate = "1r/s", .burst = 1}}});
  router.add("a", {Method::GET, "/a_b", plain, {.edge = EdgeLimit{.rate = "1r/s", .burst = 1}}});
  std::string refused;
  try {
    nginx_routes(router, {});
  } catch (const Failure& failure) {
    refused = failure.message();
  }
  CHECK_EQ(refused, "GET /a_b: another route's nginx zone is called edge_get__a_b too");
}

TEST(a_body_that_is_taken_in_parts_goes_through_nginx_as_it_comes) {
  Router router;
  router.add("a", {Method::PUT, "/up", plain, {.body = bytes_of("application/zip"), .body_max = 32 << 20}});
  router.add("a", {Method::GET, "/up", plain});
  CHECK_CONTAINS(nginx_routes(router, {}).locations,
                 "  location ~ \"^/up/*$\" {\n    client_max_body_size 33554432;\n    fastcgi_request_buffering off;\n"
                 "    include @RUN@/conf/nginx/clients.conf;\n  }\n");
}

TEST(a_path_with_a_bound_of_its_own_has_a_location_and_the_words_of_a_413) {
  Router router;
  router.add("a", {Method::POST, "/up", plain, {.body_max = 32 << 20}});
  router.add("a", {Method::PUT, "/up", plain, {.body_max = 64 * 1024}});  // the larger one of a path counts
  router.add("a", {Method::POST, "/few", plain, {.body_max = 64 * 1024}});
  const NginxRoutes nginx = nginx_routes(router, {});
  CHECK_CONTAINS(nginx.locations,
                 "  location ~ \"^/up/*$\" {\n    client_max_body_size 33554432;\n"
                 "    include @RUN@/conf/nginx/clients.conf;\n  }\n");
  CHECK_CONTAINS(nginx.maps, R"("~^/up/*$" "32 MB";)");
  CHECK_CONTAINS(nginx.maps, R"("~^/few/*$" "64 KB";)");
  CHECK_CONTAINS(nginx.maps, R"("~^/up/*$" "POST, PUT, OPTIONS";)");
}

TEST(what_operators_ask_answers_their_addresses_alone) {
  Router router;
  router.add("a", {Method::GET, "/inside", plain, {.operators_only = true}});
  CHECK_CONTAINS(nginx_routes(router, {}).locations,
                 "  location ~ \"^/inside/*$\" {\n    include @RUN@/conf/nginx/operators.conf;\n  }\n");
}

TEST(a_stream_is_told_apart) {
  Router router;
  router.add("a", {Method::GET, "/events/{id}", with_text, {.streams = true}});
  CHECK_CONTAINS(nginx_routes(router, {}).maps, "map $route $stream {\n  \"GET /events/{}\" 1;\n");
  CHECK_CONTAINS(nginx_routes(router, {}).locations, "    set $route \"$request_method /events/{}\";\n");
}

TEST(a_path_is_tried_wherever_its_address_may_lead) {
  Router router;
  const RouteOptions bounded{.body_max = 1024};
  router.add("a", {Method::POST, "/teams/{id}/plugins", with_text, bounded});
  router.add("a", {Method::POST, "/teams/mine", plain, bounded});
  router.add("a", {Method::GET, "/teams/mine/all", plain, {}});
  const std::string locations = nginx_routes(router, {}).locations;
  const std::size_t mine = locations.find("location /teams/mine {");
  CHECK(mine != std::string::npos);  // nginx goes there for /teams/mine/plugins too
  CHECK_CONTAINS(locations.substr(mine), "  location ~ \"^/teams/[^/]+/plugins/*$\" {");
  CHECK_CONTAINS(locations.substr(mine), "  location ~ \"^/teams/mine/*$\" {");
  CHECK(locations.find("all") == std::string::npos);
}

TEST(a_page_answers_its_paths_under_its_policy) {
  const Router router;
  const NginxRoutes nginx =
      nginx_routes(router, {{"shop", {.index_at = {"/", "/market/{id}"}, .policy = "default-src 'self'"}}});
  CHECK_CONTAINS(nginx.locations,
                 "location / {\n  location ~ \"^/*$\" {\n    rewrite ^ /static/shop/index.html last;\n  }\n");
  CHECK_CONTAINS(nginx.locations, "location /market {\n  location ~ \"^/market/[^/]+/*$\" {\n");
  CHECK_CONTAINS(nginx.locations, "location /static/shop/ {\n  set $page shop;\n");
  CHECK_CONTAINS(nginx.maps, R"(map $page $page_policy {
  shop "default-src 'self'";)");
}

TEST(a_page_where_something_else_answers_and_a_policy_that_breaks_out_are_refused) {
  Router router;
  router.add("a", {Method::GET, "/market/{id}", with_text, {}});
  const auto refusal = [&](const std::map<std::string, Pages>& pages) {
    try {
      nginx_routes(router, pages);
    } catch (const Failure& failure) {
      return failure.message();
    }
    return std::string();
  };
  CHECK_CONTAINS(refusal({{"b", {.index_at = {"/market/{name}"}}}}), "its page at /market/{name} is a route");
  CHECK_CONTAINS(refusal({{"b", {.index_at = {"/"}}}, {"c", {.index_at = {"/"}}}}), "module c: its page at /");
  CHECK_CONTAINS(refusal({{"b", {.policy = "a\"; add_header X y; #"}}}), "the policy of its pages");
}

TEST(files_of_a_module_are_served_below_their_prefix) {
  const NginxRoutes nginx = nginx_routes(Router(), {{"shop", Pages{.files_at = "/bundles"}}});
  CHECK_CONTAINS(nginx.locations, "location /bundles/ {\n  alias @RUN@/files/shop/served/;\n");
}

TEST(files_that_would_hide_a_route_are_refused) {
  Router router;
  router.add("notes", {Method::GET, "/bundles/{id}", with_text});
  std::string refused;
  try {
    nginx_routes(router, {{"shop", Pages{.files_at = "/bundles"}}});
  } catch (const Failure& failure) {
    refused = failure.message();
  }
  CHECK_EQ(refused, "module shop: its files at /bundles/ would hide the path /bundles/{}");
}
