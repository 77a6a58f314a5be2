/* maf-compat.h
 * What differs between Wireshark 4.0, 4.2, 4.4 and 4.6; compat.cmake asks the headers for it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_COMPAT_H
#define MAF_COMPAT_H

#define WS_LOG_DOMAIN "MAF"

#include <wireshark.h>
#include <ws_version.h>

#include <epan/packet.h>

/* What callbacks return, and the type of a preference: 4.2 has bool in some headers only. */
#ifdef MAF_HAVE_BOOL
typedef bool maf_bool_t;
#else
typedef gboolean maf_bool_t;
#endif

#ifdef MAF_HAVE_UAT_BOOL
typedef bool maf_uat_bool_t;
#else
typedef gboolean maf_uat_bool_t;
#endif

#ifdef MAF_HAVE_WMEM_BOOL
typedef bool maf_wmem_bool_t;
#else
typedef gboolean maf_wmem_bool_t;
#endif

#ifdef MAF_HAVE_PLUGIN_DESC
#include <wsutil/plugins.h>
#define MAF_PLUGIN_DESCRIPTION WS_PLUGIN_DESC_DISSECTOR
#else
#define MAF_PLUGIN_DESCRIPTION 0
#endif

#ifdef MAF_HAVE_UAT_DISSECTOR
#define MAF_UAT_DISSECTOR_DEF UAT_DISSECTOR_DEF
#define MAF_UAT_FLD_DISSECTOR UAT_FLD_DISSECTOR
#else
#define MAF_UAT_DISSECTOR_DEF UAT_PROTO_DEF
#define MAF_UAT_FLD_DISSECTOR UAT_FLD_PROTO
#endif

#ifdef MAF_HAVE_FILTER_USER_DATA
#define MAF_FILTER_USER_DATA    , void *user_data _U_
#define MAF_NO_FILTER_USER_DATA , NULL
#else
#define MAF_FILTER_USER_DATA
#define MAF_NO_FILTER_USER_DATA
#endif

#ifndef MAF_HAVE_TVB_UINT8
#define tvb_find_uint8 tvb_find_guint8
#define tvb_get_uint8  tvb_get_guint8
#endif

#ifndef MAF_HAVE_TRY_UINT_WITH_DATA
#define dissector_try_uint_with_data dissector_try_uint_new
#endif

/* Its header, epan/dissectors/packet-tls-utils.h, cannot be read without those of libgcrypt. */
extern void tls_set_appdata_dissector(dissector_handle_t tls_handle, packet_info *pinfo,
                                      dissector_handle_t app_handle);

/* What the function returns that sets a statistic up. */
#ifdef MAF_HAVE_STAT_INIT_BOOL
typedef bool maf_stat_init_t;
#define MAF_STAT_INIT_DONE   true
#define MAF_STAT_INIT_FAILED false
#else
typedef void maf_stat_init_t;
#define MAF_STAT_INIT_DONE
#define MAF_STAT_INIT_FAILED
#endif

/* What the tap "credentials" takes; no header that is installed has it. The same in 4.0 to 4.6. */
typedef struct {
    unsigned num;            /* of the packet */
    unsigned username_num;   /* of the packet that names the user */
    unsigned password_hf_id; /* field that the GUI selects: the password, or the user if there is none */
    char *username;
    const char *proto;
    char *info; /* may be NULL */
} maf_credential_t;

#endif /* MAF_COMPAT_H */
