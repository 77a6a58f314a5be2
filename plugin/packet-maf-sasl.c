/* packet-maf-sasl.c
 * The DATA of the reference sub-methods: the Internal Test Method and three SASL mechanisms
 *
 * PLAIN is RFC 4616, CRAM-MD5 RFC 2195, SCRAM-SHA-256 RFC 5802 and RFC 7677. DATA that is none of their
 * messages is left to MAF.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "packet-maf-sasl.h"

#include <epan/expert.h>
#include <epan/tap.h>
#include <epan/tfs.h>
#include <wsutil/strtoi.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-protocol.h"

static int proto_sasl = -1;
static int proto_test = -1;

static int hf_plain_authzid = -1;
static int hf_plain_authcid = -1;
static int hf_plain_password = -1;

static int hf_cram_challenge = -1;
static int hf_cram_user = -1;
static int hf_cram_digest = -1;

static int hf_scram_gs2 = -1;
static int hf_scram_authzid = -1;
static int hf_scram_user = -1;
static int hf_scram_nonce = -1;
static int hf_scram_salt = -1;
static int hf_scram_iterations = -1;
static int hf_scram_binding = -1;
static int hf_scram_proof = -1;
static int hf_scram_verifier = -1;
static int hf_scram_error = -1;
static int hf_scram_other = -1;

static int hf_test_data = -1;
static int hf_test_echo = -1;

static int ett_sasl = -1;
static int ett_test = -1;

static int credentials_tap;

static expert_field ei_cleartext = EI_INIT;
static expert_field ei_echo = EI_INIT;

static const char CLEARTEXT[] = "Cleartext password: neither MAF nor TLS encrypts it";
static const char NOT_ECHOED[] = "The client returned different bytes; expected those that the server sent";

static const true_false_string tfs_echo = {"What the server sent", "Not what the server sent"};

static proto_tree *
add_tree(proto_tree *tree, int proto, int ett, tvbuff_t *tvb, const char *title)
{
    proto_item *item;

    if (!tree)
        return NULL;
    item = proto_tree_add_item(tree, proto, tvb, 0, -1, ENC_NA);
    proto_item_append_text(item, ", %s", title);
    return proto_item_add_subtree(item, ett);
}

/* DATA names the user. Of SCRAM, "=2C" in a name stands for a comma and "=3D" for "=" (RFC 5802,
 * section 5.1). */
static void
take_user(packet_info *pinfo, tvbuff_t *tvb, int offset, int length, bool is_scram, maf_payload_t *payload)
{
    char *name = (char *)tvb_get_string_enc(pinfo->pool, tvb, offset, length, ENC_UTF_8);

    payload->note =
        wmem_strdup_printf(pinfo->pool, "user %s", tvb_format_text(pinfo->pool, tvb, offset, length));
    if (is_scram) {
        char *to = name;

        for (const char *from = name; *from; from++) {
            const bool is_comma = !strncmp(from, "=2C", 3);

            if (is_comma || !strncmp(from, "=3D", 3)) {
                *to++ = is_comma ? ',' : '=';
                from += 2;
            } else {
                *to++ = *from;
            }
        }
        *to = '\0';
    }
    payload->user = name;
}

/* Tools, Credentials; `field` is what a click there selects. */
static void
add_credentials(packet_info *pinfo, const char *mechanism, const maf_payload_t *payload, int field)
{
    maf_credential_t *credential;

    if (!have_tap_listener(credentials_tap))
        return;
    credential = wmem_new0(pinfo->pool, maf_credential_t);
    credential->num = credential->username_num = pinfo->num;
    credential->password_hf_id = (unsigned)field;
    credential->username = wmem_strdup(pinfo->pool, payload->user);
    credential->proto = "MAF";
    credential->info = wmem_strdup(pinfo->pool, mechanism);
    tap_queue_packet(credentials_tap, pinfo, credential);
}

/* PLAIN: [authzid] NUL authcid NUL password (RFC 4616, section 2) */

static int
dissect_plain(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_payload_t *payload = (maf_payload_t *)data;
    const int length = (int)tvb_reported_length(tvb);
    const int first = tvb_find_uint8(tvb, 0, -1, '\0');
    const int second = first < 0 ? -1 : tvb_find_uint8(tvb, first + 1, -1, '\0');
    proto_item *password;

    if (!payload || payload->from != MAF_CLIENT || second < 0)
        return 0;
    tree = add_tree(tree, proto_sasl, ett_sasl, tvb, "PLAIN");
    proto_tree_add_item(tree, hf_plain_authzid, tvb, 0, first, ENC_UTF_8);
    proto_tree_add_item(tree, hf_plain_authcid, tvb, first + 1, second - first - 1, ENC_UTF_8);
    password = proto_tree_add_item(tree, hf_plain_password, tvb, second + 1, length - second - 1, ENC_UTF_8);
    take_user(pinfo, tvb, first + 1, second - first - 1, false, payload);
    add_credentials(pinfo, "SASL PLAIN", payload, hf_plain_password);
    if (!proto_is_frame_protocol(pinfo->layers, "tls")) {
        maf_expert_say(pinfo, password, payload->login, payload->from, &ei_cleartext, MAF_NOTE,
                       "maf.sasl.expert.cleartext", CLEARTEXT);
        payload->note = wmem_strdup_printf(pinfo->pool, "%s, cleartext password", payload->note);
    }
    return length;
}

/* CRAM-MD5: a challenge, then a user name, a space and a digest (RFC 2195, section 2) */

static int
dissect_cram_md5(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    enum { DIGEST_LEN = 32 }; /* in hexadecimal digits */
    maf_payload_t *payload = (maf_payload_t *)data;
    const int length = (int)tvb_reported_length(tvb);
    const int space = length - DIGEST_LEN - 1;

    if (!payload || !tvb_ascii_isprint(tvb, 0, -1))
        return 0;
    if (payload->from == MAF_SERVER) {
        if (tvb_get_uint8(tvb, 0) != '<')
            return 0;
        tree = add_tree(tree, proto_sasl, ett_sasl, tvb, "CRAM-MD5 challenge");
        proto_tree_add_item(tree, hf_cram_challenge, tvb, 0, length, ENC_UTF_8);
        payload->note = "challenge";
        return length;
    }
    if (space < 1 || tvb_get_uint8(tvb, space) != ' ')
        return 0;
    tree = add_tree(tree, proto_sasl, ett_sasl, tvb, "CRAM-MD5 response");
    proto_tree_add_item(tree, hf_cram_user, tvb, 0, space, ENC_UTF_8);
    proto_tree_add_item(tree, hf_cram_digest, tvb, space + 1, DIGEST_LEN, ENC_ASCII);
    take_user(pinfo, tvb, 0, space, false, payload);
    add_credentials(pinfo, "SASL CRAM-MD5", payload, hf_cram_user);
    return length;
}

/* SCRAM: attributes, a letter and a value each, between commas (RFC 5802, section 5) */

static const struct {
    char letter;
    int *field;
    const char *note; /* what the message is that has it, in a word; NULL if other attributes do */
} scram_attributes[] = {
    {'a', &hf_scram_authzid, NULL},
    {'n', &hf_scram_user, NULL},
    {'r', &hf_scram_nonce, NULL},
    {'s', &hf_scram_salt, "challenge"},
    {'c', &hf_scram_binding, NULL},
    {'p', &hf_scram_proof, "client's proof"},
    {'v', &hf_scram_verifier, "server's proof"},
    {'e', &hf_scram_error, NULL},
};

static void
dissect_scram_attribute(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, int offset, int length,
                        maf_payload_t *payload)
{
    const int value = offset + 2;
    const int value_length = length - 2;
    const char letter = (char)tvb_get_uint8(tvb, offset);
    uint32_t iterations;

    if (length < 2 || tvb_get_uint8(tvb, offset + 1) != '=') {
        proto_tree_add_item(tree, hf_scram_other, tvb, offset, length, ENC_UTF_8);
        return;
    }
    if (letter == 'n' && payload->from == MAF_CLIENT) {
        take_user(pinfo, tvb, value, value_length, true, payload);
        add_credentials(pinfo, "SASL SCRAM-SHA-256", payload, hf_scram_user);
    }
    if (letter == 'e') {
        payload->note = wmem_strdup_printf(pinfo->pool, "error %s",
                                           tvb_format_text(pinfo->pool, tvb, value, value_length));
        if (payload->round)
            payload->round->refused = true;
    }
    if (letter == 'i' &&
        ws_strtou32(tvb_format_text(pinfo->pool, tvb, value, value_length), NULL, &iterations)) {
        proto_tree_add_uint(tree, hf_scram_iterations, tvb, value, value_length, iterations);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(scram_attributes); i++) {
        if (scram_attributes[i].letter == letter) {
            proto_tree_add_item(tree, *scram_attributes[i].field, tvb, value, value_length, ENC_UTF_8);
            if (scram_attributes[i].note)
                payload->note = scram_attributes[i].note;
            return;
        }
    }
    proto_tree_add_item(tree, hf_scram_other, tvb, offset, length, ENC_UTF_8);
}

/* The title of a message by how it begins, and its GS2 header if it has one; NULL if it is no message of
 * SCRAM. */
static const char *
scram_title(tvbuff_t *tvb, maf_side_t from, bool *has_gs2)
{
    const char first = (char)tvb_get_uint8(tvb, 0);
    const char second = tvb_reported_length(tvb) > 1 ? (char)tvb_get_uint8(tvb, 1) : '\0';

    *has_gs2 = from == MAF_CLIENT &&
               (((first == 'n' || first == 'y') && second == ',') || (first == 'p' && second == '='));
    if (*has_gs2)
        return "client first";
    if (second != '=')
        return NULL;
    if (from == MAF_CLIENT)
        return first == 'c' ? "client final" : NULL;
    if (first == 'v' || first == 'e')
        return "server final";
    return first == 'r' ? "server first" : NULL;
}

static int
dissect_scram(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_payload_t *payload = (maf_payload_t *)data;
    const int length = (int)tvb_reported_length(tvb);
    const char *title;
    bool has_gs2;
    int offset = 0;

    title = payload ? scram_title(tvb, payload->from, &has_gs2) : NULL;
    if (!title)
        return 0;
    tree =
        add_tree(tree, proto_sasl, ett_sasl, tvb, wmem_strdup_printf(pinfo->pool, "SCRAM-SHA-256 %s", title));
    payload->note = title;
    while (offset < length) {
        const int comma = tvb_find_uint8(tvb, offset, -1, ',');
        const int end = comma < 0 ? length : comma;

        if (offset == 0 && has_gs2)
            proto_tree_add_item(tree, hf_scram_gs2, tvb, offset, end - offset, ENC_UTF_8);
        else if (end > offset)
            dissect_scram_attribute(tvb, pinfo, tree, offset, end - offset, payload);
        offset = end + 1;
    }
    return length;
}

/* Internal Test Method: the client returns what the server sent (draft-00, Current MAF
 * Sub-Methods) */

/* What the server sent first in a round of the Internal Test Method. Places are those of maf_payload_t. */
typedef struct {
    uint32_t place;
    uint32_t again;  /* place of what the server sent next; 0 if there is nothing */
    unsigned length; /* in bytes */
    uint8_t octets[];
} sent_t;

static sent_t *
keep_sent(tvbuff_t *tvb, uint32_t place, unsigned length)
{
    sent_t *sent = (sent_t *)wmem_alloc(wmem_file_scope(), sizeof *sent + length);

    *sent = (sent_t){.place = place, .length = length};
    tvb_memcpy(tvb, sent->octets, 0, length);
    return sent;
}

static void
show_echo(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, bool same, const maf_payload_t *payload)
{
    proto_item *item = tree ? proto_tree_add_boolean(tree, hf_test_echo, tvb, 0, 0, same) : NULL;

    proto_item_set_generated(item);
    if (!same)
        maf_expert_say(pinfo, item, payload->login, payload->from, &ei_echo, MAF_NOTE, "maf.test.expert.echo",
                       NOT_ECHOED);
}

static int
dissect_test(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_payload_t *payload = (maf_payload_t *)data;
    const unsigned length = tvb_captured_length(tvb);
    sent_t *sent;
    bool same;

    if (!payload || !payload->round ||
        (payload->instr != MAF_INSTR_DO && payload->instr != MAF_INSTR_PROCESS))
        return 0;
    tree = add_tree(tree, proto_test, ett_test, tvb, payload->from == MAF_SERVER ? "sent" : "returned");
    if (tree)
        proto_tree_add_item(tree, hf_test_data, tvb, 0, (int)length, ENC_NA);

    sent = (sent_t *)payload->round->payload;
    if (payload->from == MAF_SERVER) {
        if (!sent)
            payload->round->payload = keep_sent(tvb, payload->place, length);
        else if (!sent->again && sent->place < payload->place)
            sent->again = payload->place;
        return (int)length;
    }
    /* On a later pass, what is kept may have been sent later. And of several, which one is returned? */
    if (!sent || sent->place > payload->place || (sent->again && sent->again < payload->place) ||
        (payload->round->gap && payload->round->gap <= payload->place))
        return (int)length;
    same = length == sent->length && tvb_memeql(tvb, 0, sent->octets, length) == 0;
    show_echo(tvb, pinfo, tree, same, payload);
    payload->note = same ? "returned unchanged" : "returned changed";
    return (int)length;
}

/* Decode As tells dissectors apart by protocol, so each mechanism is one, in name only. */
static void
register_mechanism(const char *name, const char *filter_name, dissector_t dissector)
{
    const int proto = proto_register_protocol_in_name_only(name, name, filter_name, proto_sasl, FT_PROTOCOL);

    register_dissector(filter_name, dissector, proto);
}

void
proto_register_maf_sasl(void)
{
    static hf_register_info sasl_fields[] = {
        {&hf_plain_authzid,
         {"Authorization identity", "maf.sasl.plain.authzid", FT_STRING, BASE_NONE, NULL, 0,
          "User to act as, if not the one who logs in", HFILL}},
        {&hf_plain_authcid,
         {"Authentication identity", "maf.sasl.plain.authcid", FT_STRING, BASE_NONE, NULL, 0,
          "Name of the user who logs in", HFILL}},
        {&hf_plain_password,
         {"Password", "maf.sasl.plain.password", FT_STRING, BASE_NONE, NULL, 0,
          "Password of the user: a cleartext password unless the connection uses TLS", HFILL}},
        {&hf_cram_challenge,
         {"Challenge", "maf.sasl.cram.challenge", FT_STRING, BASE_NONE, NULL, 0,
          "Text from the server; its digest proves that the client knows the password", HFILL}},
        {&hf_cram_user,
         {"User", "maf.sasl.cram.user", FT_STRING, BASE_NONE, NULL, 0, "Name of the user who logs in",
          HFILL}},
        {&hf_cram_digest,
         {"Digest", "maf.sasl.cram.digest", FT_STRING, BASE_NONE, NULL, 0,
          "HMAC-MD5 of the challenge, keyed with the password, in hexadecimal", HFILL}},
        {&hf_scram_gs2,
         {"GS2 flag", "maf.sasl.scram.gs2", FT_STRING, BASE_NONE, NULL, 0,
          "Channel binding: n, the client does not support it; y, the client supports it but thinks that the "
          "server does not; p, it is required",
          HFILL}},
        {&hf_scram_authzid,
         {"Authorization identity (a)", "maf.sasl.scram.authzid", FT_STRING, BASE_NONE, NULL, 0,
          "User to act as", HFILL}},
        {&hf_scram_user,
         {"User (n)", "maf.sasl.scram.user", FT_STRING, BASE_NONE, NULL, 0, "Name of the user who logs in",
          HFILL}},
        {&hf_scram_nonce,
         {"Nonce (r)", "maf.sasl.scram.nonce", FT_STRING, BASE_NONE, NULL, 0,
          "Random text against replay: that of the client, followed by that of the server once it has one",
          HFILL}},
        {&hf_scram_salt,
         {"Salt (s)", "maf.sasl.scram.salt", FT_STRING, BASE_NONE, NULL, 0,
          "Random bytes with which the password is hashed, in Base64", HFILL}},
        {&hf_scram_iterations,
         {"Iterations (i)", "maf.sasl.scram.iterations", FT_UINT32, BASE_DEC, NULL, 0,
          "Number of times that the password is hashed: more of them make guessing slower", HFILL}},
        {&hf_scram_binding,
         {"Channel binding (c)", "maf.sasl.scram.binding", FT_STRING, BASE_NONE, NULL, 0,
          "The GS2 header again, and data of the channel that the login is bound to, in Base64", HFILL}},
        {&hf_scram_proof,
         {"Client proof (p)", "maf.sasl.scram.proof", FT_STRING, BASE_NONE, NULL, 0,
          "Proves that the client knows the password, in Base64", HFILL}},
        {&hf_scram_verifier,
         {"Server signature (v)", "maf.sasl.scram.verifier", FT_STRING, BASE_NONE, NULL, 0,
          "Proves that the server has the secret that the password is checked against, in Base64", HFILL}},
        {&hf_scram_error,
         {"Server error (e)", "maf.sasl.scram.error", FT_STRING, BASE_NONE, NULL, 0,
          "Why the server refuses the user", HFILL}},
        {&hf_scram_other,
         {"Attribute", "maf.sasl.scram.other", FT_STRING, BASE_NONE, NULL, 0,
          "An extension of SCRAM, as letter and value; or iterations that are not a number below 2^32",
          HFILL}},
    };
    static hf_register_info test_fields[] = {
        {&hf_test_data,
         {"Bytes", "maf.test.data", FT_BYTES, BASE_SHOW_ASCII_PRINTABLE, NULL, 0,
          "What the server sends and the client must return unchanged", HFILL}},
        {&hf_test_echo,
         {"Returned", "maf.test.echo", FT_BOOLEAN, BASE_NONE, TFS(&tfs_echo), 0,
          "Whether the client returned what the server sent", HFILL}},
    };
    static ei_register_info sasl_experts[] = {
        {&ei_cleartext,
         {"maf.sasl.expert.cleartext", PI_SECURITY, PI_NOTE, CLEARTEXT,
          MAF_EXPFILL("The sub-method sends the password unencrypted, and the connection does not use TLS")}},
    };
    static ei_register_info test_experts[] = {
        {&ei_echo,
         {"maf.test.expert.echo", PI_PROTOCOL, PI_NOTE, NOT_ECHOED,
          MAF_EXPFILL("In the Internal Test Method the client must return the server's bytes unchanged")}},
    };
    static int *ett[] = {&ett_sasl, &ett_test};

    proto_sasl = proto_register_protocol("MAF SASL", "MAF SASL", "maf.sasl");
    proto_register_field_array(proto_sasl, sasl_fields, G_N_ELEMENTS(sasl_fields));
    expert_register_field_array(expert_register_protocol(proto_sasl), sasl_experts,
                                G_N_ELEMENTS(sasl_experts));
    proto_test = proto_register_protocol("MAF Internal Test Method", "MAF Test", "maf.test");
    proto_register_field_array(proto_test, test_fields, G_N_ELEMENTS(test_fields));
    expert_register_field_array(expert_register_protocol(proto_test), test_experts,
                                G_N_ELEMENTS(test_experts));
    proto_register_subtree_array(ett, G_N_ELEMENTS(ett));
    credentials_tap = register_tap("credentials");

    register_mechanism("MAF SASL PLAIN", "maf.sasl.plain", dissect_plain);
    register_mechanism("MAF SASL CRAM-MD5", "maf.sasl.cram_md5", dissect_cram_md5);
    register_mechanism("MAF SASL SCRAM-SHA-256", "maf.sasl.scram_sha_256", dissect_scram);
    register_dissector("maf.test", dissect_test, proto_test);
}

void
proto_reg_handoff_maf_sasl(void)
{
    maf_methods_add(MAF_METHOD_INTERNAL_TEST, "maf.test", dissect_test, proto_test);
    maf_methods_add(MAF_METHOD_SASL_PLAIN, "maf.sasl.plain", dissect_plain, proto_sasl);
    maf_methods_add(MAF_METHOD_SASL_CRAM_MD5, "maf.sasl.cram_md5", dissect_cram_md5, proto_sasl);
    maf_methods_add(MAF_METHOD_SASL_SCRAM_SHA_256, "maf.sasl.scram_sha_256", dissect_scram, proto_sasl);
}
