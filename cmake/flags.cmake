# Language levels, warnings and what every target of ours is compiled with (tdbplus_flags).

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

find_program(TDBPLUS_CCACHE ccache)
if(TDBPLUS_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${TDBPLUS_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${TDBPLUS_CCACHE})
endif()

# Every test is linked whole; mold does that in a quarter of the time of the other linkers.
find_program(TDBPLUS_MOLD mold)
if(TDBPLUS_MOLD)
    add_link_options(-fuse-ld=mold)
endif()

add_library(tdbplus_flags INTERFACE)
target_include_directories(tdbplus_flags INTERFACE include src)
target_compile_options(tdbplus_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wvla -Wundef -Wformat=2
    -Wswitch-enum -Wimplicit-fallthrough -Wcast-qual -Wpointer-arith -Wwrite-strings
    -fno-common -fstack-protector-strong -ffp-contract=off
    $<$<C_COMPILER_ID:GNU>:-Wdouble-promotion> # clang's also warns of the constant NAN.
    "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition>"
    $<$<BOOL:${TDBPLUS_WERROR}>:-Werror>)
target_compile_definitions(tdbplus_flags INTERFACE _GNU_SOURCE $<$<CONFIG:Debug>:TDBPLUS_DEBUG>)

# jemalloc goes into binaries only: a library linked to it cannot be dlopen'ed (static TLS), and a
# host program chooses its own allocator.
set(tdbplus_allocator)
if(TDBPLUS_JEMALLOC)
    find_library(TDBPLUS_JEMALLOC_LIBRARY jemalloc)
    if(TDBPLUS_JEMALLOC_LIBRARY)
        set(tdbplus_allocator ${TDBPLUS_JEMALLOC_LIBRARY})
    endif()
endif()
