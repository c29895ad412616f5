# millrace_layer(NAME [DEPS target…]): the folder's *.cc become the library millrace_NAME, its *_test.cc the
# binary NAME_test. Which layer may use which is said in src/LAYERS and checked by tools/check_tree.py.
function(millrace_layer name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(name STREQUAL "kernels")  # each machine's folder has its own flags: see kernels/CMakeLists.txt
    list(FILTER sources EXCLUDE REGEX "/kernels/(avx2|avx512|amx|neon|cuda)/")
  endif()

  if(sources)
    add_library(millrace_${name} STATIC ${sources})
    target_link_libraries(millrace_${name} PRIVATE millrace_flags PUBLIC ${ARG_DEPS})
  else()
    add_library(millrace_${name} INTERFACE)
    target_link_libraries(millrace_${name} INTERFACE ${ARG_DEPS})
  endif()
  if(MILLRACE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE millrace_flags millrace_${name} ${ARG_TEST_DEPS} GTest::gtest GTest::gtest_main GTest::gmock)
    target_compile_definitions(${name}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}/ DISCOVERY_MODE PRE_TEST
      DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
  endif()
endfunction()
