#include "app/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/commit.h"
#include "app/machine_facts.h"
#include "app/machine_speed.h"
#include "app/optional_parts.h"
#include "base/cores.h"
#include "base/settings.h"
#include "base/version.h"
#include "kernels/select.h"
#include "serving/memory_budget.h"
#include "tensor/compute_pool.h"

namespace millrace::app {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

json::array words_json(const std::vector<std::string>& words) {
  json::array array;
  for (const std::string& word : words) array.emplace_back(word);
  return array;
}

Check check_version() {
  return {.name = "version",
          .text = fmt::format("millrace {} ({})", kVersion, kCommit),
          .details = {{"version", kVersion}, {"commit", kCommit}}};
}

Check check_cpu() {
  const CpuFacts cpu = this_cpu();
  const int usable = usable_cores();
  Check check{.name = "cpu",
              .text = fmt::format("{}, {} of {} logical cores for compute; {}",
                                  cpu.model.empty() ? "unknown model" : cpu.model, usable,
                                  cpu.num_logical, fmt::join(cpu.features, " ")),
              .details = {{"model", cpu.model},
                          {"logical_cores", cpu.num_logical},
                          {"compute_threads", usable},
                          {"features", words_json(cpu.features)}}};
  const auto has = [&](const char* name) {
    return std::ranges::find(cpu.features, name) != cpu.features.end();
  };
  if (!has("avx2") && !has("asimddp")) {
    check.state = CheckState::warn;
    check.fix =
        "this CPU has neither AVX2 nor Arm's dot products: every model will be slow; use a newer "
        "machine";
  }
  return check;
}

Check check_kernels() {
  std::vector<std::string> names;
  for (const auto* table : kernels::runnable_kernels()) names.emplace_back(table->name);
  const kernels::Kernels& chosen = **kernels::select_kernels();
  ComputePool pool;
  const std::string wrong = check_against_reference(chosen, pool);
  Check check{
      .name = "kernels",
      .text = fmt::format("{} will run and agrees with the reference; this machine also runs: {}",
                          chosen.name, fmt::join(names.begin(), names.end() - 1, ", ")),
      .details = {{"chosen", chosen.name}, {"runnable", words_json(names)}}};
  if (names.size() == 1) {
    check.state = CheckState::warn;
    check.text = "only the reference kernels run here: correct, and very slow";
    check.fix = "use a machine with AVX2, or with Arm's dot products, or newer";
  }
  if (!wrong.empty()) {
    check.state = CheckState::fail;
    check.text = fmt::format("{}: {}", chosen.name, wrong);
    check.fix = "answers would be wrong: serve with --cpu-isa reference, and report this machine";
  }
  check.details["correct"] = wrong.empty();
  return check;
}

Check check_speed() {
  const kernels::Kernels& table = **kernels::select_kernels();
  ComputePool pool;
  const MachineSpeed speed = measure_speed(table, pool, 1.0);
  return {.name = "speed",
          .text = fmt::format(
              "memory {:.1f} GB/s, {} kernels {:.1f} of {:.1f} GFLOPS at many rows and {:.1f} GB/s "
              "of weights at one, {} threads (measured now; others' load counts)",
              speed.read_bytes_per_second / 1e9, table.name, speed.flops_per_second / 1e9,
              speed.peak_flops_per_second / 1e9, speed.weight_bytes_per_second / 1e9,
              speed.num_threads),
          .details = {{"threads", speed.num_threads},
                      {"read_bytes_per_second", speed.read_bytes_per_second},
                      {"peak_flops_per_second", speed.peak_flops_per_second},
                      {"flops_per_second", speed.flops_per_second},
                      {"weight_bytes_per_second", speed.weight_bytes_per_second}}};
}

Check check_memory() {
  const MemoryFacts memory = this_memory();
  const std::int64_t usable = serving::available_memory_bytes();
  Check check{
      .name = "memory",
      .text = fmt::format("{} of {} available", format_byte_size(usable),
                          format_byte_size(memory.total)),
      .details = {{"total", memory.total},
                  {"available", usable},
                  {"cgroup_limit", memory.cgroup_limit > 0 ? json::value(memory.cgroup_limit)
                                                           : json::value(nullptr)},
                  {"swap_used", memory.swap_used}}};
  check.text += memory.cgroup_limit > 0
                    ? fmt::format(", cgroup limit {}", format_byte_size(memory.cgroup_limit))
                    : ", no cgroup limit";
  if (usable < 512 * kMiB) {
    check.state = usable < 128 * kMiB ? CheckState::fail : CheckState::warn;
    check.fix = "even a small model wants 512 MiB: end other programs, or raise the limit";
  } else if (memory.swap_used > 1024 * kMiB) {
    check.state = CheckState::warn;
    check.text += fmt::format(", {} swapped out", format_byte_size(memory.swap_used));
    check.fix = "a model in swap stalls: end other programs, or lower --memory-limit";
  }
  return check;
}

Check check_huge_pages() {
  const MemoryFacts memory = this_memory();
  const std::string& mode = memory.transparent_huge_pages;
  Check check{.name = "huge pages",
              .text = fmt::format("transparent: {}; reserved and free: {}",
                                  mode.empty() ? "not offered" : mode, memory.huge_pages_free),
              .details = {{"transparent", mode}, {"reserved_free", memory.huge_pages_free}}};
  if (mode == "never") {
    check.state = CheckState::warn;
    check.fix = "as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
  }
  return check;
}

Check check_gpus() {
  const GpuReport report = this_gpus();
  json::array gpus;
  std::vector<std::string> names;
  for (const GpuFacts& gpu : report.gpus) {
    gpus.push_back({{"name", gpu.name}, {"memory", gpu.memory}});
    names.push_back(gpu.memory > 0 ? fmt::format("{} ({})", gpu.name, format_byte_size(gpu.memory))
                                   : gpu.name);
  }
  Check check{.name = "gpus",
              .text = names.empty() ? "none found" : fmt::format("{}", fmt::join(names, ", ")),
              .details = {{"gpus", gpus}, {"cuda_driver", report.driver}}};
  if (!report.driver.empty()) check.text += fmt::format("; driver for CUDA {}", report.driver);
  const bool seen = report.has_device_files || !report.gpus.empty();
  if (seen && (report.driver.empty() || !report.problem.empty())) {
    check.state = CheckState::warn;
    check.text += "; " + (report.problem.empty() ? "libcuda.so.1 is not found" : report.problem);
    check.fix = "install the NVIDIA driver's libraries (in a container: run it with --gpus all)";
  }
  return check;
}

Check check_ports(const std::vector<int>& ports) {
  json::object states;
  std::vector<std::string> taken, free;
  for (const int port : ports) {
    const bool is_free = is_port_free(port);
    states[std::to_string(port)] = is_free ? "free" : "taken";
    (is_free ? free : taken).push_back(std::to_string(port));
  }
  Check check{.name = "ports",
              .text = free.empty() ? "" : fmt::format("free: {}", fmt::join(free, ", ")),
              .details = {{"ports", states}}};
  if (!taken.empty()) {
    check.state = CheckState::warn;
    check.text += fmt::format("{}taken: {}", free.empty() ? "" : "; ", fmt::join(taken, ", "));
    check.fix =
        "a server runs already, or serve elsewhere: --port, --grpc-port, --admin-port (0 takes a "
        "free "
        "one)";
  }
  return check;
}

Check check_files() {
  constexpr std::int64_t kEnough = 4096;
  const FileLimits limits = open_file_limits();
  Check check{.name = "open files",
              .text = fmt::format("at most {} (may be raised to {})", limits.soft, limits.hard),
              .details = {{"soft", limits.soft}, {"hard", limits.hard}}};
  if (limits.soft < kEnough) {
    check.state = CheckState::warn;
    check.fix = fmt::format("one a client: ulimit -n {} before serving many",
                            std::min(std::max(limits.hard, limits.soft), std::int64_t{65536}));
  }
  return check;
}

// What is not built in is no fault of the machine: ok, unless it is needed here.
Check check_part(const OptionalPart& part, bool has_gpu) {
  Check check{.name = part.name,
              .text = (part.present ? "built in: " : "not in this build: ") + part.detail,
              .details = {{"present", part.present}}};
  if (!part.present && (part.name == "native backend" || (part.name == "CUDA kernels" && has_gpu)))
    check.state = CheckState::warn;
  if (!part.present)
    check.fix = part.fix.empty() ? "nothing to do: this version does not have it yet" : part.fix;
  return check;
}

}  // namespace

const char* to_string(CheckState state) {
  switch (state) {
    case CheckState::ok:
      return "ok";
    case CheckState::warn:
      return "warn";
    case CheckState::fail:
      break;
  }
  return "fail";
}

std::vector<Check> run_checks(const DoctorOptions& options) {
  std::vector<Check> checks = {check_version(), check_cpu(), check_kernels()};
  if (options.measure) checks.push_back(check_speed());
  checks.push_back(check_memory());
  checks.push_back(check_huge_pages());
  checks.push_back(check_gpus());
  const bool has_gpu = !checks.back().details["gpus"].as_array().empty();
  checks.push_back(check_ports(options.ports));
  checks.push_back(check_files());
  for (const OptionalPart& part : optional_parts()) checks.push_back(check_part(part, has_gpu));
  return checks;
}

}  // namespace millrace::app
