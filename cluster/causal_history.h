// A causal history: the set of events that an object, or a reader of it, has seen.
//
//     version vector   per actor the newest hlc seen, which stands for it and all older events of
//                      that actor on that key
//     dots             single events beyond the vector: seen, though not all before them were
//
// An object's history is what its replica has seen of the key. A context (RLDB.GET, RLDB.PUT) is
// the history that a client has read; it needs dots where its own write stands beside siblings that
// it has not read, since the vector alone would claim them too. Together they are the causal
// context of dotted version vectors; keeping a vector besides explicit dots, as Riak does, needs no
// counters without gaps.
//
// Both lists are ascending by actor (dots: then by hlc), without repetition, and no dot is covered
// by the vector. The actors are indexes of one vnode's table.
//
// Sources: Preguica, Baquero, Almeida, Fonte, Goncalves, "Dotted Version Vectors: Logical Clocks
// for Optimistic Replication", 2010; Almeida, Shoker, Baquero, "Delta State Replicated Data Types",
// 2018, section 7.2 (contexts as a vector and a set of dots).
#pragma once

#include "cluster/actor.h"
#include "core/limits.h"

struct causal_history {
    uint32_t versions_count;
    uint32_t dots_count;
    struct dot versions[LIMIT_OBJECT_VERSIONS];
    struct dot dots[LIMIT_HISTORY_DOTS];
};

void causal_history_init(struct causal_history *history);

// Whether the event has been seen.
bool causal_history_covers(const struct causal_history *history, struct dot dot);

// The newest hlc that the vector has of the actor, 0 when none.
uint64_t causal_history_version(const struct causal_history *history, uint32_t actor);

// Everything of the actor up to dot.hlc has been seen. False, and nothing changed, when the vector
// is full.
bool causal_history_add_version(struct causal_history *history, struct dot dot);

// This one event has been seen. When there are LIMIT_HISTORY_DOTS already, the one with the lowest
// hlc is forgotten: a history may always claim less than was seen.
void causal_history_add_dot(struct causal_history *history, struct dot dot);

// What either has seen. False, and `history` changed in part, when the vector would be too long.
bool causal_history_join(struct causal_history *history, const struct causal_history *other);
