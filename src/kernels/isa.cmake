# One object library a machine; flags are set for the folder, never globally (kernels/README.md says why).
function(millrace_isa name)
  cmake_parse_arguments(ARG "" "" "FLAGS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_library(millrace_kernels_${name} OBJECT ${sources})
  target_link_libraries(millrace_kernels_${name} PRIVATE millrace_flags)
  target_compile_options(millrace_kernels_${name} PRIVATE -O3 ${ARG_FLAGS} -fno-exceptions -fno-rtti -Wno-psabi
    -Wno-uninitialized -Wno-maybe-uninitialized)  # g++ 12 warns about its own intrinsics
  target_sources(millrace_kernels PRIVATE $<TARGET_OBJECTS:millrace_kernels_${name}>)
  string(TOUPPER ${name} upper)
  set_property(SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/kernels/select.cc APPEND PROPERTY
    COMPILE_DEFINITIONS MILLRACE_KERNELS_${upper})
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  millrace_isa(avx2 FLAGS -mavx2 -mfma -mf16c)
  millrace_isa(avx512 FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni)
  # Called where the machine has the instructions; the rest of the folder runs without.
  set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/kernels/avx512/gemm_pairs.cc PROPERTIES
    COMPILE_OPTIONS -mavx512bf16)
  millrace_isa(amx FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mavx512fp16 -mamx-tile -mamx-int8 -mamx-bf16 -mprfchw)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  millrace_isa(neon FLAGS -march=armv8.2-a+dotprod+fp16 -ffp-contract=off)
endif()

# Long unrolled kernels: with sanitizers a build of them takes minutes and gigabytes. The canaries of the
# tests stand guard there instead.
if(MILLRACE_SANITIZE)
  set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/kernels/avx2/gemm.cc PROPERTIES
    COMPILE_OPTIONS -fno-sanitize=all)
endif()
