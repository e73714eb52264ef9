// What of a machine's disk was damaged, and whether that can be noticed by who reads it.
//
// A disk that loses a write, or puts it elsewhere, says that it is done. A log can tell such a
// frame from one that was never written by a later one alone, which was submitted after it was
// done, and says that all before it was durable. So what was damaged among the last frames of a
// shard's log may be lost in silence (engines/README, "What no one can tell"), and nothing else
// may.
//
// So the last writes to segments are kept here, and for each hit the moment from which on a frame
// begun later proves it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SIM_DAMAGE_WRITES = 256, SIM_DAMAGE_HITS = 256 };

// Where: the hash of a file's path, and of that of its directory.
struct sim_place {
    uint64_t file;
    uint64_t directory;
    uint64_t offset;
    uint64_t size;
};

struct sim_damage_write {
    struct sim_place place;
    uint64_t begun_ns;
    uint64_t done_ns; // UINT64_MAX: not yet, or it is not durable by that
    bool hit;
};

struct sim_damage_hit {
    uint64_t directory;
    uint64_t at_ns; // frames begun later tell of it
};

struct sim_damage {
    struct sim_damage_write writes[SIM_DAMAGE_WRITES]; // a ring
    uint64_t write_count;
    struct sim_damage_hit hits[SIM_DAMAGE_HITS];
    uint32_t hit_count;
    bool spoiled; // there was a block that cannot be read
};

struct sim_place sim_place_of(const char *path, uint64_t offset, uint64_t size);

// A frame is written to a segment. Returns its number.
uint64_t sim_damage_wrote(struct sim_damage *damage, const struct sim_place *place,
                          uint64_t begun_ns);

// And is durable by now.
void sim_damage_durable(struct sim_damage *damage, uint64_t number, uint64_t now_ns);

// What is there is not what was written there.
void sim_damage_hit(struct sim_damage *damage, const struct sim_place *place);

// Whether every hit so far can be noticed.
bool sim_damage_shows(const struct sim_damage *damage);
