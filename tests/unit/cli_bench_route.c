#include "cli/bench_cpu.h"
#include "cli/bench_queue.h"
#include "cli/bench_route.h"
#include "cli/bench_stats.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct bench_route route;

// Reads CLUSTER SLOTS as these bytes of RESP2 have it.
static int read_slots(const char *resp, char error[BENCH_ROUTE_ERROR_SIZE])
{
    redisReader *const reader = redisReaderCreate();
    void *reply = NULL;
    int result = 0;

    redisReaderFeed(reader, resp, strlen(resp));
    cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    cr_assert_not_null(reply);
    result = bench_route_read(&route, reply, "127.0.0.1", error);
    freeReplyObject(reply);
    redisReaderFree(reader);
    return result;
}

#define NODE(host, port) "*3\r\n" host ":" #port "\r\n$2\r\nid\r\n"

Test(cli_bench_route, keys_go_where_their_slot_is_served)
{
    char error[BENCH_ROUTE_ERROR_SIZE] = "";

    cr_assert_eq(read_slots("*3\r\n"
                            "*3\r\n:0\r\n:5460\r\n" NODE("$8\r\n10.0.0.1\r\n", 7000) //
                            "*4\r\n:5461\r\n:10922\r\n" NODE("$0\r\n\r\n", 7001)     //
                            NODE("$8\r\n10.0.0.9\r\n", 7009)                         // a replica
                            "*3\r\n:10923\r\n:16383\r\n" NODE("$8\r\n10.0.0.1\r\n", 7000),
                            error),
                 0, "%s", error);
    cr_assert_eq(route.node_count, 2);
    cr_assert_str_eq(route.nodes[0].host, "10.0.0.1");
    cr_assert_str_eq(route.nodes[1].host, "127.0.0.1");
    cr_assert_eq(route.nodes[1].port, 7001);
    // foo is in slot 12182, bar in 5061, hello in 866; {x}y goes with x, 16287. a: 15495, d: 11298,
    // e: 15363, f: 3168, g: 7233.
    cr_assert_eq(bench_route_node(&route, slice_from_text("foo")), 0);
    cr_assert_eq(bench_route_node(&route, slice_from_text("g")), 1);
    cr_assert_eq(bench_route_node(&route, slice_from_text("{g}anything")), 1);
    cr_assert_eq(bench_route_node(&route, slice_from_text("bar")), 0);
}

Test(cli_bench_route, without_cluster_all_goes_to_one)
{
    const struct target target = {.host = "localhost", .port = 7379};

    bench_route_single(&route, &target);
    cr_assert_eq(bench_route_node(&route, slice_from_text("g")), 0);
    cr_assert_str_eq(route.nodes[0].host, "localhost");
}

Test(cli_bench_route, what_is_not_whole_is_refused)
{
    static const struct {
        const char *resp;
        const char *reason;
    } cases[] = {
        {"-ERR This instance has cluster support disabled\r\n", "cluster support disabled"},
        {"*0\r\n", "no node serves"},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n" NODE("$3\r\na b\r\n", 0), "out of range"},
        {":1\r\n", "no list"},
        {"*1\r\n*3\r\n:0\r\n:16382\r\n" NODE("$1\r\nh\r\n", 1), "no node serves"},
        {"*1\r\n*3\r\n:0\r\n:16384\r\n" NODE("$1\r\nh\r\n", 1), "out of range"},
        {"*1\r\n*3\r\n:5\r\n:4\r\n" NODE("$1\r\nh\r\n", 1), "out of range"},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n" NODE("$1\r\nh\r\n", 0), "out of range"},
        {"*1\r\n*2\r\n:0\r\n:16383\r\n", "another shape"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[BENCH_ROUTE_ERROR_SIZE] = "";

        cr_assert_eq(read_slots(cases[i].resp, error), -EINVAL, "case %zu", i);
        cr_assert(strstr(error, cases[i].reason) != NULL, "%s", error);
    }
}

Test(cli_bench_route, a_queue_is_a_ring_with_two_ends)
{
    struct bench_queue queue;

    bench_queue_init(&queue, 3, 2);
    for (uint64_t round = 0; round < 10; round++) {
        for (uint64_t key = 0; key < 2; key++) {
            bench_queue_push(&queue, &(struct bench_item){.key = 10 * round + key});
        }
        bench_queue_push_front(&queue, &(struct bench_item){.key = 999});
        cr_assert_eq(bench_queue_first(&queue)->key, 999);
        bench_queue_pop(&queue);
        cr_assert_eq(bench_queue_first(&queue)->key, 10 * round);
        bench_queue_pop(&queue);
        cr_assert_eq(bench_queue_first(&queue)->key, 10 * round + 1);
        bench_queue_pop(&queue);
        cr_assert_eq(queue.item_count, 0);
        bench_queue_add_idle(&queue, 4);
        bench_queue_add_idle(&queue, 5);
        cr_assert_eq(bench_queue_take_idle(&queue), 4);
        cr_assert_eq(bench_queue_take_idle(&queue), 5);
    }
    bench_queue_free(&queue);
}

Test(cli_bench_route, errors_are_told_apart_by_their_first_word)
{
    struct bench_stats stats;
    struct bench_stats sum;

    bench_stats_init(&stats);
    bench_stats_init(&sum);
    bench_stats_error(&stats, "MOVED 1 a:1", 11);
    bench_stats_error(&stats, "MOVED 2 b:2", 11);
    bench_stats_error(&stats, "ERR x", 5);
    bench_stats_error(&stats, "ERRX x", 6);
    bench_stats_error(&stats, "ERR", 3);
    bench_stats_merge(&sum, &stats);
    bench_stats_merge(&sum, &stats);
    cr_assert_eq(sum.errors, 10);
    cr_assert_eq(sum.kinds[0].count, 4);
    cr_assert_str_eq(sum.kinds[0].text, "MOVED 1 a:1");
    cr_assert_eq(sum.kinds[1].count, 4);
    cr_assert_eq(sum.kinds[2].count, 2);
    cr_assert_eq(sum.kinds[3].count, 0);
    cr_assert(bench_stats_failed(&sum));
    // More kinds than there is room for are counted all the same.
    for (int i = 0; i < 26; i++) {
        const char kind = (char)('A' + i);

        bench_stats_error(&stats, &kind, 1);
    }
    cr_assert_eq(stats.errors, 5 + 26);
    cr_assert_eq(stats.errors_other, 26 - (BENCH_ERROR_KINDS - 3));
    bench_stats_free(&stats);
    bench_stats_free(&sum);
}

Test(cli_bench_route, latencies_are_kept_by_operation)
{
    struct bench_stats stats;

    bench_stats_init(&stats);
    for (uint64_t i = 1; i <= 1000; i++) {
        bench_stats_record(&stats, BENCH_READ, 100, 100 + i * 1000);
    }
    bench_stats_record(&stats, BENCH_SCAN, 50, 60);
    cr_assert_eq(bench_stats_operations(&stats), 1001);
    cr_assert_float_eq((double)histogram_percentile(&stats.latencies[BENCH_READ], 50), 500e3,
                       500e3 * 0.004);
    cr_assert_float_eq((double)histogram_percentile(&stats.latencies[BENCH_READ], 99.9), 999e3,
                       999e3 * 0.004);
    cr_assert_eq(stats.first_ns, 50);
    cr_assert_eq(stats.last_ns, 1000100);
    cr_assert_not(bench_stats_failed(&stats));
    bench_stats_free(&stats);
}

Test(cli_bench_route, proc_stat_is_read_behind_any_name)
{
    struct bench_cpu cpu;

    cr_assert_eq(
        bench_cpu_parse("12 (a b) c) S 1 1 1 0 -1 4194560 1 2 3 4 250 125 7 8 20 0 1 0 5\n", 100,
                        &cpu),
        0);
    cr_assert_float_eq(cpu.user_seconds, 2.5, 1e-9);
    cr_assert_float_eq(cpu.system_seconds, 1.25, 1e-9);
    cr_assert_eq(bench_cpu_parse("12 (a) S 1 1", 100, &cpu), -EINVAL);
    cr_assert_eq(bench_cpu_parse("", 100, &cpu), -EINVAL);
    cr_assert_eq(bench_cpu_of_process(getpid(), &cpu), 0);
    cr_assert(cpu.known);
}
