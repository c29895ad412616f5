#include "kernels/tables.h"

namespace millrace::kernels {

const Kernels& neon_kernels() {
  static const Kernels kTable = [] {
    Kernels table = reference_kernels();
    table.name = "neon";
    return table;
  }();
  return kTable;
}

}  // namespace millrace::kernels
