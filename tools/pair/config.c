/* config.c
 * The files: the server's configuration and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX  (1024 * 1024)
#define GRADE_MAX 1000000

/* A line: [group], without key and value, or key=value in it. All is in the file's text. */
typedef struct line {
    guint number;
    char *group, *key, *value;
} line_t;

/* A file being read. */
typedef struct source {
    const char *file;
    char *text;
    gsize len;
    GArray *lines; /* of line_t, neither empty lines nor comments; a zero one follows the last */
} source_t;

/* A group that there may be, and its keys. */
typedef struct group {
    const char *name; /* in which * stands for any text */
    const char *keys[6];
} group_t;

/* Logs what is wrong, with where it is unless `line` is NULL, and returns FALSE. */
static gboolean G_GNUC_PRINTF(3, 4) complain(const source_t *in, const line_t *line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (!line)
        log_line(NULL, "%s: %s", in->file, text);
    else if (!line->group)
        log_line(NULL, "%s:%u: %s", in->file, line->number, text);
    else if (!line->key)
        log_line(NULL, "%s:%u: [%s] %s", in->file, line->number, line->group, text);
    else
        log_line(NULL, "%s:%u: [%s] %s: %s", in->file, line->number, line->group, line->key, text);
    return FALSE;
}

/* Reading a file */

static gboolean
read_private(source_t *in)
{
    g_autoptr(GError) error = NULL;
    struct stat status;

    const gboolean is_file = stat(in->file, &status) == 0 && S_ISREG(status.st_mode);
    if (is_file && (status.st_mode & 077))
        return complain(in, NULL, "permissions too open (%04o): expected 0600", status.st_mode & 07777);
    if (is_file && status.st_size >= FILE_MAX)
        return complain(in, NULL, "exceeds the limit of %d bytes", FILE_MAX - 1);
    if (!g_file_get_contents(in->file, &in->text, &in->len, &error))
        return complain(in, NULL, "%s", error->message);
    return strlen(in->text) == in->len || complain(in, NULL, "has a NUL byte");
}

/* Replaces \\ and what stands for a space, a tab or the end of a line. FALSE for any other backslash. */
static gboolean
unescape(char *value)
{
    static const char from[] = "\\stnr", to[] = "\\ \t\n\r";
    char *out = value;

    for (; *value; value++) {
        const char *escaped = *value == '\\' && value[1] ? strchr(from, value[1]) : NULL;
        if (*value == '\\' && !escaped)
            return FALSE;
        *out++ = escaped ? to[escaped - from] : *value;
        value += escaped != NULL;
    }
    *out = '\0';
    return TRUE;
}

/* The line of a [group], or NULL. */
static const line_t *
find_group(const source_t *in, const char *name)
{
    for (guint i = 0; i < in->lines->len; i++) {
        const line_t *line = &g_array_index(in->lines, line_t, i);
        if (!line->key && strcmp(line->group, name) == 0)
            return line;
    }
    return NULL;
}

/* The last line with this key in a group, which may be NULL; or NULL. */
static const line_t *
find(const line_t *group, const char *key)
{
    const line_t *found = NULL;

    for (const line_t *line = group ? group + 1 : NULL; line && line->key; line++)
        found = strcmp(line->key, key) == 0 ? line : found;
    return found;
}

/* Reads a file whose groups are among these, the last of which has no name. */
static gboolean
load(source_t *in, const group_t *groups)
{
    const group_t *group = groups;
    line_t line = {.number = 1};
    char *text;

    if (!read_private(in))
        return FALSE;
    in->lines = g_array_new(TRUE, FALSE, sizeof(line_t));
    for (char *rest = in->text; (text = strsep(&rest, "\n")) != NULL; line.number++) {
        const gsize len = strlen(g_strstrip(text));
        char *value = strchr(text, '=');
        if (!g_utf8_validate(text, -1, NULL))
            return complain(in, &(line_t){.number = line.number}, "expected UTF-8");
        if (len == 0 || *text == '#')
            continue;
        if (*text == '[' && text[len - 1] == ']') {
            text[len - 1] = '\0';
            line.group = text + 1;
            line.key = line.value = NULL;
            group = groups;
            while (group->name && !g_pattern_match_simple(group->name, line.group))
                group++;
            if (!group->name || find_group(in, line.group))
                return complain(in, &line, group->name ? "is there twice" : "unknown group");
        } else {
            if (!line.group || !value || value == text)
                return complain(in, &(line_t){.number = line.number},
                                "expected [group], key=value in a group, or # comment");
            *value++ = '\0';
            line.key = g_strchomp(text);
            line.value = g_strchug(value);
            if (!g_strv_contains(group->keys, line.key))
                return complain(in, &line, "unknown key");
            if (!unescape(line.value))
                return complain(in, &line, "expected no single backslash (write \\\\)");
        }
        g_array_append_val(in->lines, line);
    }
    return TRUE;
}

static void
close_source(source_t *in)
{
    if (in->text)
        explicit_bzero(in->text, in->len);
    g_free(in->text);
    g_clear_pointer(&in->lines, g_array_unref);
}

/* The values of keys: what is not there stays as it was. */

static char *
take_text(const line_t *group, const char *key)
{
    const line_t *line = find(group, key);
    return line ? line->value : NULL;
}

static gboolean
take_number(const source_t *in, const line_t *group, const char *key, guint *number)
{
    const line_t *line = find(group, key);
    guint64 value = *number;

    if (line && !g_ascii_string_to_unsigned(line->value, 10, 0, GRADE_MAX, &value, NULL))
        return complain(in, line, "expected a number from 0 to %d", GRADE_MAX);
    *number = (guint)value;
    return TRUE;
}

/* The index of one of the words. */
static gboolean
take_word(const source_t *in, const line_t *group, const char *key, const char *words, guint *number)
{
    const line_t *line = find(group, key);
    g_auto(GStrv) list = g_strsplit(words, ", ", -1);

    for (guint i = 0; line && list[i]; i++) {
        *number = i;
        if (strcmp(line->value, list[i]) == 0)
            return TRUE;
    }
    return !line || complain(in, line, "expected one of %s", words);
}

/* The server's groups */

static gboolean
read_policy(const source_t *in, guint best, policy_t *policy, users_t *users)
{
    const line_t *group = find_group(in, "policy");
    const char *secret = take_text(group, "secret");

    if (!take_word(in, group, "more", "relative, absolute, never", &policy->more) ||
        !take_word(in, group, "unacceptable", "do, failure", &policy->by_failure) ||
        !take_number(in, group, "minimum-grade", &policy->minimum_grade))
        return FALSE;
    if (policy->minimum_grade > best)
        return complain(in, find(group, "minimum-grade"),
                        "nobody can reach %u: all steps together are worth %u", policy->minimum_grade, best);
    policy->failure_text = g_strdup(take_text(group, "failure-text"));
    if (secret) {
        g_free(users->secret);
        users->secret = g_strdup(secret);
    }
    return TRUE;
}

static gboolean
read_user(const source_t *in, const line_t *group, users_t *users)
{
    const char *key = NULL;

    const char *wrong = users_add(users, group->group + strlen("user "), take_text(group, "scram"),
                                  take_text(group, "password"), &key);
    return !wrong || complain(in, key ? find(group, key) : group, "%s", wrong);
}

static gboolean
read_methods(const source_t *in, const line_t *line, const users_t *users, policy_step_t *step)
{
    g_auto(GStrv) words = g_strsplit_set(line->value ? line->value : "", ";, ", -1);
    guint bits = 0, count = 0;

    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!**word)
            continue;
        if (!method)
            return complain(in, line, "unknown sub-method '%s'", *word);
        if (bits & 1U << method->index)
            return complain(in, line, "%s is there twice", method->word);
        if (!users->have[method->need])
            return complain(in, line, "no user has the %s= that %s needs",
                            method->need == SECRET_SCRAM ? "scram" : "password", method->word);
        bits |= 1U << method->index;
        step->methods[count++] = method;
    }
    if (count > 1 && bits & 1U << method_find_word("internal-test")->index)
        log_line(NULL, "warning: %s:%u: [%s] internal-test beside passwords: anybody passes this step",
                 in->file, line->number, line->group);
    return count > 0 || complain(in, line, "%sexpected a sub-method", line->key ? "" : "methods: ");
}

static gboolean
read_step(const source_t *in, const line_t *group, const users_t *users, policy_t *policy)
{
    const line_t *methods = find(group, "methods");
    policy_step_t step = {.grade = 1};

    if (!take_number(in, group, "grade", &step.grade) ||
        !take_word(in, group, "on-failure", "stop, next", &step.go_on) ||
        !read_methods(in, methods ? methods : group, users, &step))
        return FALSE;
    g_array_append_val(policy->steps, step);
    return TRUE;
}

/* Steps come after users: what they may use depends on them. */
static gboolean
read_groups(const source_t *in, users_t *users, policy_t *policy)
{
    guint steps = 0, best = 0;

    for (guint i = 0; i < in->lines->len; i++) {
        const line_t *line = &g_array_index(in->lines, line_t, i);
        if (!line->key && g_str_has_prefix(line->group, "user ") && !read_user(in, line, users))
            return FALSE;
        steps += !line->key && g_str_has_prefix(line->group, "step ");
    }
    for (guint n = 1; n <= MAX(steps, 1); n++) {
        g_autofree char *name = g_strdup_printf("step %u", n);
        const line_t *group = find_group(in, name);
        if (!group)
            return complain(in, NULL, "expected [%s]: steps are numbered from 1 without a gap", name);
        if (!read_step(in, group, users, policy))
            return FALSE;
        best += g_array_index(policy->steps, policy_step_t, n - 1).grade;
    }
    return read_policy(in, best, policy, users);
}

gboolean
config_load(const char *file, users_t *users, policy_t *policy)
{
    static const group_t groups[] = {
        {"policy", {"minimum-grade", "more", "unacceptable", "failure-text", "secret"}},
        {"step *", {"methods", "on-failure", "grade"}},
        {"user *", {"scram", "password"}},
        {NULL},
    };
    source_t in = {.file = file};

    policy->sends_grade = TRUE;
    const gboolean loaded = load(&in, groups) && read_groups(&in, users, policy);
    close_source(&in);
    return loaded;
}

gboolean
config_load_credentials(const char *file, method_settings_t *settings)
{
    static const group_t groups[] = {{"credentials", {"user", "password"}}, {NULL}};
    char *variables[] = {getenv("MAF_USER"), getenv("MAF_PASSWORD")};
    const char *user = variables[0], *password = variables[1];
    source_t in = {.file = file ? file : "MAF_USER and MAF_PASSWORD"};
    const line_t *group = NULL;

    gboolean loaded = !file || load(&in, groups);
    if (loaded && file) {
        group = find_group(&in, "credentials");
        user = take_text(group, "user");
        password = take_text(group, "password");
        loaded = group || complain(&in, NULL, "expected [credentials]");
    }
    g_autofree char *usable_user = sasl_prepare(user ? user : "");
    g_autofree char *usable_password = sasl_prepare(password ? password : "");
    if (loaded && (file || user || password) && !(usable_user && usable_password))
        loaded = complain(&in, group, "expected both user and password, of characters that SASL allows");
    settings->user = g_strdup(user);
    settings->password = g_strdup(password);
    close_source(&in);
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
        if (variables[i])
            explicit_bzero(variables[i], strlen(variables[i]));
    }
    unsetenv("MAF_USER");
    unsetenv("MAF_PASSWORD");
    return loaded;
}
