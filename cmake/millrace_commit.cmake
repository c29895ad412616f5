# millrace_embed_commit(TARGET): adds the short hash of HEAD, or "unknown", as app/commit.h declares it. It is written again
# when HEAD moves, which git notes in logs/HEAD; a build without a new commit does nothing.
function(millrace_embed_commit target)
  set(file ${CMAKE_BINARY_DIR}/generated/commit.cc)
  execute_process(COMMAND git rev-parse --absolute-git-dir WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE git OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(moves)
  foreach(name HEAD logs/HEAD)
    if(git AND EXISTS ${git}/${name})
      list(APPEND moves ${git}/${name})
    endif()
  endforeach()
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/write_commit.cmake)
  add_custom_command(OUTPUT ${file} COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DSOURCE=${CMAKE_SOURCE_DIR} -P ${script}
    DEPENDS ${script} ${moves} COMMENT "Noting the commit" VERBATIM)
  target_sources(${target} PRIVATE ${file})
endfunction()
