# MILLRACE_OPENVINO: whether graph models (ONNX, OpenVINO IR, TensorFlow, TFLite) are built in. The runtime comes from its PyPI
# wheel (scripts/fetch-openvino), or from wherever OpenVINO_DIR points. Sets MILLRACE_HAS_OPENVINO.
set(MILLRACE_OPENVINO AUTO CACHE STRING "AUTO: when found; ON: it must be; OFF: never")
set_property(CACHE MILLRACE_OPENVINO PROPERTY STRINGS AUTO ON OFF)
set(MILLRACE_HAS_OPENVINO OFF)
if(NOT MILLRACE_OPENVINO STREQUAL "OFF")
  file(GLOB wheel ${CMAKE_SOURCE_DIR}/.venv/openvino/lib/python3*/site-packages/openvino/cmake)
  find_package(OpenVINO 2026.4 QUIET COMPONENTS Runtime HINTS ${wheel})
  if(OpenVINO_FOUND)
    set(MILLRACE_HAS_OPENVINO ON)
    find_package(TBB QUIET CONFIG HINTS ${OpenVINO_DIR}) # the runtime's own; loads disturb others more without
  elseif(MILLRACE_OPENVINO STREQUAL "ON")
    message(FATAL_ERROR "OpenVINO was not found: run scripts/fetch-openvino, or set OpenVINO_DIR")
  else()
    message(STATUS "OpenVINO was not found: no graph models in this build (scripts/fetch-openvino installs it)")
  endif()
endif()
