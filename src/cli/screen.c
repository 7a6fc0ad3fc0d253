/* SPDX-License-Identifier: MIT */

/*
 * The terminal: a few sequences that every one of the last forty years understands, in place of a library.
 *
 * The display is on the alternate screen, so that what was there before comes back, also after Ctrl-C and SIGTERM, which are
 * waited for and not obeyed at once.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/screen.h"
#include "util/macro.h"

#define ENTER "\033[?1049h\033[?25l" /* the alternate screen, without a cursor */
#define LEAVE "\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[J"

static struct {
        volatile sig_atomic_t enough;
        bool taken;
        struct termios before;
} screen;

void screen_size(size_t *ret_width, size_t *ret_height) {
        struct winsize size = {};

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
                size = (struct winsize){};
        *ret_width = size.ws_col;
        *ret_height = size.ws_row;
}

size_t screen_width(void) {
        size_t width, height;

        screen_size(&width, &height);
        return width;
}

static void on_signal(int signal) {
        screen.enough = 1;
}

static void take_signals(void) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
        const struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART: poll() ends */

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], &action, NULL);
}

int screen_enter(void) {
        struct termios raw;

        if (tcgetattr(STDIN_FILENO, &screen.before) < 0)
                return -errno;
        raw = screen.before;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
                return -errno;
        take_signals();
        screen.taken = true;
        (void) fputs(ENTER, stdout);
        (void) fflush(stdout);
        return 0;
}

void screen_leave(void) {
        if (!screen.taken)
                return;
        screen.taken = false;
        (void) fputs(LEAVE, stdout);
        (void) fflush(stdout);
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

void screen_clear(void) {
        if (screen.taken)
                (void) fputs(CLEAR, stdout);
}

/* Whether a key that was pressed means the end; a closed input does. */
static bool read_key(void) {
        char key;
        ssize_t n = read(STDIN_FILENO, &key, 1);

        if (n < 0)
                return errno != EINTR && errno != EAGAIN;
        return n == 0 || key == 'q' || key == 'Q' || key == 3;
}

bool screen_wait(usec_t span) {
        usec_t end = usec_add(now_monotonic(), span), now;
        struct pollfd input = { .fd = screen.taken ? STDIN_FILENO : -1, .events = POLLIN };

        while (!screen.enough && (now = now_monotonic()) < end) {
                usec_t left = MIN(end - now, 3600 * USEC_PER_SEC);

                if (poll(&input, 1, (int) ((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) > 0 && read_key())
                        return true;
        }
        return screen.enough;
}
