# SPDX-License-Identifier: GPL-2.0-or-later
# The two Debian packages, one for each install component. tools/package builds them.

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL plugin tools)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/cpack-debian.cmake")

# A plugin fits one series of Wireshark, and both packages the libraries of one Debian; so the version names it.
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)" series "${WIRESHARK_VERSION}")
math(EXPR next "${CMAKE_MATCH_2} + 1")
set(next "${CMAKE_MATCH_1}.${next}")
set(CPACK_DEBIAN_PACKAGE_RELEASE "1+ws${series}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each has its own
set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")

set(CPACK_DEBIAN_PLUGIN_PACKAGE_NAME wireshark-plugin-maf)
set(CPACK_DEBIAN_PLUGIN_PACKAGE_DEPENDS "libwireshark-data (>= ${series}~), libwireshark-data (<< ${next}~)")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_RECOMMENDS "wireshark | tshark")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_SUGGESTS maf-tools)
set(CPACK_DEBIAN_PLUGIN_DESCRIPTION "Wireshark dissector for the Multi-Authentication Framework of SOCKS 5
Shows logins at SOCKS 5 servers by several authentication methods one after
another (METHOD 8, draft-ietf-aft-socks-maf), says which side broke which rule
of the draft, and follows what goes through the proxy after the login.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME maf-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS python3)
set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS "wireshark-plugin-maf, tshark")
set(CPACK_DEBIAN_TOOLS_DESCRIPTION "SOCKS 5 server and client with multi-method authentication
The reference server and client of the Multi-Authentication Framework for
SOCKS 5 (METHOD 8, draft-ietf-aft-socks-maf), to try and to test with, and
maf-lint, which tells what the logins in captures came to.")

include(CPack)
