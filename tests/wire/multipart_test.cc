// Form data as clients write it, split everywhere, and as nobody should.
#include "wire/multipart.h"

#include <random>
#include <vector>

#include "support/check.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

constexpr std::size_t kPartsMax = 4;

struct Part {
  std::string name, data;
  bool is_file = false, ended = false;
  bool operator==(const Part&) const = default;
};

struct Read {
  std::vector<Part> parts;
  std::optional<Detail> fault;
};

// `bytes` in pieces of the sizes that `piece` says.
template <class Piece>
Read read(std::string_view bytes, Piece piece, std::string_view boundary = "B") {
  Read all;
  MultipartParser parser(boundary, kPartsMax,
                         {.begin = [&](PartHead head) { all.parts.push_back({head.name, "", head.is_file, false}); },
                          .data =
                              [&](std::string_view data) {
                                CHECK(!data.empty());
                                all.parts.back().data += data;
                              },
                          .end = [&] { all.parts.back().ended = true; }});
  bool good = true;
  while (good && !bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), static_cast<std::size_t>(piece()));
    good = parser.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  CHECK_EQ(good && parser.finish(), !parser.fault().has_value());
  if (parser.fault()) {  // it stays broken, and says nothing more
    const std::size_t parts = all.parts.size();
    CHECK(!parser.feed("\r\n--B\r\nContent-Disposition: form-data; name=late\r\n\r\nlate\r\n--B--"));
    CHECK_EQ(all.parts.size(), parts);
  }
  all.fault = parser.fault();
  return all;
}

Read read(std::string_view bytes) {
  return read(bytes, [&] { return bytes.size(); });
}

std::string part(std::string_view head, std::string_view data) {
  return fmt::format("--B\r\n{}\r\n\r\n{}\r\n", head, data);
}
std::string named(std::string_view name, std::string_view data) {
  return part(fmt::format("Content-Disposition: form-data; name=\"{}\"", name), data);
}

void check_fault(const std::string& body, std::string_view field, std::string_view message) {
  for (const std::size_t size : {body.size(), std::size_t{1}}) {
    const Read got = read(body, [&] { return size; });
    CHECK(got.fault.has_value());
    CHECK_EQ(got.fault->field, field);
    CHECK_CONTAINS(got.fault->message, message);
  }
}

const std::string kFrontal =
    part("content-disposition: form-data; name=\"frontal\"; filename=\"a;b\\\"c\\\\.jpg\"\r\nContent-Type: image/jpeg",
         std::string_view("\xFF\xD8\0\r\n--A\r\r\n--\r\n-B --B\n--B", 25));
const std::string kForm = kFrontal + named("note", "") + named("locale", "de") + "--B--\r\n";
const std::vector<Part> kParts = {{"frontal", std::string("\xFF\xD8\0\r\n--A\r\r\n--\r\n-B --B\n--B", 25), true, true},
                                  {"note", "", false, true},
                                  {"locale", "de", false, true}};

}  // namespace

TEST(a_form_is_read_however_it_is_split) {
  CHECK(read(kForm).parts == kParts);
  for (std::size_t at = 1; at < kForm.size(); ++at) {
    bool first = true;
    const Read got = read(kForm, [&] { return std::exchange(first, false) ? at : kForm.size(); });
    CHECK(!got.fault && got.parts == kParts);
  }
  CHECK(read(kForm, [] { return 1; }).parts == kParts);
}

TEST(what_clients_write_differently_is_taken) {
  CHECK(!read(named("a", "1") + "--B--").fault);
  CHECK(!read("--B \t\r\nContent-Disposition:form-data;name=a;\r\n\r\n1\r\n--B--").fault);
  CHECK(!read(part("Content-Transfer-Encoding: Binary\r\nX-Other: \r\nContent-Disposition: FORM-DATA ; NAME=a", "") +
              "--B--")
             .fault);
  CHECK(
      read(part("Content-Disposition: form-data; name=a; filename*=UTF-8''%2e%2e%2fx", "") + "--B--").parts[0].is_file);
  CHECK(!read(part("Content-Disposition: form-data; name=a; filename=\"" + std::string(300, 'x') + "\"", "") + "--B--")
             .fault);
}

TEST(a_boundary_is_of_70_characters_at_most) {
  const std::string longest(70, 'x');
  CHECK_EQ(*multipart_boundary("multipart/form-data; boundary=" + longest), longest);
  CHECK_EQ(*multipart_boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b'()+_,-./:=?\""), "a b'()+_,-./:=?");
  for (const std::string& wrong :
       {std::string(), std::string("multipart/form-data"), std::string("multipart/mixed; boundary=B"),
        std::string("multipart/form-data; boundary="), std::string("multipart/form-data; boundary=\"a "),
        std::string("multipart/form-data; boundary=\"a \""), std::string("multipart/form-data; boundary=\"a\r\nb\""),
        std::string("multipart/form-data; boundary=a; boundary=b"), std::string("multipart/form-data; boundary=a b"),
        "multipart/form-data; boundary=" + longest + "x", "multipart/form-data; boundary=" + std::string(5000, 'x')}) {
    const auto boundary = multipart_boundary(wrong);
    CHECK(!boundary.has_value());
    CHECK_EQ(boundary.error().field, "Content-Type");
  }
}

TEST(a_malformed_body_names_its_part) {
  const std::string good = named("frontal", "x");
  check_fault("", "body", "before the last boundary");
  check_fault("preamble\r\n" + good, "body", "must begin with the boundary");
  check_fault("--B--\r\n", "body", "no part");
  check_fault(good, "frontal", "before the last boundary");
  check_fault(good + "--B", "frontal", "before the last boundary");
  check_fault(good + "--B\r\n", "parts[1]", "before the last boundary");
}

TEST(a_part_without_a_name_is_refused) {
  const std::string good = named("frontal", "x");
  for (const std::string_view head :
       {"X-Other: 1", "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=", "Content-Disposition: form-data; name=\"\""})
    check_fault(good + part(head, "x"), "parts[1]", "no name");
  check_fault("--B\r\n\r\nx\r\n--B--", "parts[0]", "no name");
  for (const std::string_view head :
       {"Content-Disposition: attachment; name=a", "Content-Disposition: form-data; name=a; name=b",
        "Content-Disposition: form-data; name=\"a", "Content-Disposition: form-data name=a",
        "Content-Disposition: form-data; =a"})
    check_fault(good + part(head, "x"), "parts[1]", "not form-data");
  for (const std::string& name : {std::string(101, 'x'), std::string("\xFF"), std::string("a\xC0\x80")})
    check_fault(good + named(name, "x"), "parts[1]", "a name over 100 bytes, or one that is not text");
  check_fault(part("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b", ""), "a", "two");
}

TEST(a_head_is_of_whole_lines_and_small) {
  check_fault("--B\r\nContent-Disposition: form-data; name=a\n\nx\r\n--B--", "parts[0]", "CR LF");
  check_fault("--B\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--B--", "body", "goes on");
  check_fault("--B\r\nX: a\rb\r\n", "parts[0]", "CR LF");
  check_fault("--B\r\nX: a\r\n folded\r\n", "parts[0]", "without a name");
  check_fault("--B\r\nno colon\r\n", "parts[0]", "without a name");
  check_fault(std::string("--B\r\nX: a\0b\r\n", 13), "parts[0]", "control characters");
  check_fault("--B\r\nX: " + std::string(kMultipartHeadMax, 'x'), "parts[0]", "over 4096 bytes");
  std::string many = "--B\r\n";
  while (many.size() < kMultipartHeadMax + 100) many += "X: y\r\n";
  check_fault(many, "parts[0]", "over 4096 bytes");
}

TEST(what_the_data_hides_is_found) {
  check_fault(named("frontal", "x\r\n--Bx") + "--B--", "frontal", "holds the boundary");
  check_fault(named("frontal", "x\r\n--B-x") + "--B--", "frontal", "holds the boundary");
  check_fault(named("frontal", "x\r\n--B" + std::string(100, ' ')), "frontal", "holds the boundary");
  check_fault(named("frontal", "x\r\n--B--\r\nrest") + "--B--", "frontal", "goes on after the last boundary");
  check_fault("--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx\n--B--\n", "a", "before the last boundary");
  check_fault(part("Content-Disposition: form-data; name=a\r\nContent-Type: Multipart/Mixed; boundary=C", "--C--"), "a",
              "holds parts itself");
  check_fault(part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", "eA=="), "a",
              "encoded");
}

TEST(parts_are_counted) {
  std::string body;
  for (int i = 0; i < 100'000; ++i) body += named("a", "");
  const Read got = read(body);
  CHECK_EQ(got.parts.size(), kPartsMax);
  CHECK_EQ(got.fault->field, "parts[4]");
  CHECK_CONTAINS(got.fault->message, "4 may be sent");
}

// However a form is damaged and split: the parser ends, and says the same of it as when it comes at once.
TEST(a_damaged_form_is_read_alike_however_it_is_split) {
  std::mt19937 random(1867);  // the same each time
  const std::string_view pieces[] = {"\r",        "\n",       "\r\n", "--", "--B", "\r\n--B",
                                     "\r\n--B--", "\r\n\r\n", "\"",   ";",  ":",   "\\"};
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  int broken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string body = kForm;
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
      const std::size_t at = below(body.size());
      switch (below(4)) {
        case 0:
          body.erase(at, 1 + below(8));
          break;
        case 1:
          body.insert(at, pieces[below(std::size(pieces))]);
          break;
        case 2:
          body[at] = static_cast<char>(random());
          break;
        default:
          body.insert(at, body.substr(below(body.size()), below(80)));
          break;
      }
      if (body.empty()) body = "-";
    }
    const Read whole = read(body);
    const Read split = read(body, [&] { return 1 + below(9); });
    CHECK(whole.parts == split.parts);
    CHECK_EQ(whole.fault.has_value(), split.fault.has_value());
    if (!whole.fault) continue;
    ++broken;
    CHECK_EQ(whole.fault->field, split.fault->field);
    CHECK_EQ(whole.fault->message, split.fault->message);
  }
  CHECK(broken > 5'000 && broken < 20'000);
}
