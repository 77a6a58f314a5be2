/* maf-config.c
 * The files that tell the server its users and its policy, and the client its credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1024 * 1024)
#define GRADE_MAX 1000000

/* A file being read. The first thing found wrong is the one told. */
typedef struct reader {
    const char *file;
    GKeyFile *keys;
    guint8 digest[32]; /* of all octets, SHA-256 */
    GError **error;
} reader_t;

/* Sets the reader's error and returns FALSE. `group` and `key` may be NULL. */
static gboolean G_GNUC_PRINTF(4, 5)
    complain(const reader_t *in, const char *group, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *where = group ? g_strdup_printf("[%s] ", group) : g_strdup("");

    g_set_error(in->error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "%s: %s%s%s%s", in->file, where,
                key ? key : "", key ? ": " : "", message);
    return FALSE;
}

/* Octets */

static gboolean
read_private(const reader_t *in, char *octets, gsize *len)
{
    const int fd = open(in->file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    ssize_t count = 0;

    if (fd < 0 || fstat(fd, &status) != 0) {
        g_set_error(in->error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", in->file,
                    g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    if (status.st_mode & (S_IROTH | S_IWOTH)) {
        close(fd);
        return complain(in, NULL, NULL,
                        "everybody may read or write it; let nobody but its owner (chmod 600)");
    }
    for (*len = 0; *len < FILE_MAX; *len += (gsize)count) {
        count = read(fd, octets + *len, FILE_MAX - *len);
        if (count <= 0)
            break;
    }
    const int read_errno = errno;
    close(fd);
    if (count < 0)
        return complain(in, NULL, NULL, "%s", g_strerror(read_errno));
    if (*len == FILE_MAX)
        return complain(in, NULL, NULL, "is longer than %d octets", FILE_MAX);
    return TRUE;
}

/* The first line that GLib cannot parse, whose own message would quote it. */
static guint
find_bad_line(const char *octets, gsize len)
{
    gsize good = 0, bad = len; /* ends of lines: up to the one it parses, up to the other it does not */
    guint line = 1;

    for (;;) {
        g_autoptr(GKeyFile) keys = g_key_file_new();
        const gsize middle = good + (bad - good) / 2;
        const char *newline = memrchr(octets + good, '\n', middle - good);
        if (!newline)
            newline = memchr(octets + middle, '\n', bad - 1 - middle);
        if (!newline)
            break;
        const gsize end = (gsize)(newline - octets) + 1;
        if (g_key_file_load_from_data(keys, octets, end, G_KEY_FILE_NONE, NULL))
            good = end;
        else
            bad = end;
    }
    for (gsize i = 0; i < good; i++)
        line += octets[i] == '\n';
    return line;
}

static gboolean
parse(reader_t *in, const char *octets, gsize len)
{
    gsize digest_len = sizeof in->digest;
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);

    g_checksum_update(checksum, (const guchar *)octets, (gssize)len);
    g_checksum_get_digest(checksum, in->digest, &digest_len);
    g_checksum_free(checksum);
    if (len == 0 || g_key_file_load_from_data(in->keys, octets, len, G_KEY_FILE_NONE, NULL))
        return TRUE;
    return complain(in, NULL, NULL, "line %u is no [group], key=value or # comment, or belongs to no group",
                    find_bad_line(octets, len));
}

static gboolean
open_file(reader_t *in, const char *file, GError **error)
{
    char *octets = g_malloc(FILE_MAX);
    gsize len = 0;

    *in = (reader_t){.file = file, .keys = g_key_file_new(), .error = error};
    const gboolean done = read_private(in, octets, &len) && parse(in, octets, len);
    explicit_bzero(octets, len);
    g_free(octets);
    return done;
}

static void
close_file(reader_t *in)
{
    g_key_file_unref(in->keys);
    explicit_bzero(in->digest, sizeof in->digest);
}

/* Values; what is not there stays as it was */

static gboolean
take_text(const reader_t *in, const char *group, const char *key, char **text)
{
    g_autoptr(GError) quotes_the_value = NULL;

    if (!g_key_file_has_key(in->keys, group, key, NULL))
        return TRUE;
    *text = g_key_file_get_string(in->keys, group, key, &quotes_the_value);
    return !quotes_the_value ||
           complain(in, group, key, "is not UTF-8, or has a single backslash (write \\\\)");
}

static gboolean
take_number(const reader_t *in, const char *group, const char *key, guint min, guint max, guint *number)
{
    g_autofree char *text = NULL;
    guint64 value;

    if (!take_text(in, group, key, &text))
        return FALSE;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL))
        return complain(in, group, key, "is not a number of %u to %u", min, max);
    *number = (guint)value;
    return TRUE;
}

/* One of `words`, which end in NULL, as its index. */
static gboolean
take_word(const reader_t *in, const char *group, const char *key, const char *const *words, guint *index)
{
    g_autofree char *text = NULL;

    if (!take_text(in, group, key, &text))
        return FALSE;
    if (!text)
        return TRUE;
    for (guint i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return TRUE;
        }
    }
    g_autofree char *list = g_strjoinv(", ", (char **)words);
    return complain(in, group, key, "is none of %s", list);
}

static gboolean
has_only(const reader_t *in, const char *group, const char *const *known)
{
    g_auto(GStrv) keys = g_key_file_get_keys(in->keys, group, NULL, NULL);

    for (char **key = keys; *key; key++) {
        if (!g_strv_contains(known, *key))
            return complain(in, group, *key, "no such key");
    }
    return TRUE;
}

/* The server's groups */

static gboolean
read_policy(const reader_t *in, const char *group, maf_policy_t *policy)
{
    static const char *const keys[] = {"more", "unacceptable", "minimum-grade", "failure-text", NULL};
    static const char *const mores[] = {"relative", "absolute", "never", NULL};
    static const char *const instrs[] = {"do", "failure", NULL};
    guint more = MAF_MORE_RELATIVE, instr = 0;

    if (!has_only(in, group, keys) || !take_word(in, group, "more", mores, &more) ||
        !take_word(in, group, "unacceptable", instrs, &instr) ||
        !take_number(in, group, "minimum-grade", 0, GRADE_MAX, &policy->minimum_grade) ||
        !take_text(in, group, "failure-text", &policy->failure_text))
        return FALSE;
    policy->more = (maf_more_t)more;
    policy->unacceptable = instr == 0 ? MAF_INSTR_DO : MAF_INSTR_FAILURE;
    return TRUE;
}

static gboolean
read_limits(const reader_t *in, const char *group, maf_limits_t *limits)
{
    static const char *const keys[] = {"connections", "connections-per-address", "login-time", "message-size",
                                       NULL};

    return has_only(in, group, keys) &&
           take_number(in, group, keys[0], 1, MAF_CONNECTIONS_MAX, &limits->connections) &&
           take_number(in, group, keys[1], 1, MAF_CONNECTIONS_MAX, &limits->connections_per_address) &&
           take_number(in, group, keys[2], 1, MAF_LOGIN_TIME_MAX, &limits->login_time) &&
           take_number(in, group, keys[3], MAF_MESSAGE_SIZE_MIN, MAF_MESSAGE_SIZE_MAX, &limits->message_size);
}

static gboolean
read_methods(const reader_t *in, const char *group, const maf_users_t *users, GPtrArray *methods)
{
    g_autofree char *text = NULL;

    if (!take_text(in, group, "methods", &text))
        return FALSE;
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", ";, ", -1);
    for (char **word = words; *word; word++) {
        if (!**word)
            continue;
        const maf_method_t *method = maf_method_find_word(*word);
        if (!method)
            return complain(in, group, "methods", "'%s' is no sub-method of this server", *word);
        if (g_ptr_array_find(methods, method, NULL))
            return complain(in, group, "methods", "%s is there twice", method->word);
        if (!maf_users_have(users, method->need))
            return complain(in, group, "methods", "no user has what %s needs", method->word);
        g_ptr_array_add(methods, (gpointer)method);
    }
    return methods->len > 0 || complain(in, group, "methods", "names no sub-method");
}

static gboolean
read_step(const reader_t *in, const char *group, const maf_users_t *users, maf_policy_t *policy)
{
    static const char *const keys[] = {"methods", "grade", "on-failure", NULL};
    static const char *const ways[] = {"stop", "next", NULL};
    g_autoptr(GPtrArray) methods = g_ptr_array_new();
    guint grade = 1, way = 0;

    if (!has_only(in, group, keys) || !read_methods(in, group, users, methods) ||
        !take_number(in, group, "grade", 0, GRADE_MAX, &grade) ||
        !take_word(in, group, "on-failure", ways, &way))
        return FALSE;
    maf_policy_add(policy, g_steal_pointer(&methods), grade, way == 1);
    return TRUE;
}

static gboolean
read_user(const reader_t *in, const char *group, const char *name, maf_users_t *users)
{
    static const char *const keys[] = {"scram", "crypt", "password", NULL};
    g_autofree char *scram = NULL, *crypt_hash = NULL;
    char *password = NULL;
    g_autoptr(GError) error = NULL;

    const gboolean read = has_only(in, group, keys) && take_text(in, group, "scram", &scram) &&
                          take_text(in, group, "crypt", &crypt_hash) &&
                          take_text(in, group, "password", &password);
    const gboolean added = read && maf_users_add(users, name, scram, crypt_hash, password, &error);
    maf_wipe_and_free(password);
    return added || (read && complain(in, group, NULL, "%s", error->message));
}

static gboolean
read_users(const reader_t *in, char **groups, maf_users_t *users)
{
    for (char **group = groups; *group; group++) {
        if (g_str_has_prefix(*group, "user ") && !read_user(in, *group, *group + strlen("user "), users))
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_step(const char *group, guint steps)
{
    for (guint n = 1; n <= steps; n++) {
        g_autofree char *step = g_strdup_printf("step %u", n);
        if (strcmp(group, step) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Users are known by now. */
static gboolean
read_the_rest(const reader_t *in, char **groups, const maf_users_t *users, maf_policy_t *policy,
              maf_limits_t *limits)
{
    for (guint n = 1;; n++) {
        g_autofree char *group = g_strdup_printf("step %u", n);
        if (!g_key_file_has_group(in->keys, group))
            break;
        if (!read_step(in, group, users, policy))
            return FALSE;
    }
    if (policy->steps->len == 0)
        return complain(in, "step 1", NULL, "is not there");
    for (char **group = groups; *group; group++) {
        if (strcmp(*group, "policy") == 0) {
            if (!read_policy(in, *group, policy))
                return FALSE;
        } else if (strcmp(*group, "limits") == 0) {
            if (!read_limits(in, *group, limits))
                return FALSE;
        } else if (!g_str_has_prefix(*group, "user ") && !is_step(*group, policy->steps->len)) {
            return complain(
                in, *group, NULL,
                "no such group; they are [policy], [limits], [user NAME], [step 1], [step 2] and so on");
        }
    }
    return TRUE;
}

gboolean
maf_config_load(const char *file, maf_users_t **users, maf_policy_t **policy, maf_limits_t *limits,
                GError **error)
{
    reader_t in;
    gboolean done = FALSE;

    if (open_file(&in, file, error)) {
        g_auto(GStrv) groups = g_key_file_get_groups(in.keys, NULL);
        maf_users_t *new_users = maf_users_new(in.digest, sizeof in.digest);
        maf_policy_t *new_policy = maf_policy_new();
        maf_limits_t new_limits = *limits;
        new_policy->tells_grade = TRUE;
        done = read_users(&in, groups, new_users) &&
               read_the_rest(&in, groups, new_users, new_policy, &new_limits);
        if (done) {
            *users = g_steal_pointer(&new_users);
            *policy = g_steal_pointer(&new_policy);
            *limits = new_limits;
        }
        maf_users_free(new_users);
        maf_policy_free(new_policy);
    }
    close_file(&in);
    return done;
}

/* The client's credentials */

static gboolean
are_usable(const maf_credentials_t *credentials)
{
    char *user = credentials->user ? maf_users_prepare(credentials->user) : NULL;
    char *password = credentials->password ? maf_users_prepare(credentials->password) : NULL;
    const gboolean usable = user && password;

    maf_wipe_and_free(user);
    maf_wipe_and_free(password);
    return usable;
}

#define UNUSABLE "user and password must both be there, and be text that SASL allows"

gboolean
maf_credentials_load(const char *file, maf_credentials_t *credentials, GError **error)
{
    static const char *const keys[] = {"user", "password", NULL};
    static const char group[] = "credentials";
    maf_credentials_t read = {NULL, NULL};
    reader_t in;
    gboolean done = open_file(&in, file, error);

    if (done && !g_key_file_has_group(in.keys, group))
        done = complain(&in, group, NULL, "is not there");
    done = done && has_only(&in, group, keys) && take_text(&in, group, "user", &read.user) &&
           take_text(&in, group, "password", &read.password) &&
           (are_usable(&read) || complain(&in, group, NULL, UNUSABLE));
    close_file(&in);
    if (done)
        *credentials = read;
    else
        maf_credentials_clear(&read);
    return done;
}

static char *
take_variable(const char *name)
{
    char *value = getenv(name);
    char *copy = g_strdup(value);

    if (value)
        explicit_bzero(value, strlen(value));
    unsetenv(name);
    return copy;
}

gboolean
maf_credentials_take_from_environment(maf_credentials_t *credentials, GError **error)
{
    maf_credentials_t read = {take_variable("MAF_USER"), take_variable("MAF_PASSWORD")};

    if ((read.user || read.password) && !are_usable(&read)) {
        maf_credentials_clear(&read);
        g_set_error_literal(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                            "MAF_USER and MAF_PASSWORD: " UNUSABLE);
        return FALSE;
    }
    if (read.user)
        *credentials = read;
    return TRUE;
}
