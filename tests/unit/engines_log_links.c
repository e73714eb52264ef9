// A copy of a log's directory that is made of links stays as it is: the log never writes to a file
// that has a name elsewhere too, and takes its place when the other name is gone.
#include "core/wait.h"
#include "tests/unit/engines_log_image.h"

enum { KEYS = 300, ROUNDS = 40, ENDS = 80, COPY_EVERY = 4, TURNS_MAX = 20000 };

struct linking {
    struct bench *bench;
    const char *to;
    struct image *copy; // what was linked
};

static void sync_names(struct bench *bench, const char *path)
{
    const int fd = wait_open(bench->io, path, IO_OPEN_READ | IO_OPEN_DIRECTORY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(wait_sync(bench->io, fd), 0);
    (void)wait_close(bench->io, fd);
}

static void link_done(struct io_op *op, int32_t result)
{
    (void)op;
    cr_assert_eq(result, 0);
}

static void wait_for(struct bench *bench, const struct io_op *op)
{
    while (op->pending) {
        io_turn(bench->io, UINT64_MAX);
    }
}

static bool link_file(void *context, const char *name)
{
    struct linking *const linking = context;
    struct io_op op = {.done = link_done};
    char from[128];
    char to[128];
    size_t size;

    (void)snprintf(from, sizeof from, "/log/%s", name);
    (void)snprintf(to, sizeof to, "%s/%s", linking->to, name);
    uint8_t *const bytes = sim_node_file(linking->bench->node, from, &size);

    image_put(linking->copy, name, bytes, size);
    free(bytes);
    io_link(linking->bench->io, &op, from, to);
    wait_for(linking->bench, &op);
    return true;
}

// Links all files of a log that no engine runs on.
static void link_all(struct bench *bench, const char *to, struct image *ret_copy)
{
    static const struct io_uring_options options = {64, 16, 4096};
    struct linking linking = {.bench = bench, .to = to, .copy = ret_copy};

    *ret_copy = (struct image){0};
    bench->io = sim_core_open(bench->node, &options);
    cr_assert_eq(wait_mkdir(bench->io, to), 0);
    cr_assert_eq(sim_node_list(bench->node, "/log", link_file, &linking), 0);
    sync_names(bench, to);
    sync_names(bench, "/");
    io_destroy(bench->io);
}

static void put_all(struct bench *bench, uint64_t version)
{
    for (uint32_t number = 0; number < KEYS; number++) {
        uint32_t turns = 0;

        while (bench_put(bench, number, version) != ENGINE_OK) {
            cr_assert_lt(++turns, TURNS_MAX);
            bench_turn(bench);
        }
        bench_turn(bench);
    }
}

static void expect_all(struct bench *bench, uint64_t wanted)
{
    for (uint32_t number = 0; number < KEYS; number++) {
        uint64_t version;

        cr_assert_eq(bench_get(bench, number, &version), ENGINE_OK, "key %u", number);
        cr_assert_eq(version, wanted, "key %u", number);
    }
}

static void expect_untouched(struct bench *bench, const char *at, const struct image *copy)
{
    for (uint32_t i = 0; i < copy->count; i++) {
        char path[128];
        size_t size;

        (void)snprintf(path, sizeof path, "%s/%s", at, copy->files[i].name);
        uint8_t *const bytes = sim_node_file(bench->node, path, &size);

        cr_assert_not_null(bytes);
        cr_assert_eq(size, copy->files[i].size, "%s", path);
        cr_assert_eq(memcmp(bytes, copy->files[i].bytes, size), 0, "%s was written to", path);
        free(bytes);
    }
}

static uint32_t links_of(struct bench *bench, const struct image *copy)
{
    uint32_t shared = 0;

    for (uint32_t i = 0; i < copy->count; i++) {
        struct io_stat stat;
        char path[128];

        (void)snprintf(path, sizeof path, "/copy/%s", copy->files[i].name);
        cr_assert_eq(io_stat(bench->io, path, &stat), 0);
        shared += stat.links > 1 ? 1 : 0;
    }
    return shared;
}

// Ends in one of the ways that there are, and begins anew.
static void again(struct bench *bench, uint32_t round)
{
    switch (round % 4) {
    case 0:
        bench_close(bench);
        break;
    case 1:
        bench_kill(bench, SIM_KILL);
        break;
    case 2:
        bench_kill(bench, SIM_POWER_LOSS);
        break;
    default:
        return;
    }
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    cr_assert_null(strstr(bench->text, "cannot be opened"), "%s", bench->text);
    cr_assert_null(strstr(bench->text, "no segment of this log"), "%s", bench->text);
}

Test(engines_log_links, a_copy_stays_as_it_is)
{
    struct bench bench;
    struct bench other;
    struct image copy;

    bench_open(&bench, 1, NULL);
    put_all(&bench, 1);
    bench_close(&bench);
    link_all(&bench, "/copy", &copy);
    bench_open_engine(&bench);
    cr_assert_eq(bench.error, 0);
    const uint32_t before = links_of(&bench, &copy);

    for (uint32_t round = 0; round < ROUNDS; round++) {
        put_all(&bench, round + 2);
        if (round % 4 == 3) {
            expect_all(&bench, round + 2);
        }
        again(&bench, round);
    }
    expect_all(&bench, ROUNDS + 1);
    expect_untouched(&bench, "/copy", &copy);
    // What was given up is the copy's alone now.
    cr_assert_lt(links_of(&bench, &copy), before);
    log_verify(bench.engine);

    // It is a whole log.
    bench_open(&other, 2, &copy);
    cr_assert_eq(other.error, 0);
    expect_all(&other, 1);
    bench_done(&other);
    bench_done(&bench);
    image_free(&copy);
}

// The process or the machine ends at any moment of letting go.
Test(engines_log_links, nothing_is_taken_for_damage)
{
    struct bench bench;
    struct image copy = {0};
    struct random random;
    char to[32];
    uint64_t versions = 1;

    random_seed(&random, 5);
    bench_open(&bench, 5, NULL);
    put_all(&bench, versions);
    for (uint32_t round = 0; round < ENDS; round++) {
        const uint64_t puts = random_below(&random, 2 * KEYS);

        if (round % COPY_EVERY == 0) {
            (void)snprintf(to, sizeof to, "/copy-%u", round);
            image_free(&copy);
            bench_close(&bench);
            link_all(&bench, to, &copy);
            bench_open_engine(&bench);
        }
        for (uint64_t i = 0; i < puts; i++) {
            (void)bench_put(&bench, (uint32_t)(i % KEYS), ++versions);
            bench_turn(&bench);
        }
        again(&bench, 1 + (uint32_t)random_below(&random, 2));
        log_verify(bench.engine);
        expect_untouched(&bench, to, &copy);
    }
    bench_done(&bench);
    image_free(&copy);
}

// Without a copy the files are recycled, as ever: none is made anew.
Test(engines_log_links, what_has_one_name_is_recycled)
{
    struct bench bench;
    struct engine_stats stats;

    bench_open(&bench, 3, NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        put_all(&bench, round + 1);
    }
    engine_stats(bench.engine, &stats);
    cr_assert_leq(log_engine_of(bench.engine)->zeroed_bytes, stats.disk_bytes);
    bench_done(&bench);
}

// Files of segments that nobody takes are removed, and a start misses none of them.
Test(engines_log_links, what_nobody_needs_is_given_back)
{
    struct bench bench;
    struct image image = {0};
    struct engine_stats full;
    struct engine_stats left;
    uint32_t files = 0;

    bench_open(&bench, 4, NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        put_all(&bench, round + 1);
    }
    engine_stats(bench.engine, &full);
    for (uint32_t number = 0; number < KEYS; number++) {
        (void)bench_remove(&bench, number);
        bench_turn(&bench);
    }
    for (uint32_t turn = 0; turn < 4000; turn++) {
        engine_commit(bench.engine);
        (void)engine_step(bench.engine, 65536);
        io_turn(bench.io, 10 * 1000 * 1000);
    }
    engine_stats(bench.engine, &left);
    cr_assert_eq(left.step_later, 0);
    cr_assert_lt(left.disk_bytes, full.disk_bytes);
    image_take(bench.node, &image);
    for (uint32_t i = 0; i < image.count; i++) {
        files += strncmp(image.files[i].name, "segment-", 8) == 0 ? 1 : 0;
    }
    cr_assert_eq((uint64_t)files * IMAGE_SEGMENT_BYTES, left.disk_bytes);
    image_free(&image);
    again(&bench, 2);
    bench_done(&bench);
}
