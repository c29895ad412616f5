// Loops that do nothing but keep one core's arithmetic busy: what a machine can do at most, by the
// instructions that a kernel table may use. Inline assembly, so that no flags of an ISA folder and
// no instruction selection of a compiler stand between the name and the figure; the only file that
// asks for an architecture besides select.cc. Thread-safe.
#pragma once

#include <string_view>

namespace millrace::kernels {

// Runs about `rounds` unrolled rounds on the calling thread; returns the operations done, a
// multiply-add counting as two. A null loop: the table has no such instructions.
struct PeakLoops {
  double (*f32)(long rounds) = nullptr;
  double (*bf16)(long rounds) = nullptr;
  double (*int8)(long rounds) = nullptr;
};

// By the name of a table that this machine can run (select.h); plain f32 for one not known here.
PeakLoops peak_loops(std::string_view table_name);

}  // namespace millrace::kernels
