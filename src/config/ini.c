/* SPDX-License-Identifier: MIT */

/*
 * INI files, read with iniparser. The only user of its headers.
 *
 * iniparser's typed getters are not used: 4.1 reads "12abc" as 12 and crashes when it is asked for a
 * boolean whose name is a section's (CVE-2023-33461). We take strings only, and those from the
 * dictionary itself, since iniparser_getstring() cuts names at its line length and iniparser_getnsec()
 * does not count a section with a colon in its name.
 *
 * The file is read once, into memory. ini_scan() looks at its form, and iniparser then gets those same
 * bytes in a memfd, so that what was checked is what is parsed even when the file is being rewritten, and
 * so that a directory, which iniparser reads as an empty file, never reaches it. Afterwards both must
 * agree on what is in the file: each key that the scan found has a value, and there is no other. If ever
 * a version of iniparser reads a line in another way, that is an error and no silent difference.
 *
 * iniparser's messages come through a callback without a context, hence the one static variable. They
 * name the memfd and not the file, so they are kept out of standard error and said in our own words.
 */

#include <errno.h>
#include <iniparser/dictionary.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/ini-scan.h"
#include "util/fd.h"

static void free_dictionary(dictionary **d) {
        if (*d)
                iniparser_freedict(*d);
}

#define _cleanup_dictionary_ _cleanup_(free_dictionary)

static char last_message[256];

static int _printf_(1, 2) keep_message(const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(last_message, sizeof(last_message), format, arguments);
        va_end(arguments);
        last_message[strcspn(last_message, "\n")] = '\0';
        return n;
}

static int load(const char *text, size_t size, dictionary **ret) {
        _cleanup_fd_ int fd = -1;
        char path[64];

        fd = fd_memfd_sealed("muster-ini", text, size);
        if (fd < 0)
                return fd;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);

        last_message[0] = '\0';
        iniparser_set_error_callback(keep_message);
        *ret = iniparser_load(path);
        iniparser_set_error_callback(NULL);
        return *ret ? 0 : -EINVAL;
}

/* Takes over the value of one entry that the scan found. Returns 1 when iniparser has none. */
static int take_value(struct ini_entry *entry, const dictionary *d) {
        _cleanup_free_ char *name = NULL;
        const char *value;

        if (asprintf(&name, "%s:%s", entry->section, entry->key) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        value = dictionary_get(d, name, NULL);
        if (!value)
                return 1;
        entry->value = strdup(value);
        return entry->value ? 0 : -ENOMEM;
}

static size_t count_values(const dictionary *d) {
        size_t n = 0;

        for (size_t i = 0; i < (size_t) d->size; i++)
                if (d->key[i] && d->val[i])
                        n++;
        return n;
}

static int report_failed(struct config_report *report, const char *path, const char *why) {
        return config_report_error(report, "%s: %s", path, why) < 0 ? -ENOMEM : -EINVAL;
}

static int take_values(struct ini *ini, const char *path, const dictionary *d,
                       struct config_report *report) {
        size_t n_keys = 0;

        for (size_t i = 0; i < ini->n_entries; i++) {
                struct ini_entry *entry = &ini->entries[i];
                int r;

                if (!entry->key)
                        continue;
                n_keys++;
                r = take_value(entry, d);
                if (r < 0)
                        return r;
                if (r > 0)
                        return config_report_error(report, "%s:%u: [%s] %s: iniparser finds no such key",
                                                   path, entry->line, entry->section, entry->key) < 0
                                       ? -ENOMEM
                                       : -EINVAL;
        }
        if (n_keys != count_values(d))
                return report_failed(report, path, "iniparser finds keys where there are none");
        return 0;
}

int ini_read(struct ini *ini, const char *path, struct config_report *report) {
        _cleanup_dictionary_ dictionary *d = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = fd_read_file(path, INI_FILE_MAX, &text, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return report_failed(report, path, r == -EFBIG ? "larger than 1M" : strerror(-r));
        r = ini_scan(ini, path, text, size, report);
        if (r < 0)
                return r;
        r = load(text, size, &d);
        if (r == -EINVAL)
                return report_failed(report, path,
                                     last_message[0] ? last_message : "iniparser cannot read it");
        if (r < 0)
                return r;
        return take_values(ini, path, d, report);
}

void ini_deinit(struct ini *ini) {
        for (size_t i = 0; i < ini->n_entries; i++) {
                free(ini->entries[i].section);
                free(ini->entries[i].key);
                free(ini->entries[i].value);
        }
        free(ini->entries);
        *ini = (struct ini) INI_NULL;
}
