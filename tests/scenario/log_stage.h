// One log engine on the disk of one machine: what the commands of story_log.c work on, and how it
// tells what happens. Shared by log_stage.c and story_log.c.
#pragma once

#include "engines/engine.h"
#include "tests/scenario/story.h"
#include "tests/sim/sim_internal.h"

enum {
    STAGE_VNODES = 2,
    STAGE_CALLS = 256,
    STAGE_KEY_BYTES = 32,
    STAGE_SEGMENTS = 64, // whose use is told of
};

enum call_kind { GET, PUT, REMOVE };

struct call {
    struct engine_op op; // first
    struct stage *stage;
    enum call_kind kind;
    bool begun;
    bool waiting;               // for its group commit
    char many[STAGE_KEY_BYTES]; // of KEY*N the KEY; ""
    char key[STAGE_KEY_BYTES];
    uint8_t *object;
    size_t object_bytes;
};

struct stage {
    struct story *story;
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct engine *engine; // NULL: not started
    struct engine_options options;
    struct call calls[STAGE_CALLS];
    uint32_t call_count;
    bool working;
    bool frames;
    bool files;
    bool reads;
    bool zeroing;
    bool starts;
    bool opening;
    bool uses;
    const char *use[STAGE_SEGMENTS]; // as it was last told
    const char *failing;             // an operation's name, or NULL
    int failing_error;
    uint64_t failing_after;     // so many of them
    char many[STAGE_KEY_BYTES]; // of which so many met the same, and it was not told yet
    char met[STORY_LINE_BYTES];
    uint32_t met_count;
};

// Something happened: as story_tell(), after what was still to be told of KEY*N.
void stage_tell(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));

// What the segment is used for, in a word or two that stay.
const char *stage_use(const struct stage *stage, uint32_t segment);

// Hooks of the simulated world, and of the engine; the context is the stage.
void stage_disk_event(void *context, const struct sim_node *node,
                      const struct sim_disk_event *event);
int stage_disk_error(void *context, const struct sim_node *node, const char *what);
void stage_report(void *context, bool damage, const char *text);

// A step of the core: what was asked for and has not begun begins; one turn.
void stage_step(void *context);

// Lets the world go on, until the event that is waited for or to its end.
void stage_run(struct stage *stage);

void stage_calls_clear(struct stage *stage);
