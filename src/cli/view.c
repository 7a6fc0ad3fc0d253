/* SPDX-License-Identifier: MIT */

/*
 * A service's status for people: what there is to know of the whole, then a line for each worker.
 *
 * Everything comes out of one answer of the master, so the parts fit together. What the master does not tell, because it is
 * of another version, is left out.
 */

#include <inttypes.h>

#include "cli/format.h"
#include "cli/listing.h"
#include "cli/view.h"

static void print_text(FILE *file, const char *text) {
        _cleanup_free_ char *clean = format_clean(strdup(text));

        (void) fputs(clean ?: "?", file);
}

static void label(FILE *file, const char *name) {
        (void) fprintf(file, "%12s: ", name);
}

void view_headline(const struct value *status, FILE *file) {
        char span[FORMAT_MAX];

        print_text(file, value_text(status, "Instance"));
        (void) fputs(": ", file);
        print_text(file, value_text(status, "State"));
        (void) fprintf(file, " for %s, generation %" PRIu64 ", master pid %" PRIu64 ", muster ",
                       format_span(value_number(status, "UptimeUsec"), span, sizeof(span)),
                       value_number(status, "Generation"), value_number(status, "Pid"));
        print_text(file, value_text(status, "Version"));
        (void) fputc('\n', file);
}

static void print_line(FILE *file, const char *name, const char *text) {
        if (!*text)
                return;
        label(file, name);
        print_text(file, text);
        (void) fputc('\n', file);
}

static void print_sockets(const struct value *status, FILE *file) {
        const struct value *sockets = value_list(status, "Sockets");

        for (size_t i = 0; i < sockets->n_items; i++) {
                const struct value *socket = &sockets->items[i];
                uint64_t backlog = value_number(socket, "Backlog");

                if (i == 0)
                        label(file, "Sockets");
                else
                        (void) fprintf(file, "%14s", "");
                print_text(file, value_text(socket, "Name"));
                (void) fputc(' ', file);
                print_text(file, value_text(socket, "Address"));
                if (backlog > 0)
                        (void) fprintf(file, ", %" PRIu64 " of %" PRIu64 " waiting",
                                       value_number(socket, "Waiting"), backlog);
                (void) fputc('\n', file);
        }
}

static void print_reload(const struct value *status, usec_t now, FILE *file) {
        const struct value *reload = value_get(status, "LastReload");
        const char *result = value_text(reload, "Result"), *reason = value_text(reload, "Reason");
        uint64_t ended = value_number(reload, "EndedUsec");
        char ago[FORMAT_MAX], took[FORMAT_MAX];

        if (!*result)
                return;
        label(file, "Last reload");
        print_text(file, result);
        if (ended > 0)
                (void) fprintf(file, ", %s ago, took %s",
                               format_span(now > ended ? now - ended : 0, ago, sizeof(ago)),
                               format_span(value_number(reload, "TookUsec"), took, sizeof(took)));
        if (*reason) {
                (void) fputs(": ", file);
                print_text(file, reason);
        }
        (void) fputc('\n', file);
}

static void print_upgrade(const struct value *status, FILE *file) {
        const struct value *upgrade = value_get(status, "LastUpgrade");
        const char *result = value_text(upgrade, "Result"), *reason = value_text(upgrade, "Reason");

        if (value_number(upgrade, "Number") == 0)
                return;
        label(file, "Last upgrade");
        print_text(file, result);
        if (!*reason && *value_text(upgrade, "From")) {
                (void) fputs(", from ", file);
                print_text(file, value_text(upgrade, "From"));
        }
        if (*reason) {
                (void) fputs(": ", file);
                print_text(file, reason);
        }
        (void) fputc('\n', file);
}

static void print_restarts(const struct value *status, FILE *file) {
        const struct value *budgets = value_list(status, "RestartBudgets");
        char span[FORMAT_MAX];

        label(file, "Restarts");
        (void) fprintf(file, "%" PRIu64, value_number(status, "Restarts"));
        for (size_t i = 0; i < budgets->n_items; i++) {
                const struct value *budget = &budgets->items[i];

                (void) fprintf(file, "%s %" PRIu64 " of %" PRIu64 " left for the ", i == 0 ? ";" : ",",
                               value_number(budget, "Left"), value_number(budget, "Limit"));
                print_text(file, value_text(budget, "For"));
                if (i + 1 == budgets->n_items)
                        (void) fprintf(
                                file, " in %s",
                                format_span(value_number(budget, "IntervalUsec"), span, sizeof(span)));
        }
        (void) fputc('\n', file);
}

/* Between the processes, where there are any. */
static void print_messages(const struct value *status, FILE *file) {
        uint64_t dropped = value_number(status, "MessagesDropped");

        if (value_number(status, "Messages") == 0)
                return;
        label(file, "Messages");
        (void) fprintf(file, "%" PRIu64 " sent, %" PRIu64 " relayed", value_number(status, "Messages"),
                       value_number(status, "MessagesRelayed"));
        if (dropped > 0)
                (void) fprintf(file, ", %" PRIu64 " dropped", dropped);
        (void) fputc('\n', file);
}

/* In all, where there was a master before this one. */
static void print_totals(const struct value *status, usec_t now, FILE *file) {
        const struct value *totals = value_get(status, "Totals");
        uint64_t since = value_number(totals, "SinceUsec");
        char span[FORMAT_MAX];

        if (value_number(totals, "Starts") <= 1)
                return;
        label(file, "In all");
        (void) fprintf(file,
                       "%" PRIu64 " starts, %" PRIu64 " restarts, %" PRIu64 " crashes, %" PRIu64
                       " requests in %s\n",
                       value_number(totals, "Starts"), value_number(totals, "Restarts"),
                       value_number(totals, "Crashes"), value_number(totals, "Requests"),
                       format_span(now > since ? now - since : 0, span, sizeof(span)));
}

static void print_quarantine(const struct value *status, FILE *file) {
        const struct value *entries = value_list(status, "Quarantine");
        char span[FORMAT_MAX];

        for (size_t i = 0; i < entries->n_items; i++) {
                const struct value *entry = &entries->items[i];

                if (i == 0)
                        label(file, "Quarantine");
                else
                        (void) fprintf(file, "%14s", "");
                (void) fprintf(file, "%" PRIu64 " ", value_number(entry, "Number"));
                print_text(file, value_text(entry, "Kind"));
                (void) fputc(' ', file);
                print_text(file, value_text(entry, "Text"));
                (void) fprintf(file, ", for %s\n",
                               format_span(value_number(entry, "EndsInUsec"), span, sizeof(span)));
        }
}

/* When each runs next; what is wrong with one says the listing of schedules. */
static void print_schedules(const struct value *status, usec_t now, FILE *file) {
        const struct value *schedules = value_list(status, "Schedules");
        char span[FORMAT_MAX];

        for (size_t i = 0; i < schedules->n_items; i++) {
                const struct value *schedule = &schedules->items[i];
                usec_t next = value_number(schedule, "NextUsec");

                if (i == 0)
                        label(file, "Schedules");
                else
                        (void) fprintf(file, "%14s", "");
                print_text(file, value_text(schedule, "Name"));
                (void) fputs(" ", file);
                print_text(file, value_text(schedule, "State"));
                if (next > 0)
                        (void) fprintf(file, ", next in %s",
                                       format_span(next > now ? next - now : 0, span, sizeof(span)));
                if (*value_text(schedule, "Result")) {
                        (void) fputs(", last: ", file);
                        print_text(file, value_text(schedule, "Result"));
                }
                (void) fputc('\n', file);
        }
}

static void print_agent(const struct value *status, FILE *file) {
        const struct value *agent = value_get(status, "Agent");
        char span[FORMAT_MAX], bytes[FORMAT_MAX];

        label(file, "Agent");
        print_text(file, value_text(agent, "State"));
        if (value_get(agent, "Pid"))
                (void) fprintf(file, ", pid %" PRIu64 ", up %s, %s, busy %.0f%%, %" PRIu64 " faults",
                               value_number(agent, "Pid"),
                               format_span(value_number(agent, "UptimeUsec"), span, sizeof(span)),
                               format_bytes(value_number(agent, "Rss"), bytes, sizeof(bytes)),
                               value_real(agent, "BusyPercent"), value_number(agent, "Faults"));
        (void) fprintf(file, ", %" PRIu64 " restarts", value_number(agent, "Restarts"));
        if (*value_text(agent, "Route")) {
                (void) fputs(", in ", file);
                print_text(file, value_text(agent, "Route"));
        }
        (void) fputc('\n', file);
}

/* "none" where none is configured. */
static void print_broker(const struct value *status, FILE *file) {
        const struct value *broker = value_get(status, "Broker");
        const char *state = value_text(broker, "State"), *reason = value_text(broker, "Reason");
        char span[FORMAT_MAX];

        if (!*state || streq(state, "none"))
                return;
        label(file, "Broker");
        print_text(file, state);
        (void) fputs(" to ", file);
        print_text(file, value_text(broker, "Server"));
        (void) fprintf(file, " for %s", format_span(value_number(broker, "ForUsec"), span, sizeof(span)));
        if (*reason) {
                (void) fputs(" (", file);
                print_text(file, reason);
                (void) fputc(')', file);
        }
        (void) fprintf(file,
                       ", %" PRIu64 " connections, %" PRIu64 " received, %" PRIu64 " published, %" PRIu64
                       " dropped\n",
                       value_number(broker, "Connections"), value_number(broker, "Received"),
                       value_number(broker, "Published"), value_number(broker, "Dropped"));
}

/* A worker that has no process has only a few facts. */
static void add_worker(struct listing *listing, const struct value *worker) {
        char span[FORMAT_MAX], bytes[FORMAT_MAX];

        listing_add(listing, "%" PRIu64, value_number(worker, "Worker"));
        if (value_get(worker, "Pid")) {
                listing_add(listing, "%" PRIu64, value_number(worker, "Pid"));
                listing_add(listing, "%s", value_text(worker, "State"));
                listing_add(listing, "%" PRIu64, value_number(worker, "Generation"));
                listing_add(listing, "%s",
                            format_span(value_number(worker, "UptimeUsec"), span, sizeof(span)));
                listing_add(listing, "%" PRIu64, value_number(worker, "Requests"));
                listing_add(listing, "%" PRIu64, value_number(worker, "Errors"));
                listing_add(listing, "%" PRIu64, value_number(worker, "InFlight"));
                listing_add(listing, "%" PRIu64, value_number(worker, "Connections"));
                listing_add(listing, "%.0f%%", value_real(worker, "BusyPercent"));
                listing_add(listing, "%s", format_bytes(value_number(worker, "Rss"), bytes, sizeof(bytes)));
        } else {
                listing_add(listing, "-");
                listing_add(listing, "%s", value_text(worker, "State"));
                for (unsigned int i = 0; i < 8; i++)
                        listing_add(listing, "-");
        }
        listing_add(listing, "%" PRIu64, value_number(worker, "Restarts"));
        listing_add(listing, "%s", value_text(worker, "Route"));
}

static int print_workers(const struct value *status, FILE *file, size_t width) {
        static const struct column columns[] = {
                { "WORKER", true },  { "PID", true },      { "STATE", false }, { "GENERATION", true },
                { "UPTIME", true },  { "REQUESTS", true }, { "ERRORS", true }, { "IN FLIGHT", true },
                { "CLIENTS", true }, { "BUSY", true },     { "RSS", true },    { "RESTARTS", true },
                { "ROUTE", false },
        };
        const struct value *workers = value_list(status, "Workers");
        _cleanup_listing_ struct listing listing = LISTING_NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < workers->n_items; i++)
                add_worker(&listing, &workers->items[i]);
        return listing_print(&listing, file, width);
}

static void add_compute(struct listing *listing, const struct value *compute) {
        char span[FORMAT_MAX], bytes[FORMAT_MAX];

        listing_add(listing, "%" PRIu64, value_number(compute, "Compute"));
        if (value_get(compute, "Pid")) {
                listing_add(listing, "%" PRIu64, value_number(compute, "Pid"));
                listing_add(listing, "%s", value_text(compute, "State"));
                listing_add(listing, "%" PRIu64, value_number(compute, "Generation"));
                listing_add(listing, "%s",
                            format_span(value_number(compute, "UptimeUsec"), span, sizeof(span)));
                listing_add(listing, "%" PRIu64, value_number(compute, "Jobs"));
                listing_add(listing, "%.0f%%", value_real(compute, "BusyPercent"));
                listing_add(listing, "%s", format_bytes(value_number(compute, "Rss"), bytes, sizeof(bytes)));
        } else {
                listing_add(listing, "-");
                listing_add(listing, "%s", value_text(compute, "State"));
                for (unsigned int i = 0; i < 5; i++)
                        listing_add(listing, "-");
        }
        listing_add(listing, "%" PRIu64, value_number(compute, "Restarts"));
        listing_add(listing, "%s", value_text(compute, "Route"));
}

/* Nothing where the application has nothing to compute. */
static int print_computes(const struct value *status, FILE *file, size_t width) {
        static const struct column columns[] = {
                { "COMPUTE", true },  { "PID", true },   { "STATE", false }, { "GENERATION", true },
                { "UPTIME", true },   { "JOBS", true },  { "BUSY", true },   { "RSS", true },
                { "RESTARTS", true }, { "TASK", false },
        };
        const struct value *computes = value_list(status, "Computes");
        _cleanup_listing_ struct listing listing = LISTING_NULL;

        if (computes->n_items == 0)
                return 0;
        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < computes->n_items; i++)
                add_compute(&listing, &computes->items[i]);
        (void) fputc('\n', file);
        return listing_print(&listing, file, width);
}

static void print_jobs(const struct value *status, FILE *file) {
        const struct value *jobs = value_get(status, "Jobs");

        if (value_list(status, "Computes")->n_items == 0)
                return;
        label(file, "Jobs");
        (void) fprintf(file,
                       "%" PRIu64 " running, %" PRIu64 " waiting; %" PRIu64 " done, %" PRIu64
                       " crashed, %" PRIu64 " late, %" PRIu64 " refused, %" PRIu64 " cancelled\n",
                       value_number(jobs, "Running"), value_number(jobs, "Waiting"),
                       value_number(jobs, "Done"), value_number(jobs, "Crashed"), value_number(jobs, "Late"),
                       value_number(jobs, "Refused"), value_number(jobs, "Cancelled"));
}

int view_status(const struct value *status, usec_t now, FILE *file, size_t width) {
        int r;

        view_headline(status, file);
        print_line(file, "Application", value_text(status, "Module"));
        print_line(file, "Status", value_text(status, "Status"));
        print_sockets(status, file);
        print_reload(status, now, file);
        print_upgrade(status, file);
        print_restarts(status, file);
        print_messages(status, file);
        print_totals(status, now, file);
        print_quarantine(status, file);
        print_schedules(status, now, file);
        print_agent(status, file);
        print_jobs(status, file);
        print_broker(status, file);
        (void) fputc('\n', file);
        r = print_workers(status, file, width);
        return r < 0 ? r : print_computes(status, file, width);
}
