# millrace_embed_ui(TARGET): builds the web UI of ui/ and puts it, compressed, into the target. MILLRACE_UI decides:
# ON must succeed, OFF embeds a page that says how to get it, AUTO is ON where Node and its packages can be had, else OFF.
# MILLRACE_HAS_UI tells the caller which it was.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# Node and the locked packages are there, or come from their registries now. Sets `ready` in the caller.
function(millrace_prepare_ui)
  set(ready FALSE PARENT_SCOPE)
  if(MILLRACE_UI STREQUAL "OFF")
    message(STATUS "web UI: left out (MILLRACE_UI=OFF)")
    return()
  endif()
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-ui prepare RESULT_VARIABLE failed OUTPUT_VARIABLE said
    ERROR_VARIABLE said)
  if(NOT failed)
    message(STATUS "web UI: built into the binary")
    set(ready TRUE PARENT_SCOPE)
  elseif(MILLRACE_UI STREQUAL "ON")
    message(FATAL_ERROR "web UI: ${said}")
  else()
    string(STRIP "${said}" said)
    string(REGEX REPLACE ".*\n" "" said "${said}")
    message(STATUS "web UI: left out: ${said} (-DMILLRACE_UI=OFF silences this)")
  endif()
endfunction()

function(millrace_embed_ui target)
  if(NOT MILLRACE_UI MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "MILLRACE_UI is '${MILLRACE_UI}'; it may be AUTO, ON or OFF")
  endif()
  millrace_prepare_ui()
  set(MILLRACE_HAS_UI ${ready} PARENT_SCOPE)
  set(ui ${CMAKE_SOURCE_DIR}/ui)
  set(generated ${CMAKE_BINARY_DIR}/generated/ui_assets.cc)
  set(embed ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/embed_ui.py)
  if(ready)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${ui}/src/*)
    set(dist ${CMAKE_BINARY_DIR}/ui)
    add_custom_command(OUTPUT ${generated} VERBATIM COMMENT "Building the web UI"
      COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-ui build ${dist}
      COMMAND ${embed} ${dist} ${generated}
      DEPENDS ${sources} ${ui}/index.html ${ui}/package-lock.json ${ui}/vite.config.ts ${ui}/tsconfig.json
              ${CMAKE_SOURCE_DIR}/scripts/build-ui ${CMAKE_SOURCE_DIR}/cmake/embed_ui.py)
  else()
    add_custom_command(OUTPUT ${generated} VERBATIM COMMENT "Embedding the page that stands for the web UI"
      COMMAND ${embed} ${ui}/absent ${generated}
      DEPENDS ${ui}/absent/index.html ${ui}/absent/assets/absent.css ${CMAKE_SOURCE_DIR}/cmake/embed_ui.py)
  endif()
  target_sources(${target} PRIVATE ${generated})
endfunction()
