/* SPDX-License-Identifier: MIT */

/*
 * The data on disk. Memory is lost with its worker; one that starts while the origin is down would have nothing, though the
 * others still serve what they have, and after a restart nobody would have anything. So worker 0 keeps a copy where the
 * service keeps its state, and who starts begins with that: said to be stale, until the origin has been asked.
 *
 * The bytes are kept as they came, so that they have the version they had, below one line that says what goes with them: a
 * digest of the address they came from (which may hold a password), and the validator. It is written beside and then
 * renamed, so that there is a whole one at all times; and not synced, because losing it costs one request.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "cache.h"
#include "copy.h"

#define NAME            "source.data"
#define LINE_MAX        4096

#define UNFINISHED_SPAN 60 /* seconds; writing takes a moment */

static char *make_line(const char *url, const struct validator *validator) {
        char digest[CACHE_VERSION_SIZE], *text;
        json_t *line;

        cache_digest(url, strlen(url), digest);
        line = json_pack("{s:s, s:s, s:s}", "origin", digest, "etag", validator->etag, "lastModified",
                         validator->last_modified);
        text = line ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
        json_decref(line);
        return text;
}

static int write_all(FILE *file, const char *line, const char *data, size_t size) {
        bool good = fputs(line, file) >= 0 && fputc('\n', file) != EOF;

        good = good && fwrite(data, 1, size, file) == size;
        return fclose(file) == 0 && good ? 0 : -EIO;
}

int copy_write(const char *folder, const char *url, const struct validator *validator, const char *data,
               size_t size) {
        char path[4096], beside[4096 + 32];
        char *line;
        FILE *file;
        int r;

        if (snprintf(path, sizeof(path), "%s/" NAME, folder) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        (void) snprintf(beside, sizeof(beside), "%s.%d", path, getpid());
        line = make_line(url, validator);
        if (!line)
                return -EINVAL; /* a validator that is no text */
        file = fopen(beside, "we");
        r = file ? write_all(file, line, data, size) : -errno;
        if (r >= 0 && rename(beside, path) < 0)
                r = -errno;
        if (r < 0 && file)
                (void) unlink(beside);
        free(line);
        return r;
}

void copy_tidy(const char *folder) {
        DIR *directory = opendir(folder);
        const struct dirent *entry;

        if (!directory)
                return;
        /* cppcheck-suppress readdirCalled -- it is this thread's own */
        while ((entry = readdir(directory))) {
                struct stat stat;

                if (strncmp(entry->d_name, NAME ".", sizeof(NAME)) == 0 &&
                    fstatat(dirfd(directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
                    time(NULL) - stat.st_mtim.tv_sec > UNFINISHED_SPAN)
                        (void) unlinkat(dirfd(directory), entry->d_name, 0);
        }
        (void) closedir(directory);
}

/* Reads the line's fields; whether it is for this address. */
static int read_line(const char *line, size_t size, const char *url, struct validator *validator) {
        const char *origin, *etag, *last_modified;
        char digest[CACHE_VERSION_SIZE];
        int r = -EBADMSG;
        json_t *fields;

        cache_digest(url, strlen(url), digest);
        fields = json_loadb(line, size, 0, NULL);
        if (json_unpack(fields, "{s:s, s:s, s:s}", "origin", &origin, "etag", &etag, "lastModified",
                        &last_modified) == 0) {
                *validator = (struct validator){};
                (void) snprintf(validator->etag, sizeof(validator->etag), "%s", etag);
                (void) snprintf(validator->last_modified, sizeof(validator->last_modified), "%s",
                                last_modified);
                r = strcmp(origin, digest) == 0 ? 0 : -ESTALE;
        }
        json_decref(fields);
        return r;
}

static uint64_t age_of(const struct stat *file) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return now.tv_sec > file->st_mtim.tv_sec
                       ? (uint64_t) (now.tv_sec - file->st_mtim.tv_sec) * UINT64_C(1000000)
                       : 0;
}

static int read_whole(FILE *file, size_t size, char **ret) {
        char *text = malloc(size + 1);

        if (!text)
                return -ENOMEM;
        if (fread(text, 1, size, file) != size) {
                free(text);
                return -EBADMSG;
        }
        text[size] = '\0';
        *ret = text;
        return 0;
}

static int split(char *text, size_t size, const char *url, struct copy *ret) {
        char *end = memchr(text, '\n', size);
        int r;

        if (!end)
                return -EBADMSG;
        r = read_line(text, (size_t) (end - text), url, &ret->validator);
        if (r < 0)
                return r;
        ret->size = size - (size_t) (end + 1 - text);
        memmove(text, end + 1, ret->size + 1);
        ret->data = text;
        return 0;
}

int copy_read(const char *folder, const char *url, size_t max, struct copy *ret) {
        struct copy copy = {};
        char path[4096];
        char *text = NULL;
        struct stat stat;
        FILE *file;
        int r;

        if (snprintf(path, sizeof(path), "%s/" NAME, folder) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        file = fopen(path, "re");
        if (!file)
                return -errno;
        r = fstat(fileno(file), &stat) < 0 ? -errno : 0;
        if (r >= 0 && (!S_ISREG(stat.st_mode) || (uint64_t) stat.st_size > (uint64_t) max + LINE_MAX))
                r = -EFBIG;
        if (r >= 0)
                r = read_whole(file, (size_t) stat.st_size, &text);
        (void) fclose(file);
        if (r >= 0)
                r = split(text, (size_t) stat.st_size, url, &copy);
        if (r < 0) {
                free(text);
                return r;
        }
        copy.age = age_of(&stat);
        *ret = copy;
        return 0;
}
