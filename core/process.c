#include "core/process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void process_usage(struct process_usage *ret_usage)
{
    struct rusage usage;
    unsigned long long size = 0, resident = 0;
    *ret_usage = (struct process_usage){.pid = (int32_t)getpid()};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ret_usage->user_us = time_us(&usage.ru_utime);
        ret_usage->system_us = time_us(&usage.ru_stime);
        ret_usage->resident_max_bytes = (uint64_t)usage.ru_maxrss * 1024;
    }
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &size, &resident) == 2) {
            ret_usage->resident_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
        }
        (void)fclose(file);
    }
}
