/* maf-method.h
 * Sub-methods: the modules that MAF runs one after the other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_METHOD_H
#define MAF_METHOD_H

#include "maf-pdu.h"
#include "maf-users.h"

typedef enum maf_side { MAF_CLIENT, MAF_SERVER } maf_side_t;

/* What the user configured for the sub-methods. Must outlive the runs that use it. */
typedef struct maf_settings {
    GBytes *test_data;                    /* what the server's Internal Test Method sends */
    const maf_users_t *users;             /* whom the server knows, or NULL */
    const maf_credentials_t *credentials; /* who the client is, or NULL */
} maf_settings_t;

/* What a module says of itself after a step. */
typedef enum maf_verdict {
    MAF_VERDICT_OPEN,      /* waits for the other side's octets */
    MAF_VERDICT_SUCCEEDED, /* done, and satisfied */
    MAF_VERDICT_FAILED,    /* done, and not */
    MAF_VERDICT_BROKEN,    /* the other side broke the sub-method's own rules; a client's module only */
} maf_verdict_t;

typedef struct maf_method {
    guint32 id;
    const char *name;
    const char *word;  /* what it is called in a policy */
    maf_secret_t need; /* what the server must know of a user for it */
    gboolean slow; /* a step of the server's may take a processor's time for as long as a person notices */

    /* A new run of this side's module, or NULL when `settings` lack what it takes. */
    gpointer (*start)(maf_side_t side, const maf_settings_t *settings);

    /*
     * Gives the run the DATA of a do or process, borrowed; NULL at its first step when the other side has
     * said nothing yet: the server's, and in revision 01, where do has no DATA, the client's. Sets *out to
     * the DATA to answer with, which the caller unrefs, or leaves it NULL when there is nothing to answer.
     * Sets `error` for MAF_VERDICT_BROKEN. Touches nothing but the run, so it may be called in a thread.
     */
    maf_verdict_t (*step)(gpointer run, const guint8 *in, gsize in_len, GBytes **out, GError **error);

    /* The user who has proved to be one, borrowed from the server's succeeded run; NULL when nobody has. */
    const char *(*user)(gpointer run);

    /* Ends the run at any time. */
    void (*stop)(gpointer run);
} maf_method_t;

/* Does the id stand for the sub-method, as its number or as its UUID (draft-01)? */
gboolean maf_method_is(const maf_method_t *method, const maf_id_t *id);

/* The sub-method of an id, or NULL when this program has none (draft-00, Current MAF Sub-Methods). */
const maf_method_t *maf_method_find(const maf_id_t *id);

/* The UUID that stands for the same sub-method as the 4-octet id. FALSE when there is none. */
gboolean maf_method_uuid(const maf_id_t *id, maf_id_t *uuid);

/* The sub-method a policy calls `word`, in any case, or NULL. */
const maf_method_t *maf_method_find_word(const char *word);

/*
 * From now on the Internal Test Method goes by this number, as a sub-method of somebody's own would
 * (draft-00, Current MAF Sub-Methods). FALSE for an id that is no number, or that another sub-method has.
 */
gboolean maf_method_rename_test(const maf_id_t *id);

#endif /* MAF_METHOD_H */
