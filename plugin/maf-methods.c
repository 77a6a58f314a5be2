/* maf-methods.c
 * What is known of a METHOD: its name, and who dissects its DATA. Lists of METHODs are in maf-message.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-methods.h"

#include <epan/decode_as.h>
#include <epan/exceptions.h>
#include <epan/guid-utils.h>
#include <epan/proto_data.h>
#include <epan/show_exception.h>
#include <epan/to_str.h>
#include <epan/uat.h>
#include <wsutil/to_str.h>

#include "maf-protocol.h"

static int proto_maf;
static dissector_table_t numbers; /* maf.method */
static dissector_table_t uuids;   /* maf.method.uuid */

/* The user's table */

typedef struct {
    char *id; /* as the user wrote it */
    char *name;
    char *payload_name;
    dissector_handle_t payload;
    uint8_t octets[MAF_LONG_ID_LEN];
    maf_id_t parsed; /* points to bytes */
} row_t;

static row_t *rows;
static unsigned row_count;
static GHashTable *rows_by_id;

UAT_CSTRING_CB_DEF(row, id, row_t)
UAT_CSTRING_CB_DEF(row, name, row_t)
MAF_UAT_DISSECTOR_DEF(row, payload, payload, payload_name, row_t)

static unsigned
id_hash(const void *key)
{
    const maf_id_t *id = (const maf_id_t *)key;

    return id->length == MAF_COMPACT_ID_LEN ? id->compact : wmem_strong_hash(id->octets, id->length);
}

static gboolean
id_equal(const void *a, const void *b)
{
    return maf_id_equal((const maf_id_t *)a, (const maf_id_t *)b);
}

static bool
parse_uuid(const char *text, uint8_t octets[MAF_LONG_ID_LEN])
{
    if (!g_uuid_string_is_valid(text))
        return false;
    for (unsigned i = 0; i < MAF_LONG_ID_LEN; i++) {
        if (*text == '-')
            text++;
        octets[i] = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        text += 2;
    }
    return true;
}

/* "0x00000101", "101" or a UUID. */
static bool
parse_id(const char *text, uint8_t octets[MAF_LONG_ID_LEN], maf_id_t *id)
{
    uint64_t number;

    if (parse_uuid(text, octets)) {
        *id = maf_id_read(octets, MAF_LONG_ID_LEN);
        return true;
    }
    if (g_ascii_strncasecmp(text, "0x", 2) == 0)
        text += 2;
    if (!g_ascii_string_to_unsigned(text, 16, 0, UINT32_MAX, &number, NULL))
        return false;
    for (unsigned i = 0; i < MAF_COMPACT_ID_LEN; i++)
        octets[i] = (uint8_t)(number >> (8 * (MAF_COMPACT_ID_LEN - 1 - i)));
    *id = maf_id_read(octets, MAF_COMPACT_ID_LEN);
    return true;
}

static maf_uat_bool_t
row_update(void *record, char **error)
{
    row_t *row = (row_t *)record;
    char *name = row->name;

    row->name = g_utf8_make_valid(name, -1); /* a file may have anything, and JSON may not */
    g_free(name);
    g_strstrip(row->id);
    g_strstrip(row->name);
    if (!parse_id(row->id, row->octets, &row->parsed)) {
        *error = g_strdup_printf("\"%s\" is not the id of a sub-method: expected a hexadecimal number up to "
                                 "FFFFFFFF, or a UUID",
                                 row->id);
        return FALSE;
    }
    if (!*row->name) {
        *error = g_strdup_printf("Sub-method %s has no name", row->id);
        return FALSE;
    }
    *error = NULL;
    return TRUE;
}

static void *
row_copy(void *to, const void *from, size_t size _U_)
{
    row_t *copy = (row_t *)to;
    const row_t *row = (const row_t *)from;

    *copy = *row;
    copy->id = g_strdup(row->id);
    copy->name = g_strdup(row->name);
    copy->payload_name = g_strdup(row->payload_name);
    copy->parsed.octets = copy->octets;
    return copy;
}

static void
row_free(void *record)
{
    row_t *row = (row_t *)record;

    g_free(row->id);
    g_free(row->name);
    g_free(row->payload_name);
}

static void
rows_reset(void)
{
    if (rows_by_id)
        g_hash_table_destroy(rows_by_id);
    rows_by_id = NULL;
}

static void
rows_changed(void)
{
    rows_reset();
    rows_by_id = g_hash_table_new(id_hash, id_equal);
    for (unsigned i = 0; i < row_count; i++) {
        rows[i].parsed.octets = rows[i].octets; /* rows move when the table grows */
        g_hash_table_insert(rows_by_id, &rows[i].parsed, &rows[i]);
    }
}

static const row_t *
row_of(const maf_id_t *id)
{
    return rows_by_id ? (const row_t *)g_hash_table_lookup(rows_by_id, id) : NULL;
}

static void
register_rows(module_t *preferences)
{
    static uat_field_t fields[] = {
        UAT_FLD_CSTRING(row, id, "Sub-method", "Hexadecimal number (00000101) or UUID"),
        UAT_FLD_CSTRING(row, name, "Name", "Name of the sub-method"),
        MAF_UAT_FLD_DISSECTOR(row, payload, "Payload dissector", "Dissector for its DATA; may be empty"),
        UAT_END_FIELDS,
    };
    uat_t *uat = uat_new("MAF sub-methods", sizeof(row_t), "maf_methods", TRUE, &rows, &row_count,
                         UAT_AFFECTS_DISSECTION, NULL, row_copy, row_update, row_free, rows_changed,
                         rows_reset, fields);

    prefs_register_uat_preference(preferences, "methods", "Sub-methods",
                                  "Names of sub-methods, and dissectors for their DATA", uat);
}

/* Names */

typedef struct {
    uint32_t number;
    const char *uuid;
    const char *name;
    uint8_t octets[MAF_LONG_ID_LEN]; /* of the UUID */
} reference_t;

#define REFERENCE(number, uuid, name) {number, uuid, name, {0}},
static reference_t references[] = {MAF_REFERENCE_METHODS(REFERENCE)};
#undef REFERENCE

#define METHOD_NAME(value, name) {value, name},
static const value_string reserved_names[] = {MAF_METHODS(METHOD_NAME){0, NULL}};
#undef METHOD_NAME

static const char *
reference_name(const maf_id_t *id)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(references); i++) {
        if (id->length == MAF_LONG_ID_LEN ? !memcmp(id->octets, references[i].octets, MAF_LONG_ID_LEN)
                                          : maf_id_is(id, references[i].number))
            return references[i].name;
    }
    return NULL;
}

static const char *
own_name(const maf_id_t *id)
{
    const row_t *row = row_of(id);
    const char *name = NULL;

    if (row)
        return row->name;
    if (id->length == MAF_COMPACT_ID_LEN)
        name = try_val_to_str(id->compact, reserved_names);
    return name ? name : reference_name(id);
}

static const char *
range_name(unsigned revision, const maf_id_t *id)
{
    if (id->length != MAF_COMPACT_ID_LEN)
        return id->length == MAF_LONG_ID_LEN ? "UUID method" : "Unassigned method";
    if (id->compact >= MAF_METHOD_GENERAL_FIRST)
        return "General authentication method";
    if (revision == MAF_VER_01 && id->compact < MAF_METHOD_PROPRIETARY_FIRST_01)
        return "Reserved method";
    return "Proprietary method";
}

const char *
maf_method_name(unsigned revision, const maf_id_t *id)
{
    const char *name = own_name(id);

    return name ? name : range_name(revision, id);
}

const char *
maf_method_label(wmem_allocator_t *pool, unsigned revision, const maf_id_t *id)
{
    const char *name = own_name(id);

    return name ? name : wmem_strdup_printf(pool, "%s %s", range_name(revision, id), maf_id_text(pool, id));
}

static e_guid_t
guid_of(const maf_id_t *id)
{
    const uint8_t *octets = id->octets;
    e_guid_t guid = {
        .data1 = maf_id_read(octets, MAF_COMPACT_ID_LEN).compact,
        .data2 = (uint16_t)(octets[4] << 8 | octets[5]),
        .data3 = (uint16_t)(octets[6] << 8 | octets[7]),
    };

    memcpy(guid.data4, octets + 8, sizeof guid.data4);
    return guid;
}

const char *
maf_id_text(wmem_allocator_t *pool, const maf_id_t *id)
{
    if (id->length == MAF_COMPACT_ID_LEN)
        return wmem_strdup_printf(pool, "0x%08x", id->compact);
    if (id->length == MAF_LONG_ID_LEN) {
        const e_guid_t guid = guid_of(id);

        return guid_to_str(pool, &guid);
    }
    return id->length ? bytes_to_str(pool, id->octets, id->length) : "(empty)";
}

/* DATA */

/* The payload dissectors of the reference sub-methods */
typedef struct {
    dissector_handle_t handle;
    dissector_t dissector;
    protocol_t *protocol;
    int fields; /* id of the protocol whose fields it adds */
} own_t;

static own_t own[8];
static unsigned own_count;
static int hf_frame_protocols = -1;
static int proto_expert = -1;

/* The dissector that the user's table has for it, unless Decode As overrules that; or NULL. */
static dissector_handle_t
chosen_for(const maf_id_t *id)
{
    const row_t *row = row_of(id);

    if (!row || !row->payload_name || !*row->payload_name)
        return NULL;
    if (id->length == MAF_COMPACT_ID_LEN && dissector_is_uint_changed(numbers, id->compact))
        return NULL;
    return row->payload;
}

static dissector_handle_t
registered_for(const maf_id_t *id)
{
    if (id->length == MAF_COMPACT_ID_LEN)
        return dissector_get_uint_handle(numbers, id->compact);
    if (id->length == MAF_LONG_ID_LEN) {
        guid_key key = {.guid = guid_of(id)};

        return dissector_get_guid_handle(uuids, &key);
    }
    return NULL;
}

static void
clear_if_found(const char *table _U_, void *handle, void *wanted)
{
    dissector_handle_t *left = (dissector_handle_t *)wanted;

    if (*left == (dissector_handle_t)handle)
        *left = NULL;
}

/* Is it in one of our tables, for whatever METHOD? Only then does it know what a maf_payload_t is. */
static bool
is_registered(dissector_handle_t handle)
{
    dissector_table_foreach_handle("maf.method", clear_if_found, &handle);
    dissector_table_foreach_handle("maf.method.uuid", clear_if_found, &handle);
    return !handle;
}

/* Expert infos are registered after dissectors. */
static void
find_fields(void)
{
    hf_frame_protocols = proto_registrar_get_id_byname("frame.protocols");
    proto_expert = proto_registrar_get_id_byname("_ws.expert");
}

bool
maf_shows_layers(proto_tree *tree)
{
    return tree && proto_field_is_referenced(tree, hf_frame_protocols);
}

/* The one of `own` to call without a layer of its own, which nothing would show; or NULL. */
static const own_t *
directly_callable(dissector_handle_t handle, proto_tree *tree)
{
    if (maf_shows_layers(tree))
        return NULL;
    for (unsigned i = 0; i < own_count; i++) {
        if (own[i].handle == handle)
            return proto_is_protocol_enabled(own[i].protocol) ? &own[i] : NULL;
    }
    return NULL;
}

static int
call_directly(const own_t *callee, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const bool wanted = tree && (proto_field_is_referenced(tree, callee->fields) ||
                                 proto_field_is_referenced(tree, proto_expert));

    return callee->dissector(tvb, pinfo, wanted ? tree : NULL, data);
}

/* Not inlined: TRY saves the function's state. */
static bool G_GNUC_NO_INLINE
try_dissector(dissector_handle_t handle, const own_t *directly, tvbuff_t *tvb, packet_info *pinfo,
              proto_tree *tree, void *data)
{
    volatile bool taken = true;

    TRY
    {
        taken = (directly ? call_directly(directly, tvb, pinfo, tree, data)
                          : call_dissector_only(handle, tvb, pinfo, tree, data)) > 0;
    }
    CATCH_NONFATAL_ERRORS
    {
        show_exception(tvb, pinfo, tree, EXCEPT_CODE, GET_MESSAGE);
    }
    ENDTRY;
    return taken;
}

bool
maf_try_dissector(dissector_handle_t handle, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return try_dissector(handle, NULL, tvb, pinfo, tree, data);
}

bool
maf_dissect_data(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_id_t *id,
                 maf_payload_t *payload)
{
    const dissector_handle_t chosen = chosen_for(id);
    const dissector_handle_t handle = chosen ? chosen : registered_for(id);
    const bool writable = col_get_writable(pinfo->cinfo, -1);
    bool taken;

    if (tree && id->length == MAF_COMPACT_ID_LEN && !p_get_proto_data(pinfo->pool, pinfo, proto_maf, 0))
        p_add_proto_data(pinfo->pool, pinfo, proto_maf, 0, GUINT_TO_POINTER(id->compact)); /* for Decode As */
    if (!handle)
        return false;

    col_set_writable(pinfo->cinfo, -1, false); /* the columns are those of MAF */
    taken = try_dissector(handle, chosen ? NULL : directly_callable(handle, tree), tvb, pinfo, tree,
                          chosen && !is_registered(chosen) ? NULL : payload);
    col_set_writable(pinfo->cinfo, -1, writable);
    return taken;
}

void
maf_methods_add(uint32_t number, const char *name, dissector_t dissector, int fields)
{
    const dissector_handle_t handle = find_dissector(name);

    if (own_count < G_N_ELEMENTS(own)) {
        own[own_count++] = (own_t){handle, dissector,
                                   find_protocol_by_id(dissector_handle_get_protocol_index(handle)), fields};
    }
    dissector_add_uint("maf.method", number, handle);
    for (unsigned i = 0; i < G_N_ELEMENTS(references); i++) {
        if (references[i].number == number) {
            const maf_id_t id = maf_id_read(references[i].octets, MAF_LONG_ID_LEN);
            guid_key *key = wmem_new0(wmem_epan_scope(), guid_key); /* the table keeps it */

            key->guid = guid_of(&id);
            dissector_add_guid("maf.method.uuid", key, handle);
        }
    }
}

static void
decode_as_prompt(packet_info *pinfo, char *result)
{
    const uint32_t number = GPOINTER_TO_UINT(p_get_proto_data(pinfo->pool, pinfo, proto_maf, 0));

    snprintf(result, MAX_DECODE_AS_PROMPT_LEN, "MAF sub-method 0x%08x as", number);
}

static void *
decode_as_value(packet_info *pinfo)
{
    return p_get_proto_data(pinfo->pool, pinfo, proto_maf, 0);
}

void
maf_methods_register(int proto, module_t *preferences)
{
    static build_valid_func values[] = {decode_as_value};
    static decode_as_value_t value = {decode_as_prompt, 1, values};
    static decode_as_t decode_as = {
        "maf",
        "maf.method",
        1,
        0,
        &value,
        NULL,
        NULL,
        decode_as_default_populate_list,
        decode_as_default_reset,
        decode_as_default_change,
        NULL,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(references); i++)
        parse_uuid(references[i].uuid, references[i].octets);
    proto_maf = proto;
    register_init_routine(find_fields);
    numbers = register_dissector_table("maf.method", "MAF sub-method", proto, FT_UINT32, BASE_HEX);
    uuids = register_dissector_table("maf.method.uuid", "MAF sub-method UUID", proto, FT_GUID, 0);
    register_decode_as(&decode_as);
    register_rows(preferences);
}
