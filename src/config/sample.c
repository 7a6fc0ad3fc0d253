/* SPDX-License-Identifier: MIT */

/*
 * The table for people: the sample file and the keys of the manual page.
 *
 * Both are written by a program from the table, so neither can lack a key or name a default that is not
 * the default. In the sample every key is commented out: installed as it is, it changes nothing, and a
 * later version's better default takes effect where nobody chose otherwise.
 */

#include <errno.h>

#include "config/sample.h"
#include "config/table.h"
#include "util/macro.h"

#define WIDTH 78

#define SCHEDULE_HELP                                                                                                      \
        "What is otherwise than the application has it, for its schedule of that name; an empty value leaves it as it is " \
        "there. A section whose name no schedule has is an error at the start, and at a reload."

/* Writes words as comment lines of at most WIDTH. */
static void write_comment(FILE *file, const char *text) {
        size_t column = 0;

        while (*text) {
                size_t length = strcspn(text, " ");

                if (column > 0 && column + 1 + length > WIDTH) {
                        (void) fputc('\n', file);
                        column = 0;
                }
                column += (size_t) fprintf(file, "%s%.*s", column > 0 ? " " : "# ", (int) length, text);
                text += length;
                text += strspn(text, " ");
        }
        (void) fputc('\n', file);
}

static const char *default_of(const struct config_key *key) {
        if (!key->fallback)
                return key->required ? "none, it must be set" : "what the application says";
        return *key->fallback ? key->fallback : "empty";
}

static int write_sample_key(FILE *file, const struct config_key *key) {
        _cleanup_free_ char *allowed = NULL, *facts = NULL;
        int r;

        r = config_key_allowed(key, &allowed);
        if (r < 0)
                return r;
        if (asprintf(&facts, "Type: %s. Allowed: %s. Default: %s.", config_type_name(key->type), allowed,
                     default_of(key)) < 0) {
                facts = NULL;
                return -ENOMEM;
        }

        (void) fputc('\n', file);
        write_comment(file, key->help);
        write_comment(file, facts);
        if (!key->reloadable)
                write_comment(file, "A change takes effect at the next start, not at a reload.");
        (void) fprintf(file, "#%s =%s%s\n", key->name, key->fallback && *key->fallback ? " " : "",
                       key->fallback ? key->fallback : "");
        return 0;
}

static int write_sample_schedule(FILE *file) {
        (void) fprintf(file, "\n#[%s]\n\n", config_schedule_table[0].section);
        write_comment(file, SCHEDULE_HELP);
        for (size_t i = 0; i < config_schedule_table_size; i++) {
                int r;

                r = write_sample_key(file, &config_schedule_table[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_write_sample(FILE *file) {
        const char *section = "";
        int r;

        write_comment(file, "muster.conf: every key, with its default. See muster.conf(5).");
        (void) fputs("#\n", file);
        write_comment(
                file,
                "An instance NAME reads /etc/muster/NAME.conf, then /etc/muster/NAME.conf.d/*.conf in the "
                "order of their names; later values replace earlier ones. Durations are written as in "
                "systemd.time(7): 500ms, 30s, 10min; sizes with K, M, G or T.");
        (void) fputs("#\n", file);
        write_comment(
                file,
                "A ; or # begins a comment, behind a value too: a value that contains one, or blanks at "
                "its ends, is put in quotes. A backslash at the end of a line joins the next line.");

        for (size_t i = 0; i < config_table_size; i++) {
                if (!streq(section, config_table[i].section)) {
                        section = config_table[i].section;
                        (void) fprintf(file, "\n[%s]\n", section);
                }
                r = write_sample_key(file, &config_table[i]);
                if (r < 0)
                        return r;
        }

        r = write_sample_schedule(file);
        if (r < 0)
                return r;
        (void) fputs("\n[app]\n\n", file);
        write_comment(file, "Keys of the application's own. Muster hands them over as they are.");
        return ferror(file) ? -EIO : 0;
}

/* Every mark that scdoc could take for its own is escaped. */
static void write_scdoc(FILE *file, const char *text) {
        for (; *text; text++) {
                if (strchr("\\*_[]#<~", *text))
                        (void) fputc('\\', file);
                (void) fputc(*text, file);
        }
}

static int write_man_key(FILE *file, const struct config_key *key) {
        _cleanup_free_ char *allowed = NULL;
        int r;

        r = config_key_allowed(key, &allowed);
        if (r < 0)
                return r;
        (void) fputc('*', file);
        write_scdoc(file, key->name);
        (void) fprintf(file, "* = _%s_\n\t", config_type_name(key->type));
        write_scdoc(file, key->help);
        (void) fputs("\n\n\tAllowed: ", file);
        write_scdoc(file, allowed);
        (void) fputs(". Default: ", file);
        write_scdoc(file, default_of(key));
        (void) fprintf(file, ".%s\n\n", key->reloadable ? "" : " A change takes effect at the next start.");
        return 0;
}

static int write_man_schedule(FILE *file) {
        int r = 0;

        (void) fprintf(file, "## [%s]\n\n", config_schedule_table[0].section);
        write_scdoc(file, SCHEDULE_HELP);
        (void) fputs("\n\n", file);
        for (size_t i = 0; i < config_schedule_table_size && r >= 0; i++)
                r = write_man_key(file, &config_schedule_table[i]);
        return r;
}

int config_write_man(FILE *file) {
        const char *section = "";
        int r;

        for (size_t i = 0; i < config_table_size; i++) {
                if (!streq(section, config_table[i].section)) {
                        section = config_table[i].section;
                        (void) fprintf(file, "## [%s]\n\n", section);
                }
                r = write_man_key(file, &config_table[i]);
                if (r < 0)
                        return r;
        }
        r = write_man_schedule(file);
        if (r < 0)
                return r;
        (void) fputs(
                "## [app]\n\nKeys of the application's own, read with the calls of muster-app(3). Names "
                "are not case-sensitive.\n",
                file);
        return ferror(file) ? -EIO : 0;
}
