#include "core/prompts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/check.h"

using namespace plugfleet;

namespace {

namespace fs = std::filesystem;

// A folder of prompts, and one beside it that no prompt may come from.
struct Folder {
  Folder() {
    fs::create_directory(inside());
    write("../outside.txt", "a secret");
  }
  ~Folder() { fs::remove_all(root); }

  fs::path inside() const { return fs::path(root) / "prompts"; }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(inside() / name, std::ios::binary) << text;
  }
  // "creative-director.txt" of every prompt that is listed.
  std::string listed(std::string_view default_file = "default.txt") const {
    std::string names;
    for (const PromptFile& prompt : prompts.list(default_file)) names += prompt.filename + " ";
    return names;
  }

  static std::string fresh_folder() {
    std::string path = "/tmp/plugfleet-prompts-XXXXXX";
    CHECK(::mkdtemp(path.data()));
    return path;
  }

  const std::string root = fresh_folder();
  const Prompts prompts{inside()};
};

void check_refused(const Folder& folder, std::string_view name) {
  if (folder.prompts.read(name)) test::fail(fmt::format("{} was read", name));
}

}  // namespace

TEST(a_prompt_is_listed_with_its_names_and_read) {
  const Folder folder;
  folder.write("creative-director_2.txt", "Be bold.\n");
  const auto list = folder.prompts.list("default.txt");
  CHECK_EQ(list.size(), 1u);
  CHECK_EQ(list[0].id, "creative-director_2");
  CHECK_EQ(list[0].name, "Creative Director 2");
  CHECK_EQ(list[0].filename, "creative-director_2.txt");
  CHECK(!list[0].is_default);
  CHECK_EQ(folder.prompts.read("creative-director_2.txt").value_or(""), "Be bold.\n");
}

TEST(the_default_comes_first_and_the_others_by_name) {
  const Folder folder;
  for (const char* const name : {"zebra.txt", "default.txt", "apple.txt", "Mango.txt"}) folder.write(name, "text");
  CHECK_EQ(folder.listed(), "default.txt apple.txt Mango.txt zebra.txt ");
  CHECK_EQ(folder.listed("zebra.txt"), "zebra.txt apple.txt default.txt Mango.txt ");
  CHECK(folder.prompts.list("zebra.txt")[0].is_default);
  CHECK(!folder.prompts.list("zebra.txt")[1].is_default);
}

TEST(a_file_counts_as_soon_as_it_is_there_and_no_longer_than_that) {
  const Folder folder;
  CHECK_EQ(folder.listed(), "");
  check_refused(folder, "new.txt");
  folder.write("new.txt", "one");
  CHECK_EQ(folder.listed(), "new.txt ");
  CHECK_EQ(folder.prompts.read("new.txt").value_or(""), "one");
  folder.write(".new", "two");
  fs::rename(folder.inside() / ".new", folder.inside() / "new.txt");
  CHECK_EQ(folder.prompts.read("new.txt").value_or(""), "two");
  fs::remove(folder.inside() / "new.txt");
  CHECK_EQ(folder.listed(), "");
  check_refused(folder, "new.txt");
}

TEST(no_name_leads_out_of_the_folder) {
  const Folder folder;
  fs::create_directory(folder.inside() / "sub");
  folder.write("sub/a.txt", "text");
  folder.write("a.txt", "text");
  using namespace std::string_view_literals;
  for (const auto name : {""sv,
                          "."sv,
                          ".."sv,
                          ".txt"sv,
                          "../outside.txt"sv,
                          "sub/a.txt"sv,
                          "sub/../a.txt"sv,
                          "./a.txt"sv,
                          "a.txt/"sv,
                          "/etc/passwd"sv,
                          "..\\outside.txt"sv,
                          "a.txt\0"sv,
                          "a\0.txt"sv,
                          "../outside.txt\0a.txt"sv,
                          "a"sv,
                          "A.TXT"sv,
                          "a.txt "sv,
                          " a.txt"sv,
                          "%2e%2e%2foutside.txt"sv,
                          "-a.txt"sv,
                          "\xc3\xa4.txt"sv,
                          "a.txt\n"sv}) {
    check_refused(folder, name);
  }
  check_refused(folder, (folder.inside() / "a.txt").string());
  CHECK(folder.prompts.read("a.txt").has_value());
}

TEST(names_have_a_greatest_length) {
  const Folder folder;
  const std::string longest(100, 'a'), longer(101, 'a');
  folder.write(longest + ".txt", "text");
  folder.write(longer + ".txt", "text");
  CHECK_EQ(folder.listed(), longest + ".txt ");
  check_refused(folder, longer + ".txt");
  check_refused(folder, std::string(1'000'000, 'a') + ".txt");
}

TEST(only_regular_files_are_prompts) {
  const Folder folder;
  folder.write("a.txt", "text");
  fs::create_symlink("../outside.txt", folder.inside() / "out.txt");
  fs::create_symlink("a.txt", folder.inside() / "in.txt");
  fs::create_symlink("/dev/zero", folder.inside() / "zero.txt");
  fs::create_directory(folder.inside() / "folder.txt");
  CHECK_EQ(::mkfifo((folder.inside() / "fifo.txt").c_str(), 0600), 0);
  for (const char* const name : {"out.txt", "in.txt", "zero.txt", "folder.txt", "fifo.txt"}) {
    check_refused(folder, name);
  }
  CHECK_EQ(folder.listed(), "a.txt ");
}

TEST(only_text_of_a_bounded_length_is_a_prompt) {
  const Folder folder;
  folder.write("most.txt", std::string(64 * 1024, 'a'));
  folder.write("more.txt", std::string(64 * 1024 + 1, 'a'));
  folder.write("empty.txt", "");
  folder.write("blank.txt", " \r\n\t\n");
  folder.write("nul.txt", std::string_view("a\0b", 3));
  folder.write("latin1.txt", "caf\xe9");
  CHECK_EQ(folder.listed(), "most.txt ");
  CHECK_EQ(folder.prompts.read("most.txt")->size(), 64u * 1024);
  for (const char* const name : {"more.txt", "empty.txt", "blank.txt", "nul.txt", "latin1.txt"}) {
    check_refused(folder, name);
  }
}

TEST(a_modules_prompts_are_in_its_folder) {
  const Folder folder;
  folder.write("a.txt", "one");
  const Prompts all(folder.inside().parent_path().string() + "/*");
  CHECK_EQ(all.of("prompts").read("a.txt").value_or(""), "one");
  CHECK(!all.of("others").read("a.txt"));
  CHECK(!all.read("a.txt"));
  CHECK(folder.prompts.of("any").read("a.txt").has_value());
}

TEST(without_the_folder_there_are_no_prompts) {
  const Prompts prompts("/nonexistent/prompts");
  CHECK(prompts.list("default.txt").empty());
  CHECK(!prompts.read("default.txt"));
}

// A process that ran out of descriptors would answer nothing any more.
TEST(no_descriptor_stays_open) {
  const Folder folder;
  folder.write("a.txt", "text");
  fs::create_directory(folder.inside() / "folder.txt");
  const auto open_now = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()); };
  const auto before = open_now();
  for (const char* const name : {"a.txt", "folder.txt", "none.txt"}) (void)folder.prompts.read(name);
  (void)folder.prompts.list("a.txt");
  CHECK_EQ(open_now(), before);
}
