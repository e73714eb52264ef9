// Ctrl-C where it shall not end the program but what it is doing: in top, in the shell.
//
// SIGINT is blocked all the time, and let in only by interrupt_wait, atomically with its waiting
// (ppoll(2)). So none gets lost between looking and waiting, and nothing else ever sees EINTR.
#pragma once

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

// What was before.
struct interrupt {
    struct sigaction action;
    sigset_t mask;
};

// From now on SIGINT waits for interrupt_wait.
void interrupt_hold(struct interrupt *ret_before);
void interrupt_release(const struct interrupt *before);

// As ppoll: how many of the descriptors are ready, 0 when the time is over (NULL: there is no
// bound), -EINTR when Ctrl-C was pressed, or -errno.
int interrupt_wait(struct pollfd *descriptors, nfds_t count, const struct timespec *time);

// Lets SIGINT in for a library that reads the keyboard itself, and holds it again.
void interrupt_let_in(bool in);
