# SPDX-License-Identifier: GPL-2.0-or-later
# The plugin built as a part of Wireshark, as on Windows: a copy of this folder is plugins/epan/maf in Wireshark's source,
# and CMakeListsCustom.txt at the top of it says: set(CUSTOM_PLUGIN_SRC_DIR plugins/epan/maf)
# Wireshark itself does this only after its plugins.
configure_file("${CMAKE_SOURCE_DIR}/ws_version.h.in" "${CMAKE_BINARY_DIR}/ws_version.h")
get_property(maf_include_directories DIRECTORY PROPERTY INCLUDE_DIRECTORIES)
include(compat.cmake)

include(version.cmake)
string(REPLACE "." ";" version "${MAF_VERSION}")
set_module_info(maf ${version} 0)
set(PLUGIN_FILES ${maf_sources})
add_wireshark_plugin_library(maf epan)
target_compile_definitions(maf PRIVATE MAF_VERSION="${MAF_VERSION}")
target_link_libraries(maf epan)
install_plugin(maf epan)
