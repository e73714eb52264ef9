// A round visits every connection of a shard, some each turn, to tell them what is new: that CLIENT
// PAUSE no longer holds them, that clients.idle_timeout is another. All in one turn would keep a
// core for milliseconds where there are ten thousand.
//
// A connection that has not been visited yet waits a little longer; one that comes meanwhile knows
// already, and a visit tells it nothing new. What a visit does is right at any time, so whoever has
// news just begins a round, and one that is under way begins anew.
#pragma once

#include "cluster/client.h"

#include <stdbool.h>

struct shard;

struct client_round {
    struct client_walk walk;
    bool on;
};

void client_round_begin(struct shard *shard);

// Once a turn. True when there is more to do now.
bool client_round_step(struct shard *shard);

// All at once, and a round that is under way is over: for a shard that stops.
void client_round_whole(struct shard *shard);
