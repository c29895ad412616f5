// What a kernel is lent for one call: plain pointers, so every compiler and standard can share it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// How activations may be rounded on their way into a matrix product.
//   exact     f32 throughout; a row's result does not depend on which rows share its batch.
//   standard  the default: f32 or 16-bit activations at few rows, bf16 tiles at many.
//   fast      8-bit activations where the model was calibrated for it.
enum class Precision : std::uint8_t { exact, standard, fast };

struct ExecView {
  int num_threads = 1;
  Precision precision = Precision::standard;
  void* pool = nullptr;
  // Calls task(context, index, thread) for every index in [0, count), thread in [0, num_threads),
  // each thread value by one thread at a time; returns when all have returned. Indices are claimed
  // one by one (a slow or descheduled thread claims fewer), so cut work into a few pieces a thread.
  // count <= 1 or one thread runs on the caller. Not reentrant.
  void (*parallel)(void* pool, int count, void (*task)(void* context, int index, int thread),
                   void* context) = nullptr;
  void* scratch = nullptr;  // 64-byte aligned, contents undefined at entry
  std::size_t scratch_bytes = 0;
  void* stream = nullptr;  // cudaStream_t on a GPU
};

}  // namespace millrace
