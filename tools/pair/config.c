/* config.c
 * The configuration of the server, and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1024 * 1024)
#define GRADE_MAX 1000000

/* A file being read. The first error found is the one reported. */
typedef struct source {
    const char *file;
    char *text;
    GKeyFile *keys;
    GError **error;
} source_t;

/* The line of a group, or of a key in it (the last, which is the one that counts); 0 when there is none. */
static guint
find_line(const source_t *in, const char *group, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(in->text, "\n", -1);
    g_autofree char *header = g_strdup_printf("[%s]", group);
    gboolean inside = FALSE;
    guint found = 0;

    for (guint i = 0; lines[i]; i++) {
        g_strstrip(lines[i]);
        if (*lines[i] == '[') {
            inside = strcmp(lines[i], header) == 0;
            found = inside && !key ? i + 1 : found;
        } else if (inside && key) {
            lines[i][strcspn(lines[i], "=")] = '\0';
            found = strcmp(g_strchomp(lines[i]), key) == 0 ? i + 1 : found;
        }
    }
    return found;
}

/* Sets the error and returns FALSE. `group` and `key` may be NULL. */
static gboolean G_GNUC_PRINTF(4, 5)
    complain(const source_t *in, const char *group, const char *key, const char *format, ...)
{
    guint line = group ? find_line(in, group, key) : 0;
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    if (group && line == 0)
        line = find_line(in, group, NULL);
    g_autofree char *number = line ? g_strdup_printf(":%u", line) : g_strdup("");
    g_autofree char *where = group ? g_strdup_printf("[%s] ", group) : g_strdup("");
    return fail(in->error, STATUS_USAGE, "%s%s: %s%s%s%s", in->file, number, where, key ? key : "",
                key ? ": " : "", message);
}

/* Files */

/* The file's text, or NULL with the error set. */
static char *
read_private(const source_t *in)
{
    const int fd = open(in->file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    gssize count = -1;
    gsize len = 0;

    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 077)) {
        close(fd);
        complain(in, NULL, NULL, "permissions too open (%04o): expected 0600", status.st_mode & 07777);
        return NULL;
    }
    char *text = g_malloc0(FILE_MAX + 1);
    while (fd >= 0 && len < FILE_MAX && (count = read(fd, text + len, FILE_MAX - len)) > 0)
        len += (gsize)count;
    const int read_error = errno;
    if (fd >= 0)
        close(fd);
    if (len == FILE_MAX)
        complain(in, NULL, NULL, "exceeds the limit of %d bytes", FILE_MAX - 1);
    else if (count != 0)
        complain(in, NULL, NULL, "%s", g_strerror(read_error));
    else if (strlen(text) < len)
        complain(in, NULL, NULL, "has a NUL byte");
    else
        return text;
    wipe_and_free(text);
    return NULL;
}

/* Is the line, taken alone, one of a key file? GLib's own message would quote it. */
static gboolean
is_line(const char *line, gboolean *in_group)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *text = g_strconcat(*in_group ? "[group]\n" : "", line, NULL);
    const gboolean parsed =
        !*text || g_key_file_load_from_data(keys, text, strlen(text), G_KEY_FILE_NONE, NULL);

    *in_group |= strchr("[", *line) && *line;
    return parsed;
}

static gboolean
parse(source_t *in)
{
    gboolean in_group = FALSE;

    if (!*in->text || g_key_file_load_from_data(in->keys, in->text, strlen(in->text), G_KEY_FILE_NONE, NULL))
        return TRUE;
    g_auto(GStrv) lines = g_strsplit(in->text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!is_line(lines[i], &in_group))
            return fail(in->error, STATUS_USAGE,
                        "%s:%u: expected [group], key=value in a group, or # comment", in->file, i + 1);
    }
    return complain(in, NULL, NULL, "cannot be parsed");
}

static gboolean
open_source(source_t *in, const char *file, GError **error)
{
    *in = (source_t){.file = file, .keys = g_key_file_new(), .error = error};
    in->text = read_private(in);
    return in->text && parse(in);
}

static void
close_source(source_t *in)
{
    g_key_file_unref(in->keys);
    wipe_and_free(in->text);
}

/* Values; what is not there stays as it was */

static gboolean
take_text(const source_t *in, const char *group, const char *key, char **text)
{
    g_autoptr(GError) quotes_the_value = NULL;

    if (!g_key_file_has_key(in->keys, group, key, NULL))
        return TRUE;
    *text = g_key_file_get_string(in->keys, group, key, &quotes_the_value);
    return !quotes_the_value ||
           complain(in, group, key, "expected UTF-8 without a single backslash (write \\\\)");
}

static gboolean
take_number(const source_t *in, const char *group, const char *key, guint min, guint max, guint *number)
{
    g_autofree char *text = NULL;
    guint64 value = *number;

    if (!take_text(in, group, key, &text))
        return FALSE;
    if (text && !g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL))
        return complain(in, group, key, "expected a number from %u to %u", min, max);
    *number = (guint)value;
    return TRUE;
}

/* One of `words`, which end in NULL, as its index. */
static gboolean
take_word(const source_t *in, const char *group, const char *key, const char *const *words, guint *index)
{
    g_autofree char *text = NULL;

    if (!take_text(in, group, key, &text))
        return FALSE;
    for (guint i = 0; text && words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return TRUE;
        }
    }
    g_autofree char *list = g_strjoinv(", ", (char **)words);
    return !text || complain(in, group, key, "expected one of %s", list);
}

static gboolean
has_only(const source_t *in, const char *group, const char *const *known)
{
    g_auto(GStrv) keys = g_key_file_get_keys(in->keys, group, NULL, NULL);

    for (char **key = keys; *key; key++) {
        if (!g_strv_contains(known, *key))
            return complain(in, group, *key, "unknown key");
    }
    return TRUE;
}

/* The server's groups */

static gboolean
read_policy(const source_t *in, const char *group, policy_t *policy, users_t *users)
{
    static const char *const keys[] = {"more",         "unacceptable", "minimum-grade",
                                       "failure-text", "secret",       NULL};
    static const char *const mores[] = {"relative", "absolute", "never", NULL};
    static const char *const instrs[] = {"do", "failure", NULL};
    guint more = MORE_RELATIVE, instr = 0;
    char *secret = NULL;

    if (!has_only(in, group, keys) || !take_word(in, group, "more", mores, &more) ||
        !take_word(in, group, "unacceptable", instrs, &instr) ||
        !take_number(in, group, "minimum-grade", 0, GRADE_MAX, &policy->minimum_grade) ||
        !take_text(in, group, "failure-text", &policy->failure_text) ||
        !take_text(in, group, "secret", &secret))
        return FALSE;
    if (secret)
        users_set_secret(users, secret);
    wipe_and_free(secret);
    policy->more = (policy_more_t)more;
    policy->unacceptable = instr == 0 ? MAF_INSTR_DO : MAF_INSTR_FAILURE;
    return TRUE;
}

static gboolean
read_limits(const source_t *in, const char *group, limits_t *limits)
{
    static const char *const keys[] = {"connections", "login-time", "message-size", NULL};

    return has_only(in, group, keys) &&
           take_number(in, group, keys[0], 1, CONNECTIONS_MAX, &limits->connections) &&
           take_number(in, group, keys[1], 1, LOGIN_TIME_MAX, &limits->login_time) &&
           take_number(in, group, keys[2], MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX, &limits->message_size);
}

static gboolean
read_user(const source_t *in, const char *group, users_t *users)
{
    static const char *const keys[] = {"scram", "password", NULL};
    g_autofree char *scram = NULL;
    char *password = NULL;
    const char *wrong = NULL;
    g_autoptr(GError) error = NULL;

    const gboolean read = has_only(in, group, keys) && take_text(in, group, "scram", &scram) &&
                          take_text(in, group, "password", &password);
    const gboolean added = read && users_add(users, group + strlen("user "), scram, password, &wrong, &error);
    wipe_and_free(password);
    return added || (read && complain(in, group, wrong, "%s", error->message));
}

static gboolean
read_methods(const source_t *in, const char *group, const users_t *users, GPtrArray *methods)
{
    g_autofree char *text = NULL;

    if (!take_text(in, group, "methods", &text))
        return FALSE;
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", ";, ", -1);
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!**word)
            continue;
        if (!method)
            return complain(in, group, "methods", "unknown sub-method '%s'", *word);
        if (g_ptr_array_find(methods, method, NULL))
            return complain(in, group, "methods", "%s is there twice", method->word);
        if (!users_have(users, method->need))
            return complain(in, group, "methods", "no user has the %s= that %s needs",
                            method->need == SECRET_SCRAM ? "scram" : "password", method->word);
        g_ptr_array_add(methods, (gpointer)method);
    }
    return methods->len > 0 || complain(in, group, "methods", "expected a sub-method");
}

static gboolean
read_step(const source_t *in, const char *group, const users_t *users, policy_t *policy,
          void (*warn)(const char *text))
{
    static const char *const keys[] = {"methods", "grade", "on-failure", NULL};
    static const char *const ways[] = {"stop", "next", NULL};
    g_autoptr(GPtrArray) methods = g_ptr_array_new();
    const method_t *test = method_find_word("internal-test");
    guint grade = 1, way = 0;

    if (!has_only(in, group, keys) || !read_methods(in, group, users, methods) ||
        !take_number(in, group, "grade", 0, GRADE_MAX, &grade) ||
        !take_word(in, group, "on-failure", ways, &way))
        return FALSE;
    if (methods->len > 1 && g_ptr_array_find(methods, test, NULL)) {
        g_autofree char *text =
            g_strdup_printf("%s:%u: [%s] internal-test beside passwords: anybody passes this step", in->file,
                            find_line(in, group, "methods"), group);
        warn(text);
    }
    policy_add(policy, g_steal_pointer(&methods), grade, way == 1);
    return TRUE;
}

/* Steps come last: what they may use depends on the users. */
static gboolean
read_groups(const source_t *in, users_t *users, policy_t *policy, limits_t *limits,
            void (*warn)(const char *text))
{
    g_auto(GStrv) groups = g_key_file_get_groups(in->keys, NULL);
    guint steps = 0, best = 0;

    for (char **group = groups; *group; group++) {
        gboolean read = TRUE;
        if (strcmp(*group, "policy") == 0)
            read = read_policy(in, *group, policy, users);
        else if (strcmp(*group, "limits") == 0)
            read = read_limits(in, *group, limits);
        else if (g_str_has_prefix(*group, "user "))
            read = read_user(in, *group, users);
        else if (g_str_has_prefix(*group, "step "))
            steps++;
        else
            read = complain(in, *group, NULL,
                            "unknown group: expected [policy], [limits], [user NAME] or [step N]");
        if (!read)
            return FALSE;
    }
    for (guint n = 1; n <= MAX(steps, 1); n++) {
        g_autofree char *group = g_strdup_printf("step %u", n);
        if (!g_key_file_has_group(in->keys, group))
            return complain(in, NULL, NULL, "expected [%s]: steps are numbered from 1 without a gap", group);
        if (!read_step(in, group, users, policy, warn))
            return FALSE;
        best += g_array_index(policy->steps, policy_step_t, n - 1).grade;
    }
    return policy->minimum_grade <= best ||
           complain(in, "policy", "minimum-grade", "nobody can reach %u: all steps together are worth %u",
                    policy->minimum_grade, best);
}

gboolean
config_load(const char *file, users_t **users, policy_t **policy, limits_t *limits,
            void (*warn)(const char *text), GError **error)
{
    source_t in;

    *users = users_new();
    *policy = policy_new();
    (*policy)->sends_grade = TRUE;
    const gboolean loaded = open_source(&in, file, error) && read_groups(&in, *users, *policy, limits, warn);
    close_source(&in);
    if (!loaded) {
        g_clear_pointer(users, users_free);
        g_clear_pointer(policy, policy_free);
    }
    return loaded;
}

/* The client's credentials */

static gboolean
are_usable(const credentials_t *credentials)
{
    char *user = credentials->user ? sasl_prepare(credentials->user) : NULL;
    char *password = credentials->password ? sasl_prepare(credentials->password) : NULL;
    const gboolean usable = user && password;

    wipe_and_free(user);
    wipe_and_free(password);
    return usable;
}

#define UNUSABLE "expected both user and password, of characters that SASL allows"

gboolean
config_load_credentials(const char *file, credentials_t *credentials, GError **error)
{
    static const char *const keys[] = {"user", "password", NULL};
    static const char group[] = "credentials";
    source_t in;

    *credentials = (credentials_t){NULL, NULL};
    gboolean done = open_source(&in, file, error);
    g_auto(GStrv) groups = done ? g_key_file_get_groups(in.keys, NULL) : NULL;
    for (char **other = groups; done && *other; other++)
        done = strcmp(*other, group) == 0 ||
               complain(&in, *other, NULL, "unknown group: expected [credentials]");
    if (done && !*groups)
        done = complain(&in, NULL, NULL, "expected [credentials]");
    done = done && has_only(&in, group, keys) && take_text(&in, group, "user", &credentials->user) &&
           take_text(&in, group, "password", &credentials->password) &&
           (are_usable(credentials) || complain(&in, group, NULL, UNUSABLE));
    close_source(&in);
    if (!done)
        credentials_clear(credentials);
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
config_take_environment(credentials_t *credentials, GError **error)
{
    *credentials = (credentials_t){take_variable("MAF_USER"), take_variable("MAF_PASSWORD")};
    if ((!credentials->user && !credentials->password) || are_usable(credentials))
        return TRUE;
    credentials_clear(credentials);
    return fail(error, STATUS_VIOLATION, "MAF_USER and MAF_PASSWORD: " UNUSABLE);
}
