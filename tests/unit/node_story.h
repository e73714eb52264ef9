// A node in the simulated world for tests of cluster/: opened with a configuration, talked to, and
// at the end looked through for what it has not given back.
#pragma once

#include "cluster/client.h"
#include "cluster/shard.h"
#include "ring/slot.h"
#include "tests/sim/sim_rldb.h"
#include "tests/sim/sim_talk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STORY_TALKS = 64, STORY_KEY_BYTES = 24 };

struct story {
    struct sim_world *world;
    struct sim_rldb *rldb;
    struct sim_talk *talks[STORY_TALKS];
    uint32_t talk_count;
};

// `more`: lines of YAML after those that every story has. The data is in memory, unless `more` has
// a storage of its own.
static inline struct story story_open(uint32_t cores, const char *more)
{
    static const struct io_uring_options options = {64, 256, 4096};
    struct sim_profile profile = sim_profile_default();
    struct story story = {0};
    char config[1024];

    profile.cut_per_mille = 0; // a story cuts where it wants to
    (void)snprintf(config, sizeof config,
                   "listen: { client: [ '10.0.0.1:7379', 'unix:/rldb.sock' ],\n"
                   "          http: '10.0.0.1:7480' }\n"
                   "auth: { insecure: true }\n%s%s",
                   strstr(more, "storage:") == NULL ? "storage: { engine: memory }\n" : "", more);
    story.world = sim_world_open(1, &profile);
    story.rldb = sim_rldb_start(story.world, "10.0.0.1", cores, config, &options);
    return story;
}

// A connection to the port of that core.
static inline struct sim_talk *story_talk(struct story *story, uint32_t core)
{
    char to[32];

    cr_assert_lt(story->talk_count, STORY_TALKS);
    (void)snprintf(to, sizeof to, "10.0.0.1:%u", 7380 + core);
    story->talks[story->talk_count] = sim_talk_open(story->world, NULL, to);
    return story->talks[story->talk_count++];
}

static inline void story_run(struct story *story, uint64_t ms)
{
    sim_world_run_until(story->world, sim_world_now_ns(story->world) + ms * 1000000);
}

static inline void story_hang_up(struct story *story, struct sim_talk *talk, bool reset)
{
    for (uint32_t i = 0; i < story->talk_count; i++) {
        if (story->talks[i] == talk) {
            story->talks[i] = story->talks[--story->talk_count];
            sim_talk_close(talk, reset);
            return;
        }
    }
    cr_assert_fail("no such talk");
}

// Says it, and expects to hear this.
static inline void story_expect(struct sim_talk *talk, const char *say, const char *hear)
{
    sim_talk_say(talk, say);
    cr_assert_str_eq(sim_talk_hear(talk, 20, NULL), hear, "after: %s", say);
}

// The n-th of the names k0, k1, ... that live on that core.
static inline void story_key(struct story *story, uint32_t core, uint32_t n, char *name)
{
    const struct placement *const placement = sim_rldb_node(story->rldb)->placement;

    for (uint32_t i = 0;; i++) {
        (void)snprintf(name, STORY_KEY_BYTES, "k%u", i);
        if (placement_of_slot(placement, slot_of_key(slice_from_text(name))).core == core &&
            n-- == 0) {
            return;
        }
    }
}

static inline uint64_t story_turns(struct story *story)
{
    return sim_rldb_turns(story->rldb);
}

// Everyone leaves, and the node is stopped.
static inline void story_close(struct story *story)
{
    while (story->talk_count != 0) {
        story_hang_up(story, story->talks[0], false);
    }
    story_run(story, 1000);
    const char *const left = sim_rldb_left_over(story->rldb);

    cr_assert_null(left, "left over: %s", left);
    sim_rldb_stop(story->rldb);
    story_run(story, 5000);
    cr_assert(sim_rldb_stopped(story->rldb));
    sim_rldb_close(story->rldb);
    sim_world_close(story->world);
}
