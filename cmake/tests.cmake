# Tests, fuzz targets, benchmarks and the simulator, found by file name.
#
#   src/**/x_test.c     ctest x_test, label quick, 10 s
#   tests/*/x_test.c    ctest x_test, label full, 300 s; may include any module; with the
#                       folder's y_check.c, which judge results without the engine
#   src/**/x_fuzz.c     ctest x_fuzz_replay over tests/corpus/x_fuzz/*, label quick; with
#                       TDBPLUS_FUZZ also the libFuzzer binary x_fuzz
#   src/**/x_bench.c    executable x_bench; ctest x_bench_check runs it with --check, label quick
#   tests/sim/sim_*.c   the simulator, linked into every tests/sim/x_test.c; its own tests
#                       (tests/sim/sim_x_test.c) have the label quick
#   tests/fault/tdb_kill.c  a writing process, killed again and again; label quick
#   tests/diff/diff_worker.c  the side of the differential tester that is ours
#   tests/sim/tdb_*.c   executable tdb_sim; tdb_sim_planted is the same with planted bugs

enable_testing()
set(quick_seconds 60)
if(CMAKE_C_FLAGS MATCHES "-fsanitize|--coverage")
    set(quick_seconds 300) # Also when the machine has other things to do.
endif()

add_library(tdbplus_harness OBJECT tests/harness/support.c)
target_include_directories(tdbplus_harness PUBLIC tests/harness)
target_link_libraries(tdbplus_harness PUBLIC tdbplus_flags)

function(tdbplus_program name)
    add_executable(${name} ${ARGN} $<TARGET_OBJECTS:tdbplus_objects> $<TARGET_OBJECTS:tdbplus_harness>)
    target_link_libraries(${name} PRIVATE tdbplus_flags)
    target_include_directories(${name} PRIVATE tests/harness)
endfunction()

foreach(test IN LISTS tests)
    get_filename_component(name ${test} NAME_WE)
    get_filename_component(folder ${test} DIRECTORY)
    set(beside)
    if(folder MATCHES "/src/cli$")
        set(beside ${cli_sources})
        list(FILTER beside EXCLUDE REGEX "/main\\.c$")
    endif()
    set(needs)
    if(folder MATCHES "/src/(cli|server)$")
        set(needs tdbplus_server)
    endif()
    tdbplus_program(${name} ${test} ${beside} tests/harness/test_main.c)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS quick TIMEOUT ${quick_seconds})
    target_link_libraries(${name} PRIVATE ${needs})
    if(beside)
        target_link_libraries(${name} PRIVATE ${CMAKE_DL_LIBS})
    endif()
endforeach()

# Second opinions: libraries that only a test compares with.
target_link_libraries(delete_map_test PRIVATE roaring)

file(GLOB sim_sources CONFIGURE_DEPENDS tests/sim/sim_*.c)
list(FILTER sim_sources EXCLUDE REGEX "_test\\.c$")
add_library(tdbplus_sim OBJECT ${sim_sources})
target_include_directories(tdbplus_sim PUBLIC tests/sim)
target_link_libraries(tdbplus_sim PUBLIC tdbplus_flags)
function(tdbplus_sim_program name)
    tdbplus_program(${name} ${ARGN} $<TARGET_OBJECTS:tdbplus_sim>)
    target_include_directories(${name} PRIVATE tests/sim)
endfunction()

file(GLOB full_tests CONFIGURE_DEPENDS tests/*/*_test.c)
foreach(test IN LISTS full_tests)
    get_filename_component(name ${test} NAME_WE)
    get_filename_component(folder ${test} DIRECTORY)
    file(GLOB beside CONFIGURE_DEPENDS ${folder}/*_check.c)
    tdbplus_sim_program(${name} ${test} ${beside} tests/harness/test_main.c)
    add_test(NAME ${name} COMMAND ${name})
    if(name MATCHES "^sim_")
        set_tests_properties(${name} PROPERTIES LABELS quick TIMEOUT ${quick_seconds})
    else()
        set_tests_properties(${name} PROPERTIES LABELS full TIMEOUT 300)
    endif()
endforeach()

# A fuzz target is built twice: with libFuzzer to search (clang), and plainly to replay findings.
foreach(fuzzer IN LISTS fuzzers)
    get_filename_component(name ${fuzzer} NAME_WE)
    get_filename_component(folder ${fuzzer} DIRECTORY)
    set(needs)
    if(folder MATCHES "/src/server$")
        set(needs tdbplus_server)
    endif()
    tdbplus_program(${name}_replay ${fuzzer} tests/harness/fuzz_replay.c)
    target_link_libraries(${name}_replay PRIVATE ${needs})
    file(GLOB corpus CONFIGURE_DEPENDS tests/corpus/${name}/*)
    add_test(NAME ${name}_replay COMMAND ${name}_replay ${corpus})
    set_tests_properties(${name}_replay PROPERTIES LABELS quick TIMEOUT ${quick_seconds})
    if(TDBPLUS_FUZZ)
        tdbplus_program(${name} ${fuzzer})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        target_link_libraries(${name} PRIVATE ${needs})
    endif()
endforeach()

if(TDBPLUS_BENCH)
    foreach(bench IN LISTS benches)
        get_filename_component(name ${bench} NAME_WE)
        tdbplus_program(${name} ${bench} tests/harness/bench_main.c)
        add_test(NAME ${name}_check COMMAND ${name} --check)
        set_tests_properties(${name}_check PROPERTIES LABELS quick TIMEOUT ${quick_seconds})
    endforeach()
endif()

# Scripts that need nothing but the program and the examples.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize|--coverage")
    foreach(script cli dump examples)
        add_test(NAME ${script}_script COMMAND ${CMAKE_SOURCE_DIR}/tests/${script}/run)
        set_tests_properties(${script}_script PROPERTIES LABELS quick TIMEOUT 60
                             ENVIRONMENT "BUILD=${CMAKE_BINARY_DIR}")
    endforeach()
endif()

file(GLOB simulator_sources CONFIGURE_DEPENDS tests/sim/tdb_*.c)
if(simulator_sources)
    tdbplus_sim_program(tdb_sim ${simulator_sources})
endif()

# The simulator with planted bugs (src/base/plant.h). Only what can hold a bug is compiled again.
if(TARGET tdb_sim)
    set(planted_sources)
    set(planted_names)
    foreach(source IN LISTS sources)
        file(STRINGS ${source} uses REGEX "base/plant\\.h")
        if(uses)
            get_filename_component(name ${source} NAME)
            list(APPEND planted_sources ${source})
            list(APPEND planted_names "${name}.o")
        endif()
    endforeach()
    list(JOIN planted_names "|" planted_names)
    add_executable(tdb_sim_planted EXCLUDE_FROM_ALL ${simulator_sources} ${planted_sources}
                   $<TARGET_OBJECTS:tdbplus_harness> $<TARGET_OBJECTS:tdbplus_sim>
                   "$<FILTER:$<TARGET_OBJECTS:tdbplus_objects>,EXCLUDE,/(${planted_names})$>")
    target_compile_definitions(tdb_sim_planted PRIVATE TDBPLUS_PLANTED)
    target_link_libraries(tdb_sim_planted PRIVATE tdbplus_flags)
    target_include_directories(tdb_sim_planted PRIVATE tests/harness tests/sim)
endif()

# A process that is killed while it writes; it sees the public API and the shared library.
add_executable(tdb_kill tests/fault/tdb_kill.c)
target_include_directories(tdb_kill PRIVATE include)
target_compile_definitions(tdb_kill PRIVATE _GNU_SOURCE)
target_compile_options(tdb_kill PRIVATE -Wall -Wextra $<$<BOOL:${TDBPLUS_WERROR}>:-Werror>)
target_link_libraries(tdb_kill PRIVATE tdbplus)
add_test(NAME tdb_kill COMMAND tdb_kill --rounds 20)
set_tests_properties(tdb_kill PROPERTIES LABELS quick TIMEOUT ${quick_seconds})

# What the differential tester talks to (tests/diff/diff.py).
tdbplus_program(diff_worker tests/diff/diff_worker.c)
