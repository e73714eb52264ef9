// What this process has used so far: for INFO and metrics. Read from the system, never decided
// upon.
#pragma once

#include <stdint.h>

struct process_usage {
    uint64_t user_us; // getrusage(2), all threads
    uint64_t system_us;
    uint64_t resident_bytes;     // /proc/self/statm; 0 when it cannot be read
    uint64_t resident_max_bytes; // the most so far
    int32_t pid;
};

void process_usage(struct process_usage *ret_usage);
