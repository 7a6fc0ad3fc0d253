/* SPDX-License-Identifier: MIT */

/*
 * The quarantine of the running service: the crashes go in, and what comes out is shown to the workers by their
 * page, to the log and to systemd.
 *
 * The decisions are in quarantine.c, and what the workers do with it in ipc/quarantine-page.c. An entry
 * ends in the workers by its time; the timer here only clears up after it and says so. Entries outlive a
 * reload, whose workers have the same page, and the numbers of the new configuration hold for what is decided
 * afterwards.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "master/service.h"
#include "util/log.h"
#include "util/log-id.h"

static struct quarantine_page *page_of(const struct service *service) {
        return scoreboard_quarantine(&service->scoreboard);
}

/* ---- What the log says ---- */

struct entry_fields {
        char kind[40], number[64], request[QUARANTINE_TEXT_SIZE + 24], route[SCOREBOARD_ROUTE_SIZE + 24];
        char place[QUARANTINE_PLACE_SIZE + 24], until[64];
        const char *list[8];
};

static void format_until(const struct quarantine_entry *entry, char *buffer, size_t size) {
        time_t until = (time_t) ((now_realtime() + (entry->until - entry->since)) / USEC_PER_SEC);
        struct tm when;
        size_t n;

        n = (size_t) snprintf(buffer, size, "MUSTER_UNTIL=");
        if (gmtime_r(&until, &when))
                (void) strftime(buffer + n, size - n, "%Y-%m-%d %H:%M:%S UTC", &when);
}

static void make_fields(struct entry_fields *fields, const struct quarantine_entry *entry,
                        const char *route) {
        *fields = (struct entry_fields){
                .list = { LOG_FIELD_ID(LOG_ID_QUARANTINE), fields->kind, fields->number, fields->request,
                          fields->route, fields->place, fields->until, NULL },
        };
        (void) snprintf(fields->kind, sizeof(fields->kind), "MUSTER_QUARANTINE=%s",
                        entry->kind == QUARANTINE_ROUTE ? "route" : "request");
        (void) snprintf(fields->number, sizeof(fields->number), "MUSTER_QUARANTINE_NUMBER=%" PRIu32,
                        entry->number);
        (void) snprintf(fields->request, sizeof(fields->request), "MUSTER_REQUEST=%s", entry->text);
        (void) snprintf(fields->route, sizeof(fields->route), "MUSTER_ROUTE=%s", route);
        (void) snprintf(fields->place, sizeof(fields->place), "MUSTER_PLACE=%s", entry->place);
        format_until(entry, fields->until, sizeof(fields->until));
}

static void log_begin(const struct service *service, const struct quarantine_entry *entry,
                      const char *route) {
        char span[USEC_FORMAT_MAX], window[USEC_FORMAT_MAX];
        struct entry_fields fields;

        make_fields(&fields, entry, route);
        (void) usec_format(entry->until - entry->since, span, sizeof(span));
        (void) usec_format(service->quarantine.window, window, sizeof(window));
        if (entry->by_hand)
                (void) log_fields(LOG_NOTICE, 0, fields.list, "In quarantine for %s, by hand: %s", span,
                                  entry->text);
        else if (entry->kind == QUARANTINE_ROUTE)
                (void) log_fields(
                        LOG_ERR, 0, fields.list,
                        "In quarantine for %s: %s, all of it; %u different paths crashed at %s within %s",
                        span, entry->text, entry->crashes, entry->place, window);
        else
                (void) log_fields(LOG_ERR, 0, fields.list,
                                  "In quarantine for %s: %s, which crashed %u times within %s", span,
                                  entry->text, entry->crashes, window);
}

/* ---- Showing it ---- */

static int dispatch_end(sd_event_source *source, uint64_t when, void *userdata);

static void set_timer(struct service *service) {
        usec_t next = quarantine_next_end(&service->quarantine);
        int r;

        service->quarantine_timer = sd_event_source_disable_unref(service->quarantine_timer);
        if (next == USEC_NEVER)
                return;
        r = sd_event_add_time(service->event, &service->quarantine_timer, CLOCK_MONOTONIC, next,
                              USEC_PER_SEC / 10, dispatch_end, service);
        if (r < 0)
                log_error(r, "Failed to wait for the end of a quarantine: %m");
}

/* For the next master; the crashes that have led to nothing yet, too. */
static void keep(struct service *service) {
        struct quarantine_state state;

        quarantine_save(&service->quarantine, &state);
        state_keep_quarantine(&service->state, &state, sizeof(state));
}

/* Something has changed. */
static void update(struct service *service) {
        keep(service);
        quarantine_publish(&service->quarantine, page_of(service));
        set_timer(service);
        if (service->phase == PHASE_RUNNING && !service->next)
                status_running(service);
}

static int dispatch_end(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        struct quarantine_entry entry;

        while (quarantine_expire(&service->quarantine, now_monotonic(), &entry))
                log_info("Out of quarantine: %s, its time is over", entry.text);
        update(service);
        return 0;
}

/* ---- What happens to it ---- */

/* What the master before has kept, with the key from which its ids come. */
static void take_kept(struct service *service) {
        const struct state *state = &service->state;
        unsigned int n;
        int r;

        if (!state->quarantine)
                return;
        r = quarantine_restore(&service->quarantine, state->quarantine, state->quarantine_size,
                               now_monotonic());
        if (r < 0) {
                log_warning(r, "The quarantine that was kept is no good, ignoring: %m");
                return;
        }
        memcpy(page_of(service)->key, service->quarantine.key, sizeof(service->quarantine.key));
        n = quarantine_count(&service->quarantine);
        if (n > 0)
                log_info("Still in quarantine: %u", n);
}

/* Before there are workers, or with those of an earlier master and their page, which has its key already; and with the state
 * at hand. */
int service_quarantine_set_up(struct service *service) {
        struct quarantine_page *page = page_of(service);

        if (page->key[0] == 0 && page->key[1] == 0 && getrandom(page->key, sizeof(page->key), 0) < 0)
                return log_error(-errno, "Failed to draw a random key: %m");
        quarantine_init(&service->quarantine, page->key);
        take_kept(service);
        service_quarantine_configure(service);
        return 0;
}

void service_quarantine_configure(struct service *service) {
        const struct config *config = service->current->config;
        unsigned int before = quarantine_count(&service->quarantine);

        quarantine_configure(&service->quarantine, config->restart.quarantine_after,
                             config->restart.quarantine_window, config->restart.quarantine_time);
        if (quarantine_count(&service->quarantine) < before)
                log_info("Out of quarantine: all that was not put in by hand, since quarantine_after is 0");
        update(service);
}

void service_quarantine_crashed(struct service *service, const struct slot *slot) {
        const struct crash_record *record = &slot->crash;
        const struct quarantine_entry *entry;
        char place[QUARANTINE_PLACE_SIZE];
        struct quarantine_crash crash = {
                .request_id = record->request_id,
                .route_id = record->route_id,
                .request = record->request,
                .route = record->route,
                .place = slot_format_place(slot, place, sizeof(place)),
        };

        entry = quarantine_crashed(&service->quarantine, &crash, now_monotonic());
        if (!entry) {
                keep(service);
                return;
        }
        update(service);
        log_begin(service, entry, record->route);
}

/* Takes what a person has written apart: its id, and how it is written in the log. */
static int parse_text(const struct quarantine_page *page, enum quarantine_kind kind, const char *text,
                      uint64_t *ret_id, char canonical[QUARANTINE_TEXT_SIZE]) {
        struct quarantine_request request = {};
        char method[32], segments[QUARANTINE_TEXT_SIZE];
        size_t length = strcspn(text, " ");
        int n;

        if (length == 0 || length >= sizeof(method) || !text[length] || strlen(text) >= QUARANTINE_TEXT_SIZE)
                return -EINVAL;
        (void) snprintf(method, sizeof(method), "%.*s", (int) length, text);
        n = quarantine_parse_path(text + length + 1, segments);
        if (n < 0)
                return n;
        request.method = method;
        request.segments = segments;
        request.size = (size_t) n;
        *ret_id = kind == QUARANTINE_ROUTE ? quarantine_route_id(page, method, text + length + 1)
                                           : quarantine_request_id(page, &request);
        (void) quarantine_format(canonical, QUARANTINE_TEXT_SIZE, method, segments, (size_t) n);
        return 0;
}

int service_quarantine_add(struct service *service, enum quarantine_kind kind, const char *text,
                           usec_t span) {
        const struct quarantine_entry *entry;
        char canonical[QUARANTINE_TEXT_SIZE];
        uint64_t id;
        int r;

        r = parse_text(page_of(service), kind, text, &id, canonical);
        if (r < 0)
                return r;
        entry = quarantine_add(&service->quarantine, kind, id, canonical, span, now_monotonic());
        update(service);
        log_begin(service, entry, kind == QUARANTINE_ROUTE ? entry->text : "");
        return 0;
}

int service_quarantine_lift(struct service *service, uint32_t number) {
        struct quarantine_entry entry;

        if (!quarantine_lift(&service->quarantine, number, &entry))
                return -ENOENT;
        log_info("Out of quarantine: %s, lifted by hand", entry.text);
        update(service);
        return 0;
}

unsigned int service_quarantine_lift_all(struct service *service) {
        unsigned int n = quarantine_lift_all(&service->quarantine);

        if (n > 0)
                log_info("Out of quarantine: all %u, lifted by hand", n);
        update(service);
        return n;
}

uint64_t service_quarantine_refused(const struct service *service) {
        uint64_t total = service->refused_gone;

        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                total += scoreboard_slot(&service->scoreboard, process->slot)->quarantined;
        }
        return total;
}
