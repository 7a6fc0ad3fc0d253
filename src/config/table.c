/* SPDX-License-Identifier: MIT */

/*
 * The table of keys: the one place that knows which keys there are.
 *
 * Defaults, parsing, ranges, error messages, what children are sent, the sample file and the manual page
 * are all made from it, so a key is added by one entry here and one field in config.h. A default is text
 * and goes through the same parser as a file's value, so that it cannot be outside its own range: a test
 * walks all of them. Sections stand in the order in which a person reads the sample file.
 */

#include <errno.h>
#include <limits.h>

#include "config/address.h"
#include "config/broker-url.h"
#include "config/config.h"
#include "config/table.h"
#include "util/cron.h"

#define KIB                  (UINT64_C(1) << 10)
#define MIB                  (UINT64_C(1) << 20)
#define TIB                  (UINT64_C(1) << 40)

#define MSEC                 USEC_PER_MSEC
#define SEC                  USEC_PER_SEC
#define MINUTE               (60 * USEC_PER_SEC)
#define HOUR                 (60 * MINUTE)
#define DAY                  (24 * HOUR)

#define SERVER_HEADER_MAX    256

#define CONFIG_PATHS_ALLOWED "absolute paths"
#define CONFIG_PATH_ALLOWED  "an absolute path, or nothing"

/* In the order of syslog's numbers. */
static const char *const level_names[] = {
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", NULL,
};

/* In the order of enum config_on_limit. */
static const char *const on_limit_names[] = { "backoff", "exit", NULL };

/* In the order of their enumerations. */
static const char *const schedule_type_names[] = { "worker", "all", NULL };
static const char *const overlap_names[] = { "skip", "queue", "allow", NULL };

static int check_cron(const char *text) {
        struct cron cron;

        return cron_parse(text, &cron, NULL, 0);
}

static void explain_cron(const char *text, char *buffer, size_t size) {
        struct cron cron;

        (void) cron_parse(text, &cron, buffer, size);
}

static int check_not_empty(const char *text) {
        return *text ? 0 : -EINVAL;
}

static int check_listen(const char *text) {
        struct config_address address;

        return config_address_parse(text, &address);
}

/* One that says the same for every process: from the root, and nothing to be resolved by. */
static int check_path(const char *text) {
        size_t length = strlen(text);

        if (*text != '/' || strstr(text, "/../") || (length >= 3 && streq(text + length - 3, "/..")))
                return -EINVAL;
        return 0;
}

static int check_path_or_none(const char *text) {
        return *text ? check_path(text) : 0;
}

static int check_broker_url(const char *text) {
        struct config_broker_url url;

        return config_broker_url_parse(text, &url);
}

/* A field value of HTTP: visible characters with single bytes of space between them. */
static int check_server_header(const char *text) {
        size_t length = strlen(text);

        if (length == 0)
                return 0;
        if (length > SERVER_HEADER_MAX || text[0] == ' ' || text[length - 1] == ' ')
                return -EINVAL;
        for (size_t i = 0; i < length; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return -EINVAL;
        return 0;
}

#define FIELD(name) .offset = offsetof(struct config, name)

const struct config_key config_table[] = {
        { "muster", "module", CONFIG_STRING, .check = check_not_empty, .required = true, .reloadable = true,
          FIELD(muster.module), .allowed = "the name or path of an application",
          .help = "The application to run. A name without a slash is looked up among the installed "
                  "applications, with a slash it is the path of a shared object." },
        { "muster", "stop_timeout", CONFIG_DURATION, .fallback = "20s", .min = 0, .max = HOUR,
          .reloadable = true, FIELD(muster.stop_timeout),
          .help = "How long stopping the service may take: the workers answer what they have accepted, then "
                  "the agent stops. What is left afterwards is killed." },
        { "muster", "exit_idle", CONFIG_DURATION, .fallback = "infinity", .min = SEC, .max = 365 * DAY,
          .word = "infinity", .word_value = USEC_NEVER, .reloadable = true, FIELD(muster.exit_idle),
          .help = "After this time without a request the service ends, the agent too; its socket starts it again "
                  "at the next connection. Only for sockets from systemd. infinity never ends it." },
        { "muster", "quorum", CONFIG_UINT, .fallback = "1", .min = 0, .max = CONFIG_WORKERS_MAX,
          .unit = "workers", .reloadable = true, FIELD(muster.quorum),
          .help = "How many workers must be ready, and not hang, for the service to count as alive. With fewer, or an "
                  "agent that hangs, systemd's watchdog is not fed, and after WatchdogSec= of the unit systemd restarts "
                  "the service. Never more are asked for than there should be; 0 asks for none." },
        { "muster", "sandbox", CONFIG_BOOL, .fallback = "yes", FIELD(muster.sandbox),
          .help = "Whether the processes of the service restrict themselves, each to what its role needs, "
                  "beside what the unit forbids. A debugger or profiler inside the application wants no." },

        { "http", "listen", CONFIG_LIST, .fallback = "127.0.0.1:8080", .min = 1, .max = 64,
          .check = check_listen, .reloadable = true, FIELD(http.listen), .allowed = CONFIG_ADDRESS_ALLOWED,
          .help = "Addresses to listen on when systemd hands over no sockets, separated by blanks: " CONFIG_ADDRESS_ALLOWED
                  ". A port alone means all addresses, IPv4 and IPv6. A reload binds those that are new and then gives "
                  "up those that are gone." },
        { "http", "max_body", CONFIG_SIZE, .fallback = "1M", .min = 0, .max = TIB, .reloadable = true,
          FIELD(http.max_body), .help = "The largest request body; a larger one is answered with 413." },
        { "http", "max_header", CONFIG_SIZE, .fallback = "8K", .min = KIB, .max = MIB, .reloadable = true,
          FIELD(http.max_header),
          .help = "The largest header of a request, request line included; a larger one is answered with 431. So is one "
                  "that takes more than max_header and 3K of memory, where cookies count twice and each field, query "
                  "argument and cookie 64 bytes more. By default that suffices for a header of 8K with 48 of them, of "
                  "4500 bytes with 100, or for a cookie of 4K beside 20 ordinary fields. Query arguments alone may "
                  "take half of it. Each connection holds this memory, and what a request costs grows with it." },
        { "http", "header_timeout", CONFIG_DURATION, .fallback = "10s", .min = 100 * MSEC, .max = HOUR,
          .reloadable = true, FIELD(http.header_timeout),
          .help = "How long a client may take to send a request's header, from its first byte to its last." },
        { "http", "idle_timeout", CONFIG_DURATION, .fallback = "60s", .min = 100 * MSEC, .max = DAY,
          .reloadable = true, FIELD(http.idle_timeout),
          .help = "How long a connection is kept open between two requests, unless max_connections is reached." },
        { "http", "min_body_rate", CONFIG_SIZE, .fallback = "256", .min = 0, .max = TIB, .unit = "a second",
          .reloadable = true, FIELD(http.min_body_rate),
          .help = "How many bytes a second a request's body must keep up, on average, once header_timeout has "
                  "passed; a slower client is disconnected. 0 accepts any rate." },
        { "http", "request_timeout", CONFIG_DURATION, .fallback = "60s", .min = 100 * MSEC, .max = DAY,
          .word = "infinity", .word_value = USEC_NEVER, .reloadable = true, FIELD(http.request_timeout),
          .help = "How long a request may take from the end of its header: a body that has not come by then is "
                  "answered with 408, and an application that has not answered with 503." },
        { "http", "max_connections", CONFIG_UINT, .fallback = "1024", .min = 1, .max = 1000000,
          .reloadable = true, FIELD(http.max_connections),
          .help = "How many connections one worker holds; further ones go to other workers, or wait until one "
                  "ends. Then a connection whose client has gone, or the one that is idle longest (for a second at "
                  "least), is given up for them." },
        { "http", "server_header", CONFIG_STRING, .fallback = "muster", .check = check_server_header,
          .reloadable = true, FIELD(http.server_header),
          .allowed = "up to 256 visible ASCII characters with spaces between them, or nothing",
          .help = "The Server header of every answer. Empty sends none." },

        { "worker", "workers", CONFIG_UINT, .fallback = "auto", .min = 1, .max = CONFIG_WORKERS_MAX,
          .word = "auto", .word_value = 0, .reloadable = true, FIELD(worker.workers),
          .help = "How many workers there are. auto takes the CPUs that are really available: the least of "
                  "the affinity, the CPU quota and the online CPUs. With min_workers or max_workers it is the "
                  "number at the start." },
        { "worker", "min_workers", CONFIG_UINT, .fallback = "workers", .min = 1, .max = CONFIG_WORKERS_MAX,
          .word = "workers", .word_value = 0, .reloadable = true, FIELD(worker.min_workers),
          .help = "The least number of workers. Between it and max_workers the number follows the load: workers "
                  "are added when they are busy for more than 75 % of the time for 3 seconds, and one is taken "
                  "away when it is less than 25 % for a minute. workers means the number that workers says." },
        { "worker", "max_workers", CONFIG_UINT, .fallback = "workers", .min = 1, .max = CONFIG_WORKERS_MAX,
          .word = "workers", .word_value = 0, .reloadable = true, FIELD(worker.max_workers),
          .help = "The greatest number of workers, see min_workers." },
        { "worker", "max_requests", CONFIG_UINT, .fallback = "infinity", .min = 1, .max = 1000000000,
          .word = "infinity", .word_value = UINT_MAX, .reloadable = true, FIELD(worker.max_requests),
          .help = "A worker that has answered so many requests is replaced by a fresh one, which is ready before "
                  "the old one drains. Workers are replaced one at a time, each up to 10 % before its limit so that they "
                  "do not all reach it together. infinity replaces none." },
        { "worker", "max_age", CONFIG_DURATION, .fallback = "infinity", .min = SEC, .max = 365 * DAY,
          .word = "infinity", .word_value = USEC_NEVER, .reloadable = true, FIELD(worker.max_age),
          .help = "A worker that has been there for so long is replaced, in the same way." },
        { "worker", "max_rss", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(worker.max_rss),
          .help = "A worker that takes more memory (resident, libraries included) is replaced, in the same way. "
                  "One that has so much when it is new is kept for a minute at least." },
        { "worker", "ready_timeout", CONFIG_DURATION, .fallback = "30s", .min = 100 * MSEC, .max = HOUR,
          .reloadable = true, FIELD(worker.ready_timeout),
          .help = "How long a worker or the agent may take from its start until it is ready." },
        { "worker", "drain_timeout", CONFIG_DURATION, .fallback = "10s", .min = 0, .max = HOUR,
          .reloadable = true, FIELD(worker.drain_timeout),
          .help = "How long a worker that ends, or has crashed, may take to answer the requests it had "
                  "accepted." },
        { "worker", "hang_timeout", CONFIG_DURATION, .fallback = "30s", .min = SEC, .max = DAY,
          .word = "infinity", .word_value = USEC_NEVER, .reloadable = true, FIELD(worker.hang_timeout),
          .help = "How long a callback of the application may keep a worker or the agent from everything else. Past it "
                  "the process hangs: the callback is interrupted, the request it served is answered with 503, and the "
                  "worker answers its other requests and is replaced, while the agent lives on. infinity lets callbacks "
                  "take as long as they like; so does whoever looks at a process with a debugger." },
        { "worker", "kill_timeout", CONFIG_DURATION, .fallback = "5s", .min = 10 * MSEC, .max = 10 * MINUTE,
          .reloadable = true, FIELD(worker.kill_timeout),
          .help = "How long a process that was told to end may outlive its time, or one that hangs may stay silent "
                  "after it was interrupted, before SIGKILL." },
        { "worker", "drain", CONFIG_BOOL, .fallback = "yes", .reloadable = true, FIELD(worker.drain),
          .help = "Whether a worker that crashed in the application's code answers the other requests that "
                  "it had accepted before it ends." },
        { "worker", "core", CONFIG_BOOL, .fallback = "yes", .reloadable = true, FIELD(worker.core),
          .help = "Whether a crash leaves a core dump, taken from a copy of the process so that it delays "
                  "no request." },
        { "worker", "memory_high", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(worker.memory_high),
          .help = "How much memory a worker, with what it has started, may use before the kernel slows it down to take "
                  "some back. Needs the memory controller of cgroup version 2." },
        { "worker", "memory_max", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(worker.memory_max),
          .help = "How much memory a worker, with what it has started, may use at all: the kernel kills one that needs "
                  "more, and it is replaced. Needs the memory controller of cgroup version 2." },
        { "worker", "children", CONFIG_BOOL, .fallback = "no", FIELD(worker.children),
          .help = "Whether the application, in workers and agent, may start processes and execute programs: muster_exec(), "
                  "muster_spawn() and muster_fork() need it. With no, they and fork(), system() and the like fail "
                  "with EPERM." },
        { "worker", "read_paths", CONFIG_LIST, .fallback = "", .min = 0, .max = 64, .check = check_path,
          .allowed = CONFIG_PATHS_ALLOWED, FIELD(worker.read_paths),
          .help = "The files and directories that the application, in workers and agent, may read beside "
                  "those of the system and those it may write. Empty: everything the unit shows." },
        { "worker", "write_paths", CONFIG_LIST, .fallback = "", .min = 0, .max = 64, .check = check_path,
          .allowed = CONFIG_PATHS_ALLOWED, FIELD(worker.write_paths),
          .help = "The files and directories that the application, in workers and agent, may write beside "
                  "the directories systemd makes for the service and /tmp. What the unit mounts read-only "
                  "wants ReadWritePaths= in a drop-in too." },

        { "agent", "fault_limit", CONFIG_UINT, .fallback = "10", .min = 0, .max = 100000,
          .unit = "faults a minute", .reloadable = true, FIELD(agent.fault_limit),
          .help = "How many crashes of its callbacks the agent survives within a minute before it is "
                  "restarted." },

        { "broker", "url", CONFIG_LIST, .fallback = "", .min = 0, .max = CONFIG_BROKERS_MAX,
          .check = check_broker_url, .allowed = CONFIG_BROKER_URL_ALLOWED, .reloadable = true,
          FIELD(broker.url),
          .help = "The message broker that the application's agent talks to: " CONFIG_BROKER_URL_ALLOWED
                  ", which needs the package muster-nats and a unit that lets the service reach the network. Of several, "
                  "separated by blanks, one that answers is taken. USER alone is a token; %XX stands for a byte. Empty: "
                  "no broker." },
        { "broker", "credentials", CONFIG_STRING, .fallback = "", .check = check_path_or_none,
          .allowed = CONFIG_PATH_ALLOWED, .reloadable = true, FIELD(broker.credentials),
          .help = "A file with what the broker wants to know of us, read whenever a connection is made: a credentials "
                  "file of NATS (.creds), or one line USER:PASSWORD or TOKEN. It need not be readable by others where "
                  "systemd hands it over (LoadCredential=, /run/credentials/muster@NAME.service/…)." },
        { "broker", "tls_ca", CONFIG_STRING, .fallback = "", .check = check_path_or_none,
          .allowed = CONFIG_PATH_ALLOWED, .reloadable = true, FIELD(broker.tls_ca),
          .help = "A file with the certificates (PEM) by which a broker with TLS is trusted. Empty: those of the "
                  "system." },
        { "broker", "tls_certificate", CONFIG_STRING, .fallback = "", .check = check_path_or_none,
          .allowed = CONFIG_PATH_ALLOWED, .reloadable = true, FIELD(broker.tls_certificate),
          .help = "A file with our own certificate (PEM), for a broker that asks for one." },
        { "broker", "tls_key", CONFIG_STRING, .fallback = "", .check = check_path_or_none,
          .allowed = CONFIG_PATH_ALLOWED, .reloadable = true, FIELD(broker.tls_key),
          .help = "The file with its key (PEM)." },
        { "broker", "queue", CONFIG_SIZE, .fallback = "16M", .min = 4 * KIB, .max = TIB / 1024,
          .reloadable = true, FIELD(broker.queue),
          .help = "How much may wait until the application takes it, and as much again until the broker takes what the "
                  "application publishes. What exceeds it is dropped, counted and logged." },
        { "compute", "processes", CONFIG_UINT, .fallback = "auto", .min = 0, .max = CONFIG_COMPUTE_MAX,
          .word = "auto", .word_value = UINT_MAX, .reloadable = true, FIELD(compute.processes),
          .help = "How many compute processes there are, which run what the application offloads, one job at a time "
                  "each. auto takes the CPUs that are really available. An application that has nothing to offload "
                  "gets none. With 0 there are none, and offloading fails." },
        { "compute", "queue", CONFIG_UINT, .fallback = "128", .min = 1, .max = 4096, .unit = "jobs",
          .reloadable = true, FIELD(compute.queue),
          .help = "How many jobs may wait for a compute process, those of all workers together; also how many "
                  "may wait for the threads of one worker. Who has most of them is refused first: the request is "
                  "answered with 503 and Retry-After." },
        { "compute", "timeout", CONFIG_DURATION, .fallback = "30s", .min = MSEC, .max = DAY,
          .reloadable = true, FIELD(compute.timeout),
          .help = "How long a job may take, its time in the queue included, unless the application says otherwise. Past "
                  "it the request is answered with 504; a compute process that is at it is ended and replaced." },
        { "compute", "nice", CONFIG_UINT, .fallback = "10", .min = 0, .max = 19, .reloadable = true,
          FIELD(compute.nice),
          .help = "How much compute processes, and the threads of workers that do the same, give way to others that want "
                  "the CPU: 0 is not at all. See nice(1). Under systemd this and idle need the drop-in priority.conf, which is "
                  "among the examples: the unit's filter of system calls leaves changes of priority out." },
        { "compute", "idle", CONFIG_BOOL, .fallback = "yes", .reloadable = true, FIELD(compute.idle),
          .help = "Whether they run only while nobody else wants the CPU (SCHED_IDLE), so that serving wins. With yes, "
                  "nice makes no difference." },
        { "compute", "max_jobs", CONFIG_UINT, .fallback = "infinity", .min = 1, .max = 1000000000,
          .word = "infinity", .word_value = UINT_MAX, .reloadable = true, FIELD(compute.max_jobs),
          .help = "A compute process that has done so many jobs is replaced by a fresh one, which is ready before the "
                  "old one ends; each up to 10 % before its limit. infinity replaces none." },
        { "compute", "max_rss", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(compute.max_rss),
          .help = "A compute process that takes more memory (resident, libraries included) is replaced, in the same "
                  "way. One that has so much when it is new is kept for a minute at least." },
        { "compute", "memory_high", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(compute.memory_high),
          .help = "How much memory a compute process may use before the kernel slows it down to take some back. Needs "
                  "the memory controller of cgroup version 2." },
        { "compute", "memory_max", CONFIG_SIZE, .fallback = "infinity", .min = MIB, .max = TIB,
          .word = "infinity", .word_value = UINT64_MAX, .reloadable = true, FIELD(compute.memory_max),
          .help = "How much memory a compute process may use at all: the kernel kills one that needs more, its job "
                  "fails, and it is replaced. Needs the memory controller of cgroup version 2." },
        { "compute", "threads", CONFIG_UINT, .fallback = "4", .min = 1, .max = 256, .reloadable = true,
          FIELD(compute.threads),
          .help = "How many threads a worker has for calls that block and are not its own business, started as they "
                  "are needed." },

        { "restart", "limit", CONFIG_UINT, .fallback = "60", .min = 1, .max = 100000, .unit = "restarts",
          .reloadable = true, FIELD(restart.limit),
          .help = "How many restarts of workers are made at once within interval." },
        { "restart", "interval", CONFIG_DURATION, .fallback = "60s", .min = SEC, .max = DAY,
          .reloadable = true, FIELD(restart.interval), .help = "The time in which limit counts." },
        { "restart", "on_limit", CONFIG_ENUM, .fallback = "backoff", .names = on_limit_names,
          .reloadable = true, FIELD(restart.on_limit),
          .help = "What to do past the limit: backoff restarts workers ever more slowly and never gives up; "
                  "exit ends the service so that systemd decides." },
        { "restart", "quarantine_after", CONFIG_UINT, .fallback = "3", .min = 0,
          .max = CONFIG_QUARANTINE_AFTER_MAX, .unit = "crashes", .reloadable = true,
          FIELD(restart.quarantine_after),
          .help = "How many crashes of the same method and path within quarantine_window put it in quarantine: it is "
                  "answered with 503 and Retry-After then, and the application is not asked. As many different paths "
                  "of one route that crash at the same place in the code put the whole route there. 0 turns it off." },
        { "restart", "quarantine_window", CONFIG_DURATION, .fallback = "10min", .min = SEC, .max = DAY,
          .reloadable = true, FIELD(restart.quarantine_window),
          .help = "The time in which quarantine_after counts." },
        { "restart", "quarantine_time", CONFIG_DURATION, .fallback = "5min", .min = SEC, .max = DAY,
          .reloadable = true, FIELD(restart.quarantine_time),
          .help = "How long a quarantine lasts. A further crash afterwards begins another one at once, as long as the "
                  "others are within quarantine_window." },

        { "log", "level", CONFIG_ENUM, .fallback = "info", .names = level_names, .reloadable = true,
          FIELD(log.level), .help = "The least important messages that are logged." },
        { "log", "access", CONFIG_BOOL, .fallback = "no", .reloadable = true, FIELD(log.access),
          .help = "Whether every request is logged." },
        { "log", "slow", CONFIG_DURATION, .fallback = "infinity", .min = 0, .max = DAY, .word = "infinity",
          .word_value = USEC_NEVER, .reloadable = true, FIELD(log.slow),
          .help = "Requests that take longer than this are logged. infinity logs none." },
};

const size_t config_table_size = ELEMENTSOF(config_table);

#undef FIELD
#define FIELD(name) .offset = offsetof(struct config_schedule, name)

#define SECTION     CONFIG_SCHEDULE_SECTION "NAME"

const struct config_key config_schedule_table[] = {
        { SECTION, "interval", CONFIG_DURATION, .min = 10 * MSEC, .max = 365 * DAY, .reloadable = true,
          FIELD(interval),
          .help = "How long it is from one run to the next, in place of the interval or cron of the application. The first "
                  "run is one interval after the start. Time in which the machine sleeps counts." },
        { SECTION, "cron", CONFIG_STRING, .check = check_cron, .explain = explain_cron,
          .allowed = CRON_ALLOWED, .reloadable = true, FIELD(cron),
          .help = "When it runs, by the clock and in local time, in place of the interval or cron of the application. Of "
                  "interval and cron only one can be set here." },
        { SECTION, "type", CONFIG_ENUM, .names = schedule_type_names, .reloadable = true, FIELD(type),
          .help = "Where it runs: in one worker, the least busy, or in all of them." },
        { SECTION, "overlap", CONFIG_ENUM, .names = overlap_names, .reloadable = true, FIELD(overlap),
          .help = "What happens when a run is due and the one before goes on: skip leaves it out, queue has one more run "
                  "begin when that is over, allow begins it at once." },
        { SECTION, "immediate", CONFIG_BOOL, .reloadable = true, FIELD(immediate),
          .help = "Whether it also runs once when the service has started, and when a reload has brought new processes." },
        { SECTION, "jitter", CONFIG_DURATION, .min = 0, .max = 30 * DAY, .reloadable = true, FIELD(jitter),
          .help = "Each run comes later by a span that is drawn anew each time, up to this one; it must not be longer than "
                  "interval. So many machines do not ask for the same thing in the same moment." },
        { SECTION, "disable", CONFIG_BOOL, .reloadable = true, FIELD(disable),
          .help = "Whether it does not run by itself: musterctl schedule can run it, or resume it until the service "
                  "is restarted." },
};

const size_t config_schedule_table_size = ELEMENTSOF(config_schedule_table);

_Static_assert(ELEMENTSOF(config_schedule_table) == CONFIG_SCHEDULE_KEYS, "as config.h has it");
