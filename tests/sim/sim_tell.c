// A run as a story: every effect in words, for who follows one seed.
#include "tests/sim/sim_faults.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const char *verb_text(uint64_t verb)
{
    static const char *const texts[SIM_VERBS] = {
        [SIM_SEND] = "send",
        [SIM_CONNECT] = "connect",
        [SIM_OPEN] = "open",
        [SIM_READ] = "read",
        [SIM_WRITE] = "write",
        [SIM_SYNC] = "sync",
        [SIM_ALLOCATE] = "allocate",
        [SIM_RENAME] = "rename",
        [SIM_UNLINK] = "unlink",
        [SIM_LINK] = "link",
        [SIM_MKDIR] = "mkdir",
        [SIM_CLOSE] = "close",
        [SIM_CANCEL] = "cancel",
        [SIM_WAKE] = "wake",
        [SIM_ACCEPT_STREAM] = "accept stream",
        [SIM_RECV_STREAM] = "receive stream",
        [SIM_STREAM_STOP] = "stop of a stream",
    };

    return texts[verb];
}

// "-ECONNRESET" in words, or the number.
static void result_text(int64_t result, char *text, size_t size)
{
    if (result < 0) {
        (void)snprintf(text, size, "%s", strerror((int)-result));
    } else {
        (void)snprintf(text, size, "%" PRId64, result);
    }
}

static void line_begin(const struct sim_world *world)
{
    (void)fprintf(world->told, "%.9f  ", (double)world->now_ns / 1e9);
}

void sim_world_say(const struct sim_world *world, const char *format, ...)
{
    va_list arguments;

    if (world->told == NULL) {
        return;
    }
    line_begin(world);
    va_start(arguments, format);
    (void)vfprintf(world->told, format, arguments);
    va_end(arguments);
    (void)fputc('\n', world->told);
}

void sim_tell(const struct sim_world *world, const char *what, uint64_t who, uint64_t a, uint64_t b)
{
    char result[64];

    result_text((int64_t)b, result, sizeof result);
    if (strcmp(what, "step") == 0) {
        return; // most do nothing, and what one does is told
    }
    line_begin(world);
    if (strcmp(what, "start") == 0) {
        (void)fprintf(world->told, "core %" PRIu64 ": starts %s", who, verb_text(a));
        if (a != SIM_WAKE) {
            (void)fprintf(world->told, ", descriptor %s", result);
        }
    } else if (strcmp(what, "done") == 0) {
        (void)fprintf(world->told, "core %" PRIu64 ": %s done: %s", who, verb_text(a), result);
    } else if (strcmp(what, "event") == 0) {
        (void)fprintf(world->told, "core %" PRIu64 ": stream on descriptor %" PRIu64 ": %s", who, a,
                      result);
    } else if (strcmp(what, "wake") == 0) {
        (void)fprintf(world->told, "core %" PRIu64 ": wakes core %" PRIu64, who, a);
    } else if (strcmp(what, "arrive") == 0) {
        (void)fprintf(world->told, "network: %s arrives, %" PRIu64 " bytes",
                      sim_segment_text((uint32_t)who), b);
    } else if (strcmp(what, "stop") == 0) {
        (void)fprintf(world->told, "node %" PRIu64 ": %s", who,
                      a == SIM_KILL ? "is killed" : "loses power");
    } else if (strncmp(what, "fault", 5) == 0) {
        (void)fprintf(world->told, "node %" PRIu64 ": %s %" PRIu64 ": %s", who, what, a,
                      sim_fault_name((enum sim_fault_kind)b));
    } else {
        (void)fprintf(world->told, "node %" PRIu64 ": %s, %" PRIu64 " %" PRIu64, who, what, a, b);
    }
    (void)fputc('\n', world->told);
}
