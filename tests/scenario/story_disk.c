#include "tests/scenario/story_disk.h"

#include "engines/log.h"
#include "tests/sim/sim_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is(const struct sim_disk_event *event, const char *what)
{
    return strcmp(event->what, what) == 0;
}

static enum story_disk_kind frame_words(const struct sim_disk_event *event, const char *name,
                                        char *ret_line, const char **ret_what)
{
    static const char *const phases[] = {
        [SIM_DISK_BEGUN] = "is on its way to", [SIM_DISK_EFFECT] = "is written to"};
    static const char *const whats[] = {[SIM_DISK_BEGUN] = "frames begun",
                                        [SIM_DISK_EFFECT] = "frames written",
                                        [SIM_DISK_DONE] = "frames done"};
    struct log_frame_header header;
    const struct slice bytes = slice_of(event->bytes, (size_t)event->result);

    // Of any log: the id is in it.
    if (log_frame_open(bytes, log_frame_id(event->bytes), &header) != LOG_FRAME_VALID) {
        return STORY_DISK_NOTHING;
    }
    *ret_what = whats[event->phase];
    if (event->phase == SIM_DISK_DONE) {
        *ret_what = event->durable ? "frames durable" : *ret_what;

        const bool whose = strchr(name, '/') != NULL;

        (void)snprintf(ret_line, STORY_LINE_BYTES, "frame %" PRIu64 "%s%s is %s", header.sequence,
                       whose ? " of " : "", whose ? name : "", event->durable ? "durable" : "done");
    } else {
        (void)snprintf(ret_line, STORY_LINE_BYTES,
                       "frame %" PRIu64 " %s %s at %" PRIu64 ": %u record%s, %d bytes",
                       header.sequence, phases[event->phase], name, event->offset, header.records,
                       header.records == 1 ? "" : "s", event->result);
    }
    return STORY_DISK_FRAME;
}

static enum story_disk_kind write_words(const struct sim_disk_event *event, const char *name,
                                        char *ret_line, const char **ret_what)
{
    const size_t size = (size_t)event->result;
    const bool segment = strncmp(event->name, "segment-", strlen("segment-")) == 0;

    if (segment && log_frame_is_any(slice_of(event->bytes, size)) &&
        frame_words(event, name, ret_line, ret_what) == STORY_DISK_FRAME) {
        return STORY_DISK_FRAME;
    }
    if (event->phase != SIM_DISK_EFFECT) {
        return STORY_DISK_NOTHING;
    }
    const bool zeros = segment && sim_is_zeros(event->bytes, size);

    (void)snprintf(ret_line, STORY_LINE_BYTES, "%s is %s", name, zeros ? "zeroed" : "written");
    *ret_what = zeros ? "zeroed" : "written";
    return zeros ? STORY_DISK_ZEROING : STORY_DISK_FILE;
}

static enum story_disk_kind name_words(const struct sim_disk_event *event, const char *name,
                                       const char *name_to, char *ret_line, const char **ret_what)
{
    static const char *const verbs[][2] = {
        {"unlink", "removed"}, {"mkdir", "made"}, {"allocate", "given room"}, {"open", "made"}};

    if (is(event, "rename") || is(event, "link")) {
        (void)snprintf(ret_line, STORY_LINE_BYTES, "%s %s %s", name,
                       is(event, "rename") ? "becomes" : "is also", name_to);
        *ret_what = is(event, "rename") ? "renamed" : "linked";
        return STORY_DISK_FILE;
    }
    if (is(event, "open") && !event->made) {
        return STORY_DISK_NOTHING;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (is(event, verbs[i][0])) {
            (void)snprintf(ret_line, STORY_LINE_BYTES, "%s is %s", name, verbs[i][1]);
            *ret_what = verbs[i][1];
            return STORY_DISK_FILE;
        }
    }
    return STORY_DISK_NOTHING;
}

static enum story_disk_kind failure_words(const struct sim_disk_event *event, const char *name,
                                          char *ret_line, const char **ret_what)
{
    if (event->phase != SIM_DISK_EFFECT || event->result == -ENOENT || event->result == -EEXIST) {
        return STORY_DISK_NOTHING;
    }
    (void)snprintf(ret_line, STORY_LINE_BYTES, "%s: %s fails: %s", name, event->what,
                   strerror(-event->result));
    *ret_what = "failed";
    return STORY_DISK_FAILURE;
}

enum story_disk_kind story_disk_words(const struct sim_disk_event *event, const char *name,
                                      const char *name_to, char *ret_line, const char **ret_what)
{
    if (event->result < 0) {
        return failure_words(event, name, ret_line, ret_what);
    }
    if (is(event, "write")) {
        return write_words(event, name, ret_line, ret_what);
    }
    if (is(event, "sync")) {
        (void)snprintf(ret_line, STORY_LINE_BYTES, "%s is durable", name);
        *ret_what = "durable";
        return event->phase == SIM_DISK_DONE ? STORY_DISK_FILE : STORY_DISK_NOTHING;
    }
    if (event->phase != SIM_DISK_EFFECT) {
        return STORY_DISK_NOTHING;
    }
    if (is(event, "read")) {
        (void)snprintf(ret_line, STORY_LINE_BYTES, "%d bytes are read at %" PRIu64 " of %s",
                       event->result, event->offset, name);
        *ret_what = "read";
        return STORY_DISK_READ;
    }
    return name_words(event, name, name_to, ret_line, ret_what);
}
