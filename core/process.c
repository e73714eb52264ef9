#include "core/process.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STATM_BYTES_MAX = 4096 };

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void process_usage(struct process_usage *ret_usage)
{
    struct rusage usage;
    char *text;
    size_t text_size;
    *ret_usage = (struct process_usage){.pid = (int32_t)getpid()};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ret_usage->user_us = time_us(&usage.ru_utime);
        ret_usage->system_us = time_us(&usage.ru_stime);
        ret_usage->resident_max_bytes = (uint64_t)usage.ru_maxrss * 1024;
    }
    if (file_read("/proc/self/statm", STATM_BYTES_MAX, &text, &text_size) == 0) {
        char *end = NULL;
        (void)strtoull(text, &end, 10); // pages mapped; then pages resident
        ret_usage->resident_bytes = strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
        memory_free(text);
    }
}
