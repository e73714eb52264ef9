// Operations that are waited for: core/wait.h, over files that are read in short pieces.
#include "core/wait.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 5000, TIMES = 200 };

struct desk {
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    uint8_t bytes[FILE_BYTES];
};

// Every read and write is cut.
static void desk_open(struct desk *desk)
{
    const struct io_uring_options options = {
        .queue_entries = 64, .buffer_count = 16, .buffer_bytes = 4096};
    struct sim_profile profile = sim_profile_default();

    profile.cut_per_mille = 1000;
    desk->world = sim_world_open(5, &profile);
    desk->node = sim_node_add(desk->world, "10.0.0.1");
    for (uint32_t i = 0; i < FILE_BYTES; i++) {
        desk->bytes[i] = (uint8_t)(i * 31 + i / 256);
    }
    sim_node_put_file(desk->node, "/file", desk->bytes, sizeof desk->bytes);
    desk->io = sim_core_open(desk->node, &options);
}

static void desk_close(struct desk *desk)
{
    io_destroy(desk->io);
    sim_world_close(desk->world);
}

// A short read of a manifest was taken for the file's end, and the manifest for damaged (sim_log,
// seed 5667).
Test(core_wait, reads_a_file_to_its_end_whatever_the_pieces)
{
    struct desk desk;
    uint8_t bytes[FILE_BYTES + 1000];
    uint32_t size = 0;

    desk_open(&desk);
    const int fd = wait_open(desk.io, "/file", IO_OPEN_READ);

    cr_assert_geq(fd, 0);
    for (uint32_t i = 0; i < TIMES; i++) {
        cr_assert_eq(wait_read_some(desk.io, fd, bytes, sizeof bytes, 0, &size), 0);
        cr_assert_eq(size, FILE_BYTES);
        cr_assert_arr_eq(bytes, desk.bytes, FILE_BYTES);
        cr_assert_eq(wait_read(desk.io, fd, bytes, 4321, 100), 0);
        cr_assert_arr_eq(bytes, desk.bytes + 100, 4321);
    }
    cr_assert_eq(wait_read(desk.io, fd, bytes, FILE_BYTES + 1, 0), -ENODATA);
    cr_assert_eq(wait_close(desk.io, fd), 0);
    desk_close(&desk);
}

// Whole blocks only; what the file has of its last one is its end.
Test(core_wait, reads_a_file_to_its_end_past_the_page_cache)
{
    struct desk desk;
    uint8_t *const bytes = aligned_alloc(IO_DIRECT_ALIGN, (size_t)4 * IO_DIRECT_ALIGN);
    uint32_t size = 0;

    cr_assert_not_null(bytes);
    desk_open(&desk);
    const int fd = wait_open(desk.io, "/file", IO_OPEN_READ | IO_OPEN_DIRECT);

    cr_assert_geq(fd, 0);
    for (uint32_t i = 0; i < TIMES; i++) {
        cr_assert_eq(wait_read_some(desk.io, fd, bytes, 4 * IO_DIRECT_ALIGN, 0, &size), 0);
        cr_assert_eq(size, FILE_BYTES);
        cr_assert_arr_eq(bytes, desk.bytes, FILE_BYTES);
    }
    cr_assert_eq(wait_read_some(desk.io, fd, bytes, 100, 0, &size), -EINVAL);
    cr_assert_eq(wait_close(desk.io, fd), 0);
    free(bytes);
    desk_close(&desk);
}
