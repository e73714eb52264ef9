#include "cluster/client_round.h"

#include "cluster/shard.h"
#include "core/limits.h"
#include "core/planted.h"

static void round_visit(struct shard *shard, struct client *client)
{
    if ((client->flags & CLIENT_CLOSING) != 0) {
        return; // its timers are cancelled for good
    }
    if ((client->flags & CLIENT_PAUSED) != 0) { // held anew when there is a pause again
        client->flags &= ~(uint32_t)CLIENT_PAUSED;
        shard->paused_count--;
        client_mark_ready(client);
    }
    client_idle_arm(client);
}

void client_round_begin(struct shard *shard)
{
    struct client_round *round = &shard->client_round;
    if (round->on) {
        client_walk_end(shard, &round->walk);
    }
    client_walk_begin(shard, &round->walk);
    round->on = true;
}

static void round_on(struct shard *shard, uint32_t visits)
{
    struct client_round *round = &shard->client_round;
    for (; round->walk.at != NULL && visits != 0; visits--) {
        round_visit(shard, client_walk_next(&round->walk));
        if (planted(PLANTED_FORGET_PAUSED)) {
            round->walk.at = NULL;
        }
    }
    if (round->walk.at == NULL) {
        client_walk_end(shard, &round->walk);
        round->on = false;
    }
}

bool client_round_step(struct shard *shard)
{
    if (shard->client_round.on) {
        round_on(shard, LIMIT_ROUND_CLIENTS);
    }
    return shard->client_round.on;
}

void client_round_whole(struct shard *shard)
{
    client_round_begin(shard);
    round_on(shard, UINT32_MAX);
}
