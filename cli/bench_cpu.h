// How much CPU the server has used: from /proc/PID/stat when --server-pid names a process of this
// machine (ticks of 10 ms), else from used_cpu_user and used_cpu_sys of INFO.
#pragma once

#include "cli/bench.h"

struct bench_cpu {
    bool known;
    double user_seconds;
    double system_seconds;
};

// Reads /proc/PID/stat. 0 or -errno; -EINVAL when it is not what proc(5) says.
int bench_cpu_of_process(int64_t pid, struct bench_cpu *ret_cpu);

// Reads the line of /proc/PID/stat; the command's name in it may hold spaces and parentheses.
int bench_cpu_parse(const char *line, double ticks_a_second, struct bench_cpu *ret_cpu);

// From whichever source the plan names. Not known when that does not answer.
struct bench_cpu bench_cpu_server(const struct bench_plan *plan, struct client *client);

// Of this process.
struct bench_cpu bench_cpu_self(void);

// What was used between the two.
struct bench_cpu bench_cpu_between(const struct bench_cpu *before, const struct bench_cpu *after);
