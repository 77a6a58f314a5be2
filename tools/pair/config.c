/* config.c
 * The configuration of the server, and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "config.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX  (1024 * 1024)
#define GRADE_MAX 1000000

/* A file being read. */
typedef struct source {
    const char *file;
    char *text;
    GKeyFile *keys;
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

/* Logs what is wrong, with its line if there is a group, and returns FALSE. `group` and `key` may be NULL. */
static gboolean G_GNUC_PRINTF(4, 5)
    complain(const source_t *in, const char *group, const char *key, const char *format, ...)
{
    g_autoptr(GString) text = g_string_new(in->file);
    const guint line_of_key = key ? find_line(in, group, key) : 0;
    va_list args;

    if (group) {
        g_string_append_printf(text, ":%u: [%s]", line_of_key ? line_of_key : find_line(in, group, NULL),
                               group);
        g_string_append_printf(text, key ? " %s: " : " ", key);
    } else {
        g_string_append(text, ": ");
    }
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
    log_line(NULL, "%s", text->str);
    return FALSE;
}

/* Files */

/* The file's text, or NULL. */
static char *
read_private(const source_t *in)
{
    g_autoptr(GError) error = NULL;
    struct stat status;
    char *text = NULL;
    gsize len;

    const gboolean is_file = stat(in->file, &status) == 0 && S_ISREG(status.st_mode);
    if (is_file && (status.st_mode & 077))
        complain(in, NULL, NULL, "permissions too open (%04o): expected 0600", status.st_mode & 07777);
    else if (is_file && status.st_size >= FILE_MAX)
        complain(in, NULL, NULL, "exceeds the limit of %d bytes", FILE_MAX - 1);
    else if (!g_file_get_contents(in->file, &text, &len, &error))
        complain(in, NULL, NULL, "%s", error->message);
    else if (strlen(text) < len) {
        complain(in, NULL, NULL, "has a NUL byte");
        g_clear_pointer(&text, wipe_and_free);
    }
    return text;
}

/* Is the line, taken alone, one of a key file? GLib's own message would quote it. */
static gboolean
is_line(const char *line, gboolean *in_group)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *text = g_strconcat(*in_group ? "[group]\n" : "", line, NULL);
    const gboolean parsed =
        !*text || g_key_file_load_from_data(keys, text, strlen(text), G_KEY_FILE_NONE, NULL);

    *in_group |= *line == '[';
    return parsed;
}

static gboolean
parse(const source_t *in)
{
    gboolean in_group = FALSE;

    if (!*in->text || g_key_file_load_from_data(in->keys, in->text, strlen(in->text), G_KEY_FILE_NONE, NULL))
        return TRUE;
    g_auto(GStrv) lines = g_strsplit(in->text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!is_line(lines[i], &in_group)) {
            log_line(NULL, "%s:%u: expected [group], key=value in a group, or # comment", in->file, i + 1);
            return FALSE;
        }
    }
    return complain(in, NULL, NULL, "cannot be parsed");
}

static gboolean
open_source(source_t *in, const char *file)
{
    *in = (source_t){.file = file, .keys = g_key_file_new()};
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

/* A key, and where its value goes: as text to be freed, as a number, or as the index of one of the words. */
typedef struct setting {
    const char *key;
    char **text;
    guint *number, min, max;
    const char *words[4];
} setting_t;

static gboolean
take(const source_t *in, const char *group, const setting_t *setting)
{
    g_autoptr(GError) quotes_the_value = NULL;
    g_autofree char *text = g_key_file_get_string(in->keys, group, setting->key, &quotes_the_value);
    guint64 value;

    if (quotes_the_value)
        return complain(in, group, setting->key, "expected UTF-8 without a single backslash (write \\\\)");
    if (setting->text) {
        *setting->text = g_steal_pointer(&text);
        return TRUE;
    }
    for (guint i = 0; setting->words[i]; i++) {
        if (strcmp(text, setting->words[i]) == 0) {
            *setting->number = i;
            return TRUE;
        }
    }
    g_autofree char *words = g_strjoinv(", ", (char **)setting->words);
    if (*words)
        return complain(in, group, setting->key, "expected one of %s", words);
    if (!g_ascii_string_to_unsigned(text, 10, setting->min, setting->max, &value, NULL))
        return complain(in, group, setting->key, "expected a number from %u to %u", setting->min,
                        setting->max);
    *setting->number = (guint)value;
    return TRUE;
}

/* All keys of a group. `settings` ends with one that has no key. */
static gboolean
take_all(const source_t *in, const char *group, const setting_t *settings)
{
    g_auto(GStrv) keys = g_key_file_get_keys(in->keys, group, NULL, NULL);

    for (char **key = keys; *key; key++) {
        const setting_t *setting = settings;
        while (setting->key && strcmp(setting->key, *key) != 0)
            setting++;
        if (!setting->key)
            return complain(in, group, *key, "unknown key");
        if (!take(in, group, setting))
            return FALSE;
    }
    return TRUE;
}

/* The server's groups */

static gboolean
read_policy(const source_t *in, const char *group, policy_t *policy, users_t *users)
{
    static const guint8 instrs[] = {MAF_INSTR_DO, MAF_INSTR_FAILURE};
    guint more = MORE_RELATIVE, instr = 0;
    char *secret = NULL;
    const setting_t settings[] = {
        {"more", .number = &more, .words = {"relative", "absolute", "never"}},
        {"unacceptable", .number = &instr, .words = {"do", "failure"}},
        {"minimum-grade", .number = &policy->minimum_grade, .max = GRADE_MAX},
        {"failure-text", .text = &policy->failure_text},
        {"secret", .text = &secret},
        {NULL},
    };

    const gboolean taken = take_all(in, group, settings);
    users_set_secret(users, secret);
    wipe_and_free(secret);
    policy->more = (policy_more_t)more;
    policy->unacceptable = instrs[instr];
    return taken;
}

static gboolean
read_limits(const source_t *in, const char *group, limits_t *limits)
{
    const setting_t settings[] = {
        {"connections", .number = &limits->connections, .min = 1, .max = CONNECTIONS_MAX},
        {"login-time", .number = &limits->login_time, .min = 1, .max = LOGIN_TIME_MAX},
        {"message-size", .number = &limits->message_size, .min = MESSAGE_SIZE_MIN, .max = MESSAGE_SIZE_MAX},
        {NULL},
    };

    return take_all(in, group, settings);
}

static gboolean
read_user(const source_t *in, const char *group, users_t *users)
{
    g_autofree char *scram = NULL;
    char *password = NULL;
    const char *key, *wrong = NULL;
    const setting_t settings[] = {{"scram", .text = &scram}, {"password", .text = &password}, {NULL}};

    const gboolean taken = take_all(in, group, settings);
    if (taken)
        wrong = users_add(users, group + strlen("user "), scram, password, &key);
    wipe_and_free(password);
    return wrong ? complain(in, group, key, "%s", wrong) : taken;
}

static gboolean
read_methods(const source_t *in, const char *group, const users_t *users, const char *text,
             policy_step_t *step)
{
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", ";, ", -1);
    guint bits = 0, count = 0;

    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!**word)
            continue;
        if (!method)
            return complain(in, group, "methods", "unknown sub-method '%s'", *word);
        if (bits & 1U << method->index)
            return complain(in, group, "methods", "%s is there twice", method->word);
        if (!users_have(users, method->need))
            return complain(in, group, "methods", "no user has the %s= that %s needs",
                            method->need == SECRET_SCRAM ? "scram" : "password", method->word);
        bits |= 1U << method->index;
        step->methods[count++] = method;
    }
    if (count > 1 && bits & 1U << method_find_word("internal-test")->index)
        log_line(NULL, "warning: %s:%u: [%s] internal-test beside passwords: anybody passes this step",
                 in->file, find_line(in, group, "methods"), group);
    return count > 0 || complain(in, group, "methods", "expected a sub-method");
}

static gboolean
read_step(const source_t *in, const char *group, const users_t *users, policy_t *policy)
{
    g_autofree char *text = NULL;
    policy_step_t step = {.grade = 1};
    guint go_on = FALSE;
    const setting_t settings[] = {
        {"methods", .text = &text},
        {"grade", .number = &step.grade, .max = GRADE_MAX},
        {"on-failure", .number = &go_on, .words = {"stop", "next"}},
        {NULL},
    };

    if (!take_all(in, group, settings) || !read_methods(in, group, users, text, &step))
        return FALSE;
    step.go_on = go_on != FALSE;
    g_array_append_val(policy->steps, step);
    return TRUE;
}

/* A group but for steps, which come last: what they may use depends on the users. */
static gboolean
read_group(const source_t *in, const char *group, users_t *users, policy_t *policy, limits_t *limits)
{
    if (strcmp(group, "policy") == 0)
        return read_policy(in, group, policy, users);
    if (strcmp(group, "limits") == 0)
        return read_limits(in, group, limits);
    if (g_str_has_prefix(group, "user "))
        return read_user(in, group, users);
    return g_str_has_prefix(group, "step ") ||
           complain(in, group, NULL, "unknown group: expected [policy], [limits], [user NAME] or [step N]");
}

static gboolean
read_groups(const source_t *in, users_t *users, policy_t *policy, limits_t *limits)
{
    g_auto(GStrv) groups = g_key_file_get_groups(in->keys, NULL);
    guint steps = 0, best = 0;

    for (char **group = groups; *group; group++) {
        if (!read_group(in, *group, users, policy, limits))
            return FALSE;
        steps += g_str_has_prefix(*group, "step ");
    }
    for (guint n = 1; n <= MAX(steps, 1); n++) {
        g_autofree char *group = g_strdup_printf("step %u", n);
        if (!g_key_file_has_group(in->keys, group))
            return complain(in, NULL, NULL, "expected [%s]: steps are numbered from 1 without a gap", group);
        if (!read_step(in, group, users, policy))
            return FALSE;
        best += g_array_index(policy->steps, policy_step_t, n - 1).grade;
    }
    return policy->minimum_grade <= best ||
           complain(in, "policy", "minimum-grade", "nobody can reach %u: all steps together are worth %u",
                    policy->minimum_grade, best);
}

gboolean
config_load(const char *file, users_t *users, policy_t *policy, limits_t *limits)
{
    source_t in;

    policy->sends_grade = TRUE;
    const gboolean loaded = open_source(&in, file) && read_groups(&in, users, policy, limits);
    close_source(&in);
    return loaded;
}

/* The client's credentials */

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

static gboolean
read_credentials(const source_t *in, credentials_t *credentials)
{
    g_auto(GStrv) groups = g_key_file_get_groups(in->keys, NULL);
    const setting_t settings[] = {
        {"user", .text = &credentials->user}, {"password", .text = &credentials->password}, {NULL}};

    for (char **group = groups; *group; group++) {
        if (strcmp(*group, "credentials") != 0)
            return complain(in, *group, NULL, "unknown group: expected [credentials]");
    }
    return *groups ? take_all(in, *groups, settings) : complain(in, NULL, NULL, "expected [credentials]");
}

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
config_load_credentials(const char *file, credentials_t *credentials)
{
    source_t in;

    *credentials = (credentials_t){take_variable("MAF_USER"), take_variable("MAF_PASSWORD")};
    if (!file) {
        if ((!credentials->user && !credentials->password) || are_usable(credentials))
            return TRUE;
        log_line(NULL, "MAF_USER and MAF_PASSWORD: " UNUSABLE);
        return FALSE;
    }
    credentials_clear(credentials);
    const gboolean done = open_source(&in, file) && read_credentials(&in, credentials) &&
                          (are_usable(credentials) || complain(&in, "credentials", NULL, UNUSABLE));
    close_source(&in);
    return done;
}
