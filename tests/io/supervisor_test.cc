#include "io/supervisor.h"

#include "support/check.h"

using namespace plugfleet;

TEST(processes_are_read_as_supervisord_writes_them) {
  const auto found = parse_supervised(
      "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"
      "<value><struct>\n<member>\n<name>name</name>\n<value><string>keeper</string></value>\n</member>\n"
      "<member>\n<name>group</name>\n<value><string>keeper</string></value>\n</member>\n"
      "<member>\n<name>state</name>\n<value><int>20</int></value>\n</member>\n"
      "<member>\n<name>statename</name>\n<value><string>RUNNING</string></value>\n</member>\n</struct></value>\n"
      "<value><struct>\n<member>\n<name>statename</name>\n<value><string>STOPPED</string></value>\n</member>\n"
      "<member>\n<name>spawnerr</name>\n<value><string></string></value>\n</member>\n"
      "<member>\n<name>name</name>\n<value><string>worker_03</string></value>\n</member>\n"
      "<member>\n<name>group</name>\n<value><string>worker</string></value>\n</member>\n</struct></value>\n"
      "</data></array></value>\n</param>\n</params>\n</methodResponse>\n");
  CHECK_EQ(found.size(), 2u);
  CHECK_EQ(found[0].name, "keeper");
  CHECK_EQ(found[0].state, "RUNNING");
  CHECK_EQ(found[1].group, "worker");
  CHECK_EQ(found[1].name, "worker_03");
  CHECK_EQ(found[1].state, "STOPPED");
}

TEST(half_a_reply_is_no_process) {
  CHECK_EQ(parse_supervised("").size(), 0u);
  CHECK_EQ(parse_supervised("<struct><member><name>name</name><value><str").size(), 0u);
  CHECK_EQ(parse_supervised("<name>name</name></struct>").at(0).name, "");
}
