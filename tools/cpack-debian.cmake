# SPDX-License-Identifier: GPL-2.0-or-later
# Gives the folders that cpack is about to make packages of what Debian's policy wants to see there.

string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER "${component}" which)
    set(package "${CPACK_DEBIAN_${which}_PACKAGE_NAME}")
    set(files "${CPACK_TEMPORARY_DIRECTORY}/${component}${CPACK_PACKAGING_INSTALL_PREFIX}")
    set(doc "${files}/share/doc/${package}")
    if(EXISTS "${files}/share/doc/${CPACK_PACKAGE_NAME}")
        file(RENAME "${files}/share/doc/${CPACK_PACKAGE_NAME}" "${doc}")
    endif()

    file(WRITE "${doc}/copyright"
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: MAF for Wireshark\n\n"
        "Files: *\n"
        "Copyright: 2026 the authors of MAF for Wireshark\n"
        "License: GPL-2+\n"
        " This is free software; you can redistribute it and/or modify it under the terms\n"
        " of the GNU General Public License as published by the Free Software Foundation;\n"
        " either version 2 of the License, or (at your option) any later version. It comes\n"
        " without any warranty. On Debian systems the text of the license is in\n"
        " /usr/share/common-licenses/GPL-2.\n")
    file(WRITE "${doc}/changelog.Debian"
        "${package} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
        "  * Built from the source by cpack; what is new stands in changelog.gz.\n\n"
        " -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
    file(COPY_FILE "${CMAKE_CURRENT_LIST_DIR}/../CHANGELOG.md" "${doc}/changelog")
    file(GLOB pages "${files}/share/man/man?/*")
    execute_process(COMMAND gzip -9n ${pages} "${doc}/changelog" "${doc}/changelog.Debian" COMMAND_ERROR_IS_FATAL ANY)

    file(GLOB programs "${files}/bin/*")
    if(programs)
        execute_process(COMMAND sed -i "1s|^#!/usr/bin/env python3$|#!/usr/bin/python3|" ${programs}
            COMMAND_ERROR_IS_FATAL ANY)
    endif()
endforeach()
