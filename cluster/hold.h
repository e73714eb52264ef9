// What waits for a group commit: a reply may leave when all that it shows or acknowledges is
// durable (storage.sync: always). Engines tell with each op which group commit that is (0: none);
// an engine that keeps nothing on disk never does, and nothing here costs it more than a
// comparison.
//
// Replies that a request wrote into its client's output stay there, behind a mark: the place from
// which on they may not be sent yet, and the commit that has to be durable first.
//
//     out    | may be sent | waits for commit 41 | waits for commit 42  -> |
//                          ^ marks[0]            ^ marks[1]
//
// There are at most three commits that are not durable yet in the normal way (two frames on their
// way, one that fills); where there are more, the last mark waits for the newest. Replies that
// collect behind places in the FIFO get their mark when they move to the output.
//
// Hops and parts are held on the core that owns the keys, as messages (struct hold), and go back
// when their commit is durable.
//
// When the engine has failed, what waits will never be durable, and may be there or not after the
// next start: such a hop or part gets an error for its reply, and a client with marks is closed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct client;
struct hold;
struct shard;

// error: 0, or why it will never be durable.
typedef void hold_release_fn(struct shard *shard, struct hold *hold, int error);

// Embedded in what waits.
struct hold {
    struct hold *next;
    hold_release_fn *release;
    uint64_t commit;
};

enum { HOLD_MARKS = 3 };

// Embedded in a client.
struct hold_marks {
    struct {
        uint64_t at; // bytes of output, from the connection's first
        uint64_t commit;
    } at[HOLD_MARKS];
    uint32_t count;
    uint64_t late;                  // what the replies behind places wait for; 0: nothing
    struct client *previous, *next; // of those with marks
};

// Whether a commit is still to be waited for.
bool hold_waits(const struct shard *shard, uint64_t commit);

// Waits in order with those that wait already.
void hold_add(struct shard *shard, struct hold *hold, uint64_t commit);

// The bytes of the client's output from the place `from` of it on (0 is the next to be sent) wait.
void hold_output(struct client *client, uint64_t from, uint64_t commit);

// Of the client's output, what may be sent now.
uint64_t hold_sendable(const struct client *client);

// The client is closed: its marks are nobody's any more.
void hold_forget(struct client *client);

// The engine's: commits have become durable, or never will. Noted, and worked off by
// hold_settle() in the turn's flush.
void hold_committed(void *shard);
void hold_settle(struct shard *shard);

// In the turn's flush, when the engine has begun to write: the core may doze until that is durable.
void hold_await(struct shard *shard);

// What a reply says of a write that will not become durable.
extern const char HOLD_ERROR_TEXT[];
