#include "cluster/quorum.h"

#include "cluster/command.h"
#include "cluster/shard.h"
#include "core/number.h"

bool quorum_check(struct exec *x, uint32_t at)
{
    const struct ring *ring = x->shard->node->ring;
    uint32_t most = x->shard->node->config.cluster.replicas;
    int64_t wanted;
    if (exec_word(x, at + 1, "one") || exec_word(x, at + 1, "quorum") ||
        exec_word(x, at + 1, "all")) {
        return true; // met by the one replica there is: effective N is 1
    }
    if (!number_parse_i64(x->argv[at + 1], &wanted) || wanted < 1 || wanted > most) {
        exec_errorf(x, "ERR %.*s is one, quorum, all or a number from 1 to %u",
                    exec_shown(x->argv[at]), (const char *)x->argv[at].bytes, most);
        return false;
    }
    if (wanted > ring_primaries(ring)) {
        exec_errorf(x, "QUORUM %.*s asks for %d replicas, the cluster has %u; nothing was done",
                    exec_shown(x->argv[at]), (const char *)x->argv[at].bytes, (int)wanted,
                    ring_primaries(ring));
        return false;
    }
    return true;
}
