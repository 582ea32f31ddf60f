# Every header must compile on its own, twice; public ones also as C++.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} src/*.h include/*.h)
# pg_copy.h sees PostgreSQL's headers and belongs to the container of the grammar alone.
list(FILTER headers EXCLUDE REGEX "/pg_copy\\.h$")
foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER ${header} id)
    file(CONFIGURE OUTPUT selfcheck/${id}.c
         CONTENT "#include \"@CMAKE_SOURCE_DIR@/@header@\"\n#include \"@CMAKE_SOURCE_DIR@/@header@\"\ntypedef int selfcheck;\n" @ONLY)
    list(APPEND selfchecks ${CMAKE_BINARY_DIR}/selfcheck/${id}.c)
    if(header MATCHES "^include/")
        file(CONFIGURE OUTPUT selfcheck/${id}.cc CONTENT "#include \"@CMAKE_SOURCE_DIR@/@header@\"\n" @ONLY)
        list(APPEND selfchecks ${CMAKE_BINARY_DIR}/selfcheck/${id}.cc)
    endif()
endforeach()
add_library(header_selfcheck OBJECT ${selfchecks})
target_link_libraries(header_selfcheck PRIVATE tdbplus_flags)
