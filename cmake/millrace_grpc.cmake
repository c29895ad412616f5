# MILLRACE_GRPC: whether the gRPC port is built in. grpc++ and protobuf come from the distribution (scripts/setup). Sets
# MILLRACE_HAS_GRPC; millrace_proto() makes the target millrace_proto from .proto files.
set(MILLRACE_GRPC AUTO CACHE STRING "AUTO: when found; ON: it must be; OFF: never")
set_property(CACHE MILLRACE_GRPC PROPERTY STRINGS AUTO ON OFF)
set(MILLRACE_HAS_GRPC OFF)
if(NOT MILLRACE_GRPC STREQUAL "OFF")
  find_package(Protobuf QUIET)
  find_path(GRPCPP_HEADERS grpcpp/generic/async_generic_service.h)
  find_library(GRPCPP grpc++)
  find_library(GRPC grpc)
  find_library(GPR gpr)
  find_library(ABSL_MUTEX absl_synchronization)  # named in gRPC's headers
  if(Protobuf_FOUND AND TARGET protobuf::protoc AND GRPCPP_HEADERS AND GRPCPP AND GRPC AND GPR AND ABSL_MUTEX)
    set(MILLRACE_HAS_GRPC ON)
  elseif(MILLRACE_GRPC STREQUAL "ON")
    message(FATAL_ERROR "gRPC was not found: run scripts/setup, which installs grpc++ and protobuf")
  else()
    message(STATUS "gRPC was not found: no gRPC port in this build (scripts/setup installs it)")
  endif()
endif()

# Generated code is not ours: compiled without our warnings, and its headers are the system's. Only messages are generated; the
# methods are a table of ours (src/api/grpc/methods.cc). Lite messages: no descriptors, so nothing can collide in their registry.
function(millrace_proto folder)
  file(GLOB protos CONFIGURE_DEPENDS ${folder}/*.proto)
  set(out ${CMAKE_BINARY_DIR}/generated/grpc)
  file(MAKE_DIRECTORY ${out})
  foreach(proto ${protos})
    get_filename_component(name ${proto} NAME_WE)
    list(APPEND made ${out}/${name}.pb.cc ${out}/${name}.pb.h)
  endforeach()
  add_custom_command(OUTPUT ${made} DEPENDS ${protos} VERBATIM COMMENT "Generating the gRPC messages"
    COMMAND protobuf::protoc --cpp_out=lite:${out} -I${folder} ${protos})
  add_library(millrace_proto STATIC ${made})
  target_compile_options(millrace_proto PRIVATE -w)
  target_include_directories(millrace_proto SYSTEM PUBLIC ${out} ${GRPCPP_HEADERS})
  target_link_libraries(millrace_proto PUBLIC protobuf::libprotobuf ${GRPCPP} ${GRPC} ${GPR} ${ABSL_MUTEX})
endfunction()
