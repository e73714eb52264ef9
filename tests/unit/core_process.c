// What the process has used, held against what it surely uses.
#include "core/process.h"

#include "core/memory.h"

#include <criterion/criterion.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TOUCHED_BYTES = 64 << 20 };

Test(core_process, memory_that_is_touched_is_resident)
{
    struct process_usage before, during;

    process_usage(&before);
    cr_expect_eq(before.pid, getpid());
    cr_expect_gt(before.resident_bytes, 100 * 1024);
    cr_expect_geq(before.resident_max_bytes + 4096 * 1024, before.resident_bytes);
    char *const bytes = memory_allocate(TOUCHED_BYTES);

    cr_assert_not_null(bytes);
    memset(bytes, 1, TOUCHED_BYTES);
    process_usage(&during);
    cr_expect_geq(during.resident_bytes, before.resident_bytes + TOUCHED_BYTES / 10 * 9);
    cr_expect_lt(during.resident_bytes, before.resident_bytes + UINT64_C(2) * TOUCHED_BYTES,
                 "a page counted as more than it is");
    cr_expect_geq(during.resident_max_bytes, TOUCHED_BYTES);
    cr_expect_eq(bytes[TOUCHED_BYTES - 1], 1);
    memory_free(bytes);
}

Test(core_process, time_that_is_spent_is_counted)
{
    struct process_usage before, after;
    volatile uint64_t sum = 0;
    struct timespec cpu;

    process_usage(&before);
    do {
        for (uint32_t i = 0; i < 1000000; i++) {
            sum += i;
        }
        cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu), 0);
    } while (cpu.tv_sec == 0 && cpu.tv_nsec < 300000000);
    process_usage(&after);
    cr_expect_gt(sum, 0);
    const uint64_t used_us = after.user_us + after.system_us;
    const uint64_t cpu_us = (uint64_t)cpu.tv_sec * 1000000 + (uint64_t)cpu.tv_nsec / 1000;

    // The kernel splits the one clock into the two figures.
    cr_expect_geq(used_us + 100000, cpu_us);
    cr_expect_leq(used_us, cpu_us + 1000000);
    cr_expect_gt(after.user_us, before.user_us);
}
