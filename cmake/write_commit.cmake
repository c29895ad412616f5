# Run at build time by millrace_embed_commit: writes FILE for the repository in SOURCE.
execute_process(COMMAND git rev-parse --short HEAD WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
endif()
file(WRITE ${FILE} "#include \"app/commit.h\"\n\nnamespace millrace::app {\n\nconst char* const kCommit = \"${commit}\";\n\n}  // namespace millrace::app\n")
