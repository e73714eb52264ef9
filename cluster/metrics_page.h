// /metrics, /healthz and /readyz of a node, served by shard 0.
//
// A page of metrics takes a round of messages: each shard copies its figures into cells that shard
// 0 owns (core/metrics.h), and when all have come back shard 0 words them.
//
// /healthz: the loop of shard 0 turns. /readyz: the node serves clients; 503 while it stops.
#pragma once

#include "cluster/message.h"

struct metrics_message;
struct shard;

// Opens the server when listen.http is on, on shard 0 alone. 0 or -errno, with a text in
// ret_error[NODE_ERROR_BYTES].
int metrics_page_open(struct shard *shard, char *ret_error);

// On the shard that is asked: fills the cells and sends the message back. On shard 0: it came back.
void metrics_page_receive(struct shard *shard, struct metrics_message *message);
void metrics_page_return(struct shard *shard, struct metrics_message *message);
