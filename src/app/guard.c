/* SPDX-License-Identifier: MIT */

/*
 * The crash guard: what happens when an application faults.
 *
 * Every callback of the application runs inside guard_run(), which keeps the point to go back to. When a
 * fatal signal arrives, the handler (on its own stack, so that a stack overflow is survived too)
 *
 *   1. writes the crash record into the process's slot and tells the master, which starts the replacement
 *      while this process is still busy with the rest of the list;
 *   2. forks a child that closes every descriptor and lets the fault happen again under the default action:
 * the kernel's core dump shows the exact stack, and no client waits while it is written;
 *   3. jumps to the guard, if the fault was in a callback on the loop thread. The callback is abandoned, the
 *      process finishes what it had accepted and ends; a timer that nothing can hold up kills it if it
 *      does not.
 *   4. Any other fault (our own code, a library, another thread, a second one while draining) ends the
 * process by the default action: nothing is known about what it was in the middle of.
 *
 * Everything between the signal and the jump is async-signal-safe: what allocates (the first backtrace(),
 * the timer, the stack) is done by guard_setup(). Walking a damaged stack can fault in its turn; that fault
 * comes back to the handler, which then does without the frames.
 *
 * A callback that hangs is ended in the same way: the master, which has heard no heartbeat for too long, sends SIGABRT
 * with a mark that tells it from the application's abort(). The mark may find the process between two callbacks, if it
 * was stopped for a while, or if it is muster or a library that hangs; then nothing is abandoned, and the record says
 * where it was.
 *
 * In a process that survives (the agent) the handlers are armed again. What the callback held stays held: if it was
 * in the middle of malloc() and other threads run, the heap stays locked, and the process hangs until it is
 * killed.
 *
 * The state is global because signal handlers are.
 */

#include <errno.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "app/guard.h"
#include "app/refused.h"
#include "ipc/channel.h"
#include "util/macro.h"

#define STACK_SIZE ((size_t) 128 * 1024)
#define CORES_MAX  16U /* dumps that are being written at a time; a fault beyond that gets none */

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };

struct frame {
        sigjmp_buf environment;
        struct frame *outer;
        const struct guard_context *context;
};

static struct {
        struct guard_options options;
        pid_t thread;            /* the loop thread */
        struct frame *innermost; /* the loop thread's */
        atomic_uint faults;
        volatile sig_atomic_t was_hung; /* the last one was a hang */
        sigjmp_buf recording;           /* where a fault in the handler's own risky part goes back to */
        volatile sig_atomic_t is_recording;
        timer_t deadline;
        bool has_deadline;
        volatile sig_atomic_t deadline_started;
        pid_t core_pids[CORES_MAX]; /* children that were left to dump core, 0 for none */
} guard;

static void guard_arm(void);

/* In a build with AddressSanitizer the fatal signals are still ours. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARD_WITH_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GUARD_WITH_ASAN
#endif
#ifdef GUARD_WITH_ASAN
const char *__asan_default_options(void);
__attribute__((__visibility__("default"), __no_sanitize_address__)) const char *__asan_default_options(
        void) {
        return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
               "abort_on_error=1:allow_user_segv_handler=1:use_sigaltstack=0:detect_stack_use_after_return=0";
}
#endif

/* ---- What the handler finds out. All of this must be async-signal-safe. ---- */

static void copy_text(char *target, size_t size, const char *source) {
        size_t i = 0;

        for (; source && source[i] && i < size - 1; i++)
                target[i] = source[i];
        target[i] = '\0';
}

static uint64_t context_pc(const ucontext_t *context) {
#if defined(__x86_64__)
        return (uint64_t) context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
        return (uint64_t) context->uc_mcontext.pc;
#else
        return 0;
#endif
}

/* Where the function was called from, if the fault is at its very first instruction. */
static uint64_t context_caller(const ucontext_t *context) {
#if defined(__x86_64__)
        const uint64_t *stack = (const uint64_t *) context->uc_mcontext.gregs[REG_RSP];

        return stack ? *stack : 0;
#elif defined(__aarch64__)
        return (uint64_t) context->uc_mcontext.regs[30];
#else
        return 0;
#endif
}

/* Whether the unwinder will find its way from here. */
static bool is_code(uint64_t address) {
        struct dl_find_object found;

        return _dl_find_object((void *) address, &found) == 0;
}

/* The frames from the faulting instruction up, without the handler's own. A jump to nowhere is more than the
 * unwinder can stand: there the caller is taken from the stack. Counts as it goes, since it may fault. */
static void collect_frames(struct crash_record *crash, const ucontext_t *context) {
        void *frames[CRASH_FRAMES_MAX + 8];
        uint64_t pc = context_pc(context);
        int n, first = 0;

        crash->frames[0] = pc;
        crash->n_frames = 1;
        if (!is_code(pc)) {
                crash->frames[1] = context_caller(context);
                crash->n_frames = 2;
                return;
        }
        n = backtrace(frames, ELEMENTSOF(frames));
        while (first < n && (uint64_t) frames[first] != pc)
                first++;
        for (int i = first + 1; i < n && crash->n_frames < CRASH_FRAMES_MAX; i++)
                crash->frames[crash->n_frames++] = (uint64_t) frames[i];
}

static void record_request(struct crash_record *crash, const struct quarantine_request *request) {
        const struct quarantine_page *page = guard.options.quarantine;

        crash->request_id = crash->route_id = 0;
        crash->request[0] = '\0';
        if (!page || !request)
                return;
        crash->request_id = quarantine_request_id(page, request);
        crash->route_id = quarantine_route_id(page, request->route_method, request->route_path);
        (void) quarantine_format(crash->request, sizeof(crash->request), request->method, request->segments,
                                 request->size);
}

static void record_fault(const siginfo_t *info, const ucontext_t *context, const struct frame *frame,
                         pid_t thread) {
        struct crash_record *crash = &guard.options.slot->crash;

        crash->stage = CRASH_NONE;
        crash->signal = info->si_signo;
        crash->code = info->si_code;
        /* A signal that was sent has no address; where it came from in the code says more than the sender. */
        crash->address = info->si_code > 0 ? (uint64_t) info->si_addr : context_pc(context);
        crash->when = now_monotonic();
        crash->thread = thread;
        crash->guarded = frame != NULL;
        crash->second_signal = 0;
        crash->core_pid = 0;
        crash->n_frames = 0;
        crash->count = atomic_load(&guard.faults);
        copy_text(crash->route, sizeof(crash->route), frame ? frame->context->route : "");
        copy_text(crash->target, sizeof(crash->target), frame ? frame->context->target : NULL);
        record_request(crash, frame ? frame->context->request : NULL);
        atomic_thread_fence(memory_order_release);
        crash->stage = CRASH_RECORDED;
}

static void record_frames(const ucontext_t *context) {
        struct crash_record *crash = &guard.options.slot->crash;

        guard.is_recording = 1;
        if (sigsetjmp(guard.recording, 0) == 0) {
                guard_arm();
                collect_frames(crash, context);
        }
        guard.is_recording = 0;
        atomic_thread_fence(memory_order_release);
        crash->stage = CRASH_UNWOUND;
}

/* ---- What the handler does. ---- */

/* Ends the process (or the child that dumps core) by the default action. A fault the CPU raised comes again
 * by itself when the handler returns, with the stack as it was; any other signal is sent again. */
static void die(int signal, const siginfo_t *info) {
        struct sigaction action = { .sa_handler = SIG_DFL };
        bool comes_again = info->si_code > 0 &&
                           (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL);

        (void) sigaction(signal, &action, NULL);
        if (!comes_again)
                (void) raise(signal);
}

/* Whether the kernel would write a core dump at all: a pipe gets one whatever the limit says. */
static bool core_possible(void) {
        struct rlimit limit;
        char first = '|';
        int fd;

        if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur > 0)
                return true;
        fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                if (read(fd, &first, 1) != 1)
                        first = 0;
                (void) close(fd);
        }
        return first == '|';
}

static void forbid_core(void) {
        (void) prctl(PR_SET_DUMPABLE, 0);
}

static pid_t *core_place(void) {
        for (size_t i = 0; i < CORES_MAX; i++)
                if (guard.core_pids[i] == 0)
                        return &guard.core_pids[i];
        return NULL;
}

/* A plain fork, but for the flag: by it the sandbox knows this one and lets it pass. It makes no difference to a copy
 * that nobody traces. Not by way of the C library, which in a handler would take locks. */
static pid_t copy_process(void) {
        return (pid_t) syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, 0UL);
}

/* Returns true in the child, which is to die by the fault. */
static bool fork_core(void) {
        pid_t *place = core_place(), pid;

        if (!guard.options.core || !place || !core_possible())
                return false;
        pid = copy_process();
        if (pid > 0)
                *place = guard.options.slot->crash.core_pid = pid;
        if (pid != 0)
                return false;
        (void) close_range(0, ~0U, 0);
        return true;
}

void guard_start_deadline(void) {
        struct itimerspec spec = {
                .it_value.tv_sec = (time_t) (guard.options.deadline / USEC_PER_SEC),
                .it_value.tv_nsec = (long) (guard.options.deadline % USEC_PER_SEC) * 1000,
        };

        if (guard.has_deadline && !guard.deadline_started &&
            timer_settime(guard.deadline, 0, &spec, NULL) == 0)
                guard.deadline_started = 1;
}

/* Whether the master says that this process hangs. */
static bool is_hang(const siginfo_t *info) {
        return info->si_signo == SIGABRT && info->si_code == SI_QUEUE && guard.options.master > 0 &&
               info->si_pid == guard.options.master && info->si_value.sival_int == MESSAGE_SIGNAL_HANG;
}

/* The kernel has chosen another thread for it. */
static void pass_on(siginfo_t *info) {
        guard_arm();
        (void) syscall(SYS_rt_tgsigqueueinfo, getpid(), guard.thread, info->si_signo, info);
}

/* No callback to abandon: it says where it is, and goes on. */
static void on_hang_outside(const siginfo_t *info, const ucontext_t *context) {
        record_fault(info, context, NULL, guard.thread);
        if (guard.options.announce)
                (void) channel_send_raw(guard.options.channel_fd, MESSAGE_SUICIDE);
        record_frames(context);
        guard.options.slot->crash.stage = CRASH_DRAINING;
        guard_arm();
        if (guard.options.hung)
                guard.options.hung();
}

static void abandon(int signal, const siginfo_t *info) {
        guard.options.slot->crash.stage = CRASH_ABANDONED;
        if (!guard.options.core)
                forbid_core();
        die(signal, info);
}

static void on_fatal_signal(int signal, siginfo_t *info, void *context) {
        pid_t thread = gettid();
        bool loop = thread == guard.thread;
        struct frame *frame = loop ? guard.innermost : NULL;
        bool hang = is_hang(info);
        unsigned int earlier;

        /* No fault: the call has failed, and the application goes on. */
        if (signal == SIGSYS && refused_handle(info, context, guard.options.channel_fd,
                                               frame ? frame->context->route : guard.options.slot->route))
                return;
        if (loop && guard.is_recording)
                siglongjmp(guard.recording, 1);
        if (hang && !loop) {
                pass_on(info);
                return;
        }
        if (hang && !frame && (guard.options.survive || !guard_faulted())) {
                on_hang_outside(info, context);
                return;
        }

        guard.was_hung = hang;
        earlier = atomic_fetch_add(&guard.faults, 1);
        if (earlier > 0 && !guard.options.survive) {
                guard.options.slot->crash.second_signal = signal;
                abandon(signal, info);
                return;
        }

        record_fault(info, context, frame, thread);
        if (guard.options.announce)
                (void) channel_send_raw(guard.options.channel_fd, MESSAGE_SUICIDE);
        if (!guard.options.survive)
                guard_start_deadline();
        if (loop)
                record_frames(context);
        if (!frame || !guard.options.drain) {
                abandon(signal, info);
                return;
        }
        if (fork_core()) {
                die(signal, info);
                return;
        }
        guard.options.slot->crash.stage = CRASH_DRAINING;
        siglongjmp(frame->environment, signal);
}

/* ---- The calm side. ---- */

static void guard_arm(void) {
        const int again = SA_SIGINFO | SA_ONSTACK | SA_NODEFER, once = again | (int) SA_RESETHAND;
        struct sigaction action = { .sa_sigaction = on_fatal_signal };

        (void) sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < ELEMENTSOF(fatal_signals); i++) {
                /* What the sandbox refuses comes again, on any thread. */
                action.sa_flags = fatal_signals[i] == SIGSYS ? again : once;
                (void) sigaction(fatal_signals[i], &action, NULL);
        }
}

/* A stack of our own with an unmapped page below it. It lives as long as the process. */
static int set_up_stack(void) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        stack_t stack = { .ss_size = STACK_SIZE };
        char *memory;

        memory = mmap(NULL, STACK_SIZE + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        stack.ss_sp = memory + page;
        if (mprotect(stack.ss_sp, STACK_SIZE, PROT_READ | PROT_WRITE) < 0 || sigaltstack(&stack, NULL) < 0) {
                int r = -errno;

                (void) munmap(memory, STACK_SIZE + page);
                return r;
        }
        return 0;
}

/* SIGKILL, so that neither a blocked signal nor a handler of the application can hold it up. */
static int set_up_deadline(void) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };

        if (guard.options.deadline == 0 || guard.options.deadline == USEC_NEVER)
                return 0;
        if (timer_create(CLOCK_MONOTONIC, &event, &guard.deadline) < 0)
                return -errno;
        guard.has_deadline = true;
        return 0;
}

int guard_setup(const struct guard_options *options) {
        void *frames[4];
        int r;

        guard.options = *options;
        guard.thread = gettid();
        atomic_store(&guard.faults, 0);
        r = set_up_stack();
        if (r < 0)
                return r;
        r = set_up_deadline();
        if (r < 0)
                return r;
        (void) backtrace(frames, ELEMENTSOF(frames)); /* loads the unwinder, which allocates */
        guard_arm();
        return 0;
}

int guard_run(const struct guard_context *context, guard_function_t function, void *argument) {
        struct frame frame = { .outer = guard.innermost, .context = context };
        int signal;

        signal = sigsetjmp(frame.environment, 0);
        if (signal == 0) {
                guard.innermost = &frame;
                function(argument);
        } else
                guard_arm();
        guard.innermost = frame.outer;
        return signal;
}

bool guard_was_hung(void) {
        return guard.was_hung;
}

bool guard_faulted(void) {
        return atomic_load(&guard.faults) > 0;
}

void guard_reap(void) {
        for (size_t i = 0; i < CORES_MAX; i++)
                if (guard.core_pids[i] > 0 && waitpid(guard.core_pids[i], NULL, WNOHANG) != 0)
                        guard.core_pids[i] = 0;
}

void guard_forget_channel(void) {
        guard.options.channel_fd = -1;
}
