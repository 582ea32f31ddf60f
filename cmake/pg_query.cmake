# The grammar in its container (src/sql/parse/README.md, P1): our pg_*.c files and the members of
# libpg_query.a that they need, joined into one object in which only pg_parse is global.

find_library(PG_QUERY_ARCHIVE NAMES libpg_query.a REQUIRED)
find_path(PG_QUERY_INCLUDE pg_query.h REQUIRED)
find_path(PG_SERVER_INCLUDE postgres.h REQUIRED
          PATHS /usr/include/postgresql/15/server /usr/include/postgresql/server)

file(GLOB pg_query_sources CONFIGURE_DEPENDS src/sql/parse/pg_*.c)
add_library(pg_query_parts OBJECT ${pg_query_sources})
target_include_directories(pg_query_parts PRIVATE include src)
target_include_directories(pg_query_parts SYSTEM PRIVATE ${PG_SERVER_INCLUDE} ${PG_QUERY_INCLUDE})
set_target_properties(pg_query_parts PROPERTIES C_EXTENSIONS ON)
# Not instrumented by sanitizers or for coverage, so that the container is the same in all builds.
target_compile_definitions(pg_query_parts PRIVATE _GNU_SOURCE)
target_compile_options(pg_query_parts PRIVATE -Wall -Wextra -fno-common -fno-strict-aliasing
    -fno-sanitize=all -fno-profile-arcs -fno-test-coverage
    $<$<C_COMPILER_ID:Clang>:-fno-sanitize-coverage=trace-pc-guard>
    $<$<BOOL:${TDBPLUS_WERROR}>:-Werror>)

set(pg_query_object ${CMAKE_BINARY_DIR}/pg_query_local.o)
add_custom_command(OUTPUT ${pg_query_object}
    COMMAND ${TDBPLUS_LD} -r -o pg_query_all.o $<TARGET_OBJECTS:pg_query_parts> ${PG_QUERY_ARCHIVE}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=pg_parse pg_query_all.o ${pg_query_object}
    DEPENDS pg_query_parts $<TARGET_OBJECTS:pg_query_parts> ${PG_QUERY_ARCHIVE}
    COMMAND_EXPAND_LISTS)
add_custom_target(pg_query_local DEPENDS ${pg_query_object})
# Programs of ours take the library as objects and this one with their flags.
target_link_libraries(tdbplus_flags INTERFACE $<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,OBJECT_LIBRARY>>:${pg_query_object}>)
