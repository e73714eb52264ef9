// How many replicas an operation asks for.
#include "cluster/quorum.h"

#include "tests/unit/desk.h"

#include <stdio.h>

static void expect_quorum(struct desk *desk, const char *value, const char *reply)
{
    char words[128];

    (void)snprintf(words, sizeof words, "rldb.put k v W %s", value);
    cr_expect_eq(quorum_check(desk_request(desk, words), 3), reply[0] == '\0', "%s", value);
    cr_expect_str_eq(desk_reply(desk), reply, "%s", value);
}

Test(quorum, is_a_word_or_a_number_that_the_cluster_can_meet)
{
    static const struct ring_member self = {.name = "n1", .weight = 1};
    static const char UNKNOWN[] = "-ERR W is one, quorum, all or a number from 1 to 3\r\n";
    struct desk desk;

    desk_open(&desk);
    cr_assert_eq(ring_single(&self, 8, &desk.node->ring), 0);
    expect_quorum(&desk, "one", "");
    expect_quorum(&desk, "QUORUM", "");
    expect_quorum(&desk, "All", "");
    expect_quorum(&desk, "1", "");
    expect_quorum(&desk, "2",
                  "-QUORUM W asks for 2 replicas, the cluster has 1; nothing was done\r\n");
    expect_quorum(&desk, "3",
                  "-QUORUM W asks for 3 replicas, the cluster has 1; nothing was done\r\n");
    expect_quorum(&desk, "4", UNKNOWN); // more than cluster.replicas will never be
    expect_quorum(&desk, "0", UNKNOWN);
    expect_quorum(&desk, "-1", UNKNOWN);
    expect_quorum(&desk, "4294967297", UNKNOWN);
    expect_quorum(&desk, "on", UNKNOWN);
    expect_quorum(&desk, "ones", UNKNOWN);
    desk.node->config.cluster.replicas = 2;
    expect_quorum(&desk, "3", "-ERR W is one, quorum, all or a number from 1 to 2\r\n");
    ring_destroy(desk.node->ring);
    desk_close(&desk);
}
