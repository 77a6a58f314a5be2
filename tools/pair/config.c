/* config.c
 * The files: the server's configuration and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "config.h"

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
    GArray *lines; /* of line_t; neither empty lines nor comments */
} source_t;

/* Logs what is wrong, with where it is unless `line` is NULL, and returns FALSE. */
static gboolean G_GNUC_PRINTF(3, 4) complain(const source_t *in, const line_t *line, const char *format, ...)
{
    g_autoptr(GString) text = g_string_new(in->file);
    va_list args;

    if (line)
        g_string_append_printf(text, ":%u", line->number);
    if (line && line->group)
        g_string_append_printf(text, ": [%s]%s%s", line->group, line->key ? " " : "",
                               line->key ? line->key : "");
    g_string_append(text, line && line->group && !line->key ? " " : ": ");
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
    log_line(NULL, "%s", text->str);
    return FALSE;
}

/* The last line of the group with this key, or its [group] for NULL; NULL when there is none. */
static const line_t *
find(const source_t *in, const char *group, const char *key)
{
    const line_t *found = NULL;

    for (guint i = 0; i < in->lines->len; i++) {
        const line_t *line = &g_array_index(in->lines, line_t, i);
        if (strcmp(line->group, group) == 0 && g_strcmp0(line->key, key) == 0)
            found = line;
    }
    return found;
}

/* Reading a file */

static gboolean
read_private(source_t *in)
{
    g_autoptr(GError) error = NULL;
    struct stat status;

    in->lines = g_array_new(FALSE, FALSE, sizeof(line_t));
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
        const char *escaped = NULL;
        if (*value == '\\') {
            escaped = value[1] ? strchr(from, *++value) : NULL;
            if (!escaped)
                return FALSE;
        }
        *out++ = escaped ? to[escaped - from] : *value;
    }
    *out = '\0';
    return TRUE;
}

/* `groups` are those that there may be, NAME or "NAME " with something after it; the last one is NULL. */
static gboolean
parse(source_t *in, const char *const *groups)
{
    char *rest = in->text, *text;
    line_t line = {.number = 1};

    for (; (text = strsep(&rest, "\n")) != NULL; line.number++) {
        const gsize len = strlen(g_strstrip(text));
        line.key = line.value = NULL;
        if (!g_utf8_validate(text, -1, NULL))
            return complain(in, &(line_t){.number = line.number}, "expected UTF-8");
        if (len == 0 || *text == '#')
            continue;
        if (*text == '[' && text[len - 1] == ']') {
            const char *const *group = groups;
            text[len - 1] = '\0';
            line.group = text + 1;
            while (*group && !(g_str_has_suffix(*group, " ") ? g_str_has_prefix(line.group, *group)
                                                             : strcmp(line.group, *group) == 0))
                group++;
            if (!*group || find(in, line.group, NULL))
                return complain(in, &line, *group ? "is there twice" : "unknown group");
        } else {
            line.value = strchr(text, '=');
            if (!line.group || !line.value || line.value == text)
                return complain(in, &(line_t){.number = line.number},
                                "expected [group], key=value in a group, or # comment");
            *line.value++ = '\0';
            line.key = g_strchomp(text);
            if (!unescape(g_strchug(line.value)))
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

/* A key, and where its value goes: the text of the file, a number, or the index of one of the words. */
typedef struct setting {
    const char *key;
    const char **text;
    guint *number, min, max;
    const char *words[4];
} setting_t;

static gboolean
take(const source_t *in, const line_t *line, const setting_t *setting)
{
    guint64 value;

    if (setting->text) {
        *setting->text = line->value;
        return TRUE;
    }
    for (guint i = 0; setting->words[i]; i++) {
        *setting->number = i;
        if (strcmp(line->value, setting->words[i]) == 0)
            return TRUE;
    }
    g_autofree char *words = g_strjoinv(", ", (char **)setting->words);
    if (*words)
        return complain(in, line, "expected one of %s", words);
    if (!g_ascii_string_to_unsigned(line->value, 10, setting->min, setting->max, &value, NULL))
        return complain(in, line, "expected a number from %u to %u", setting->min, setting->max);
    *setting->number = (guint)value;
    return TRUE;
}

/* All keys of a group; what is not there stays as it was. `settings` ends with one that has no key. */
static gboolean
take_all(const source_t *in, const char *group, const setting_t *settings)
{
    for (guint i = 0; i < in->lines->len; i++) {
        const line_t *line = &g_array_index(in->lines, line_t, i);
        const setting_t *setting = settings;
        if (!line->key || strcmp(line->group, group) != 0)
            continue;
        while (setting->key && strcmp(setting->key, line->key) != 0)
            setting++;
        if (!(setting->key ? take(in, line, setting) : complain(in, line, "unknown key")))
            return FALSE;
    }
    return TRUE;
}

/* The server's groups */

static gboolean
read_policy(const source_t *in, policy_t *policy, users_t *users)
{
    const char *text = NULL, *secret = users->secret;
    const setting_t settings[] = {
        {"more", .number = &policy->more, .words = {"relative", "absolute", "never"}},
        {"unacceptable", .number = &policy->by_failure, .words = {"do", "failure"}},
        {"minimum-grade", .number = &policy->minimum_grade, .max = GRADE_MAX},
        {"failure-text", .text = &text},
        {"secret", .text = &secret},
        {NULL},
    };

    const gboolean taken = take_all(in, "policy", settings);
    policy->failure_text = g_strdup(text);
    g_autofree char *old_secret = users->secret;
    users->secret = g_strdup(secret);
    return taken;
}

static gboolean
read_user(const source_t *in, const char *group, users_t *users)
{
    const char *scram = NULL, *password = NULL, *key = NULL;
    const setting_t settings[] = {{"scram", .text = &scram}, {"password", .text = &password}, {NULL}};

    if (!take_all(in, group, settings))
        return FALSE;
    const char *wrong = users_add(users, group + strlen("user "), scram, password, &key);
    return !wrong || complain(in, find(in, group, key), "%s", wrong);
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
        if (!users_have(users, method->need))
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
read_step(const source_t *in, const char *group, const users_t *users, policy_t *policy)
{
    const char *text = NULL;
    policy_step_t step = {.grade = 1};
    const setting_t settings[] = {
        {"methods", .text = &text},
        {"grade", .number = &step.grade, .max = GRADE_MAX},
        {"on-failure", .number = &step.go_on, .words = {"stop", "next"}},
        {NULL},
    };

    if (!take_all(in, group, settings) ||
        !read_methods(in, find(in, group, text ? "methods" : NULL), users, &step))
        return FALSE;
    g_array_append_val(policy->steps, step);
    return TRUE;
}

/* Steps come last: what they may use depends on the users. */
static gboolean
read_groups(const source_t *in, users_t *users, policy_t *policy)
{
    guint steps = 0, best = 0;

    for (guint i = 0; i < in->lines->len; i++) {
        const line_t *line = &g_array_index(in->lines, line_t, i);
        if (!line->key && g_str_has_prefix(line->group, "user ") && !read_user(in, line->group, users))
            return FALSE;
        steps += !line->key && g_str_has_prefix(line->group, "step ");
    }
    for (guint n = 1; n <= MAX(steps, 1); n++) {
        g_autofree char *group = g_strdup_printf("step %u", n);
        if (!find(in, group, NULL))
            return complain(in, NULL, "expected [%s]: steps are numbered from 1 without a gap", group);
        if (!read_step(in, group, users, policy))
            return FALSE;
        best += g_array_index(policy->steps, policy_step_t, n - 1).grade;
    }
    return read_policy(in, policy, users) &&
           (policy->minimum_grade <= best ||
            complain(in, find(in, "policy", "minimum-grade"),
                     "nobody can reach %u: all steps together are worth %u", policy->minimum_grade, best));
}

gboolean
config_load(const char *file, users_t *users, policy_t *policy)
{
    source_t in = {.file = file};

    policy->sends_grade = TRUE;
    const gboolean loaded = read_private(&in) &&
                            parse(&in, (const char *[]){"policy", "user ", "step ", NULL}) &&
                            read_groups(&in, users, policy);
    close_source(&in);
    return loaded;
}

static gboolean
is_usable(const char *text)
{
    char *prepared = text ? sasl_prepare(text) : NULL;
    const gboolean usable = prepared != NULL;

    wipe_and_free(prepared);
    return usable;
}

/* Sets both settings, unless both are NULL. */
static gboolean
take_credentials(const source_t *in, const char *user, const char *password, method_settings_t *settings)
{
    if ((user || password || in->text) && !(is_usable(user) && is_usable(password)))
        return complain(in, in->text ? find(in, "credentials", NULL) : NULL,
                        "expected both user and password, of characters that SASL allows");
    settings->user = g_strdup(user);
    settings->password = g_strdup(password);
    return TRUE;
}

gboolean
config_load_credentials(const char *file, method_settings_t *settings)
{
    char *variables[] = {getenv("MAF_USER"), getenv("MAF_PASSWORD")};
    const char *user = NULL, *password = NULL;
    const setting_t keys[] = {{"user", .text = &user}, {"password", .text = &password}, {NULL}};
    source_t in = {.file = file ? file : "MAF_USER and MAF_PASSWORD"};
    gboolean taken;

    if (file)
        taken = read_private(&in) && parse(&in, (const char *[]){"credentials", NULL}) &&
                (in.lines->len > 0 || complain(&in, NULL, "expected [credentials]")) &&
                take_all(&in, "credentials", keys) && take_credentials(&in, user, password, settings);
    else
        taken = take_credentials(&in, variables[0], variables[1], settings);
    close_source(&in);
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
        if (variables[i])
            explicit_bzero(variables[i], strlen(variables[i]));
    }
    unsetenv("MAF_USER");
    unsetenv("MAF_PASSWORD");
    return taken;
}
