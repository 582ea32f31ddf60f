# cmake --install: library, archive, public headers, pkg-config file, CMake package, shell, manual.

include(CMakePackageConfigHelpers)

# The archive does not carry its dependencies, so the files below name them for static linking.
set(static_flags)
foreach(library IN LISTS tdbplus_libraries)
    if(library STREQUAL "Threads::Threads")
        list(APPEND static_flags -pthread)
    elseif(library MATCHES "^[/-]")
        list(APPEND static_flags ${library})
    else()
        list(APPEND static_flags -l${library})
    endif()
endforeach()
if(sources MATCHES "\\.cc(;|$)")
    list(APPEND static_flags -lstdc++)
endif()
string(REPLACE ";" " " TDBPLUS_LIBS_PRIVATE "${static_flags}")
set(TDBPLUS_STATIC_LIBRARIES "${static_flags}")

file(RELATIVE_PATH TDBPLUS_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/tdbplus.pc.in tdbplus.pc @ONLY)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/TDBPlus)
configure_package_config_file(cmake/TDBPlusConfig.cmake.in TDBPlusConfig.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(TDBPlusConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS tdbplus LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libtdbplus.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tdbplus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/tdbplus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/TDBPlusConfig.cmake ${CMAKE_BINARY_DIR}/TDBPlusConfigVersion.cmake
        DESTINATION ${package_dir})
if(TARGET tdb)
    install(TARGETS tdb RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES tools/completion/tdb.bash RENAME tdb
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
# What tdb demo tells and loads.
install(FILES examples/load.sql examples/tour.sql DESTINATION ${CMAKE_INSTALL_DATADIR}/tdbplus/examples)
install(DIRECTORY examples/data DESTINATION ${CMAKE_INSTALL_DATADIR}/tdbplus/examples)
install(FILES deploy/tdb.service DESTINATION lib/systemd/system)
install(FILES deploy/tdb.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/tdbplus)
file(GLOB manuals CONFIGURE_DEPENDS docs/man/*.1)
if(manuals)
    install(FILES ${manuals} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
