#include "app/machine_facts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/doctor.h"
#include "app/machine_speed.h"
#include "kernels/select.h"

namespace millrace::app {
namespace {

TEST(MachineFacts, ReadsCpuinfo) {
  const CpuFacts facts = cpu_facts(
      "processor\t: 0\nmodel name\t: Some CPU @ 2GHz\nflags\t\t: fpu avx2 fma strange amx_tile\n\n"
      "processor\t: 1\nmodel name\t: Some CPU @ 2GHz\nflags\t\t: fpu avx2 fma\n");
  EXPECT_EQ(facts.model, "Some CPU @ 2GHz");
  EXPECT_EQ(facts.num_logical, 2);
  EXPECT_EQ(facts.features, (std::vector<std::string>{"avx2", "fma", "amx_tile"}));
  EXPECT_EQ(cpu_facts("").num_logical, 0);
}

TEST(MachineFacts, APortIsFreeOrTaken) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  const int port = ntohs(address.sin_port);
  EXPECT_FALSE(is_port_free(port));
  ::close(fd);
  EXPECT_TRUE(is_port_free(port));
}

TEST(MachineSpeed, EveryTableAgreesWithTheReference) {
  ComputePool pool(1);
  for (const auto* table : kernels::runnable_kernels())
    EXPECT_EQ(check_against_reference(*table, pool), "") << table->name;
}

// A table that is wrong is found.
TEST(MachineSpeed, AWrongTableIsFound) {
  kernels::Kernels wrong = **kernels::select_kernels("reference");
  wrong.name = "wrong";
  static const kernels::Kernels kRight = wrong;
  wrong.gemm = [](const ExecView& exec, const kernels::GemmArgs& args) {
    kRight.gemm(exec, args);
    args.parts[0].out[args.m - 1] += 0.5f;
  };
  ComputePool pool(1);
  EXPECT_NE(check_against_reference(wrong, pool), "");
}

TEST(Doctor, EveryWarningSaysWhatToDo) {
  for (const Check& check : run_checks({.measure = false})) {
    EXPECT_FALSE(check.name.empty());
    EXPECT_FALSE(check.text.empty()) << check.name;
    EXPECT_TRUE(check.state == CheckState::ok || !check.fix.empty()) << check.name;
  }
}

}  // namespace
}  // namespace millrace::app
