# SPDX-License-Identifier: GPL-2.0-or-later
# Asks the headers of Wireshark what they have, and defines each answer that is yes; maf-compat.h makes up for the rest.
# Versions do not tell: some of this changed between two releases of a series. -DMAF_HAVE_...=OFF overrides an answer.
# Expects maf_libraries, or maf_include_directories, to say where the headers are.

# Compiled, not linked: inside Wireshark's own tree there is nothing to link with yet.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# A pointer of the wrong type is only a warning to some compilers.
if(MSVC)
    set(maf_errors /we4013 /we4133)
else()
    set(maf_errors -Werror=implicit-function-declaration -Werror=incompatible-pointer-types)
endif()
set(maf_trials "${CMAKE_BINARY_DIR}/CMakeFiles/maf")

# maf_compiles(ANSWER CODE): whether this compiles
function(maf_compiles answer code)
    if(NOT DEFINED ${answer})
        message(CHECK_START "${answer}")
        file(WRITE "${maf_trials}/${answer}.c" "
            #include <wireshark.h>
            #include <epan/packet.h>
            #include <epan/conversation_filter.h>
            #include <epan/prefs.h>
            #include <epan/uat.h>
            ${code}")
        try_compile(${answer} "${maf_trials}/${answer}" "${maf_trials}/${answer}.c"
            CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${maf_include_directories}"
            COMPILE_DEFINITIONS ${maf_errors}
            LINK_LIBRARIES ${maf_libraries}
            OUTPUT_VARIABLE output)
        if(${answer})
            message(CHECK_PASS yes)
        else()
            message(CHECK_FAIL no)
        endif()
        set(maf_output "${output}" PARENT_SCOPE)
    endif()
    if(${answer})
        add_compile_definitions(${answer})
    endif()
endfunction()

maf_compiles(MAF_HAVE_WIRESHARK_HEADERS "")
if(NOT MAF_HAVE_WIRESHARK_HEADERS)
    unset(MAF_HAVE_WIRESHARK_HEADERS CACHE)
    message(FATAL_ERROR "Wireshark's headers do not compile (on Debian they are in libwireshark-dev):\n${maf_output}")
endif()

# Since 4.2
maf_compiles(MAF_HAVE_FILTER_USER_DATA
    "void f(void) { register_conversation_filter(\"\", \"\", NULL, NULL, NULL); }")
maf_compiles(MAF_HAVE_UAT_BOOL
    "bool update(void *, char **);
     uat_update_cb_t f(void) { return update; }")
maf_compiles(MAF_HAVE_UAT_DISSECTOR
    "typedef struct { dissector_handle_t handle; char *name; } row_t;
     UAT_DISSECTOR_DEF(row, handle, handle, name, row_t)")
maf_compiles(MAF_HAVE_WMEM_BOOL
    "bool freed(wmem_allocator_t *, wmem_cb_event_t, void *);
     wmem_user_cb_t f(void) { return freed; }")

# Since 4.4
maf_compiles(MAF_HAVE_STAT_INIT_BOOL
    "#include <epan/stat_tap_ui.h>
     bool set_up(const char *, void *);
     stat_tap_init_cb f(void) { return set_up; }")
maf_compiles(MAF_HAVE_BOOL
    "bool heuristic(tvbuff_t *, packet_info *, proto_tree *, void *);
     void f(bool *preference)
     {
         prefs_register_bool_preference(NULL, \"\", \"\", \"\", preference);
         heur_dissector_add(\"\", heuristic, \"\", \"\", 0, HEURISTIC_ENABLE);
     }")
maf_compiles(MAF_HAVE_PLUGIN_DESC
    "#include <wsutil/plugins.h>
     uint32_t f(void) { return WS_PLUGIN_DESC_DISSECTOR; }")
maf_compiles(MAF_HAVE_TVB_UINT8
    "int f(tvbuff_t *tvb) { return tvb_find_uint8(tvb, 0, -1, tvb_get_uint8(tvb, 0)); }")

# Since 4.6
maf_compiles(MAF_HAVE_TRY_UINT_WITH_DATA
    "int f(dissector_table_t table) { return dissector_try_uint_with_data(table, 0, NULL, NULL, NULL, false, NULL); }")

file(REMOVE_RECURSE "${maf_trials}")
unset(CMAKE_TRY_COMPILE_TARGET_TYPE)
