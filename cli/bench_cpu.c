#include "cli/bench_cpu.h"

#include "cli/info.h"
#include "core/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CPU_LINE_BYTES = 4096,
    CPU_FIELDS_BEFORE = 11
}; // fields between the name and utime: proc(5)

int bench_cpu_parse(const char *line, double ticks_a_second, struct bench_cpu *ret_cpu)
{
    const char *at = strrchr(line, ')');
    char *end = NULL;

    for (int i = 0; at != NULL && i <= CPU_FIELDS_BEFORE; i++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return -EINVAL;
    }
    const double user = strtod(at, &end);
    const double system_ticks = strtod(end, &end);

    if (*end != ' ') {
        return -EINVAL;
    }
    *ret_cpu = (struct bench_cpu){true, user / ticks_a_second, system_ticks / ticks_a_second};
    return 0;
}

int bench_cpu_of_process(int64_t pid, struct bench_cpu *ret_cpu)
{
    char line[CPU_LINE_BYTES];
    char path[64];
    FILE *file = NULL;
    bool read = false;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    file = fopen(path, "r");
    if (file == NULL) {
        return -errno;
    }
    read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    return read ? bench_cpu_parse(line, (double)sysconf(_SC_CLK_TCK), ret_cpu) : -EIO;
}

struct bench_cpu bench_cpu_server(const struct bench_plan *plan, struct client *client)
{
    static const char *const words[] = {"INFO", "cpu"};
    struct bench_cpu cpu = {.known = false};
    redisReply *reply = NULL;

    if (plan->server_pid != 0) {
        return bench_cpu_of_process(plan->server_pid, &cpu) == 0
                   ? cpu
                   : (struct bench_cpu){.known = false};
    }
    if (client_call(client, 2, words, NULL, &reply) != 0) {
        return cpu;
    }
    if (reply->type == REDIS_REPLY_STRING) {
        const struct slice info = slice_of(reply->str, reply->len);
        struct slice value;

        cpu.known = info_find(info, "used_cpu_user", &value);
        cpu.user_seconds = info_number(info, "used_cpu_user");
        cpu.system_seconds = info_number(info, "used_cpu_sys");
    }
    freeReplyObject(reply);
    return cpu;
}

struct bench_cpu bench_cpu_self(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (struct bench_cpu){
        .known = true,
        .user_seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
        .system_seconds = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6,
    };
}

struct bench_cpu bench_cpu_between(const struct bench_cpu *before, const struct bench_cpu *after)
{
    return (struct bench_cpu){
        .known = before->known && after->known,
        .user_seconds = after->user_seconds - before->user_seconds,
        .system_seconds = after->system_seconds - before->system_seconds,
    };
}
