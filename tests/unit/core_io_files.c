// Conformance of both backends of core/io.h: files and names.
#include "tests/unit/io_conformance.h"
#include "tests/unit/io_conformance_files.h"

CASE(core_io_files, opening_follows_its_flags)
{
    uint8_t byte = 'x';
    int fd = 0;

    EXPECT(open_name(driver, "f", IO_OPEN_READ) == -ENOENT);
    EXPECT(open_name(driver, "f", IO_OPEN_WRITE) == -ENOENT);
    EXPECT(open_name(driver, "no/f", IO_OPEN_WRITE | IO_OPEN_CREATE) == -ENOENT);
    fd = create(driver, "f");
    EXPECT(open_name(driver, "f", IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE) == -EEXIST);
    EXPECT(open_name(driver, "f", IO_OPEN_DIRECTORY) == -ENOTDIR);
    EXPECT(open_name(driver, "f/g", IO_OPEN_READ) == -ENOTDIR);
    EXPECT(open_name(driver, "", IO_OPEN_WRITE) == -EISDIR);
    write_all(driver, fd, &byte, 1, 0, 0);
    close_fd(driver, fd);
    fd = open_name(driver, "f", IO_OPEN_WRITE | IO_OPEN_CREATE); // as it is
    EXPECT(fd >= 0 && stat_name(driver, "f").size_bytes == 1);
    close_fd(driver, fd);
    fd = open_name(driver, "f", IO_OPEN_READ);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, &byte, 1, 0, 0)) == -EBADF);
    close_fd(driver, fd);
    fd = open_name(driver, "f", IO_OPEN_WRITE | IO_OPEN_TRUNCATE);
    EXPECT(fd >= 0 && stat_name(driver, "f").size_bytes == 0);
    close_fd(driver, fd);
}

CASE(core_io_files, descriptors_that_are_not_open_are_refused)
{
    uint8_t byte = 0;

    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, 9999, &byte, 1, 0)) == -EBADF);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, 9999, &byte, 1, 0, 0)) == -EBADF);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, 9999, true)) == -EBADF);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, 9999, 0, 1)) == -EBADF);
    EXPECT(RESULT_OF(io_close(driver->io, THE_OP, 9999)) == -EBADF);
    EXPECT(io_truncate(driver->io, 9999, 0) == -EBADF);
    EXPECT(io_lock(driver->io, 9999) == -EBADF);
}

CASE(core_io_files, what_was_written_is_read)
{
    enum { SIZE = 50000, HOLE = 100000 };
    uint8_t *const bytes = malloc(SIZE);
    uint8_t *const seen = malloc(SIZE);
    const int fd = create(driver, "f");

    pattern_fill(bytes, SIZE, 0);
    write_all(driver, fd, bytes, SIZE, 0, 0);
    memset(seen, 0, SIZE);
    EXPECT(read_all(driver, fd, seen, SIZE, 0) == SIZE && pattern_holds(seen, SIZE, 0));
    EXPECT(read_all(driver, fd, seen, 1000, 777) == 1000 && pattern_holds(seen, 1000, 777));
    // Over, at and past the end.
    EXPECT(read_all(driver, fd, seen, 1000, SIZE - 10) == 10);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, seen, 10, SIZE)) == 0);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, seen, 10, SIZE * 2)) == 0);
    // A hole reads as zeros.
    write_all(driver, fd, bytes, 1, HOLE, 0);
    memset(seen, 0xff, SIZE);
    EXPECT(read_all(driver, fd, seen, 100, HOLE - 100) == 100);
    for (int i = 0; i < 100; i++) {
        EXPECT(seen[i] == 0);
    }
    EXPECT(stat_name(driver, "f").size_bytes == HOLE + 1);
    // Over what is there.
    pattern_fill(bytes, 5000, 3);
    write_all(driver, fd, bytes, 5000, 4000, 0);
    EXPECT(read_all(driver, fd, seen, 5000, 4000) == 5000 && pattern_holds(seen, 5000, 3));
    EXPECT(read_all(driver, fd, seen, 4000, 0) == 4000 && pattern_holds(seen, 4000, 0));
    close_fd(driver, fd);
    free(bytes);
    free(seen);
}

CASE(core_io_files, durable_writes_and_syncs_say_that_they_are)
{
    uint8_t bytes[3000];
    int fd = create(driver, "f");

    pattern_fill(bytes, sizeof bytes, 0);
    write_all(driver, fd, bytes, sizeof bytes, 0, IO_WRITE_DURABLE);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, true)) == 0);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    memset(bytes, 0, sizeof bytes);
    EXPECT(read_all(driver, fd, bytes, sizeof bytes, 0) == sizeof bytes);
    EXPECT(pattern_holds(bytes, sizeof bytes, 0));
    close_fd(driver, fd);
    fd = open_name(driver, "", IO_OPEN_DIRECTORY);
    EXPECT(fd >= 0);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, bytes, 1, 0)) == -EISDIR);
    close_fd(driver, fd);
}

CASE(core_io_files, direct_access_wants_alignment)
{
    enum { SIZE = 4 * IO_DIRECT_ALIGN };
    uint8_t *const bytes = aligned_alloc(IO_DIRECT_ALIGN, SIZE);
    const int fd = open_name(driver, "f", IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);

    EXPECT(fd >= 0);
    pattern_fill(bytes, SIZE, 0);
    write_all(driver, fd, bytes, SIZE, 0, IO_WRITE_DURABLE);
    memset(bytes, 0, SIZE);
    EXPECT(read_all(driver, fd, bytes, SIZE, 0) == SIZE && pattern_holds(bytes, SIZE, 0));
    // Memory, size, offset.
    const uint32_t page = IO_DIRECT_ALIGN;
    const uint32_t half = IO_DIRECT_ALIGN / 2;

    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, bytes + 512, page, 0)) == -EINVAL);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, bytes, half, 0)) == -EINVAL);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, bytes, page, half)) == -EINVAL);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, bytes + 1, page, 0, 0)) == -EINVAL);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, bytes, page + 1, 0, 0)) == -EINVAL);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, bytes, page, 1, 0)) == -EINVAL);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, bytes, page, SIZE)) == 0);
    close_fd(driver, fd);
    // The descriptor's number comes back without the rule.
    const int plain = open_name(driver, "f", IO_OPEN_WRITE);

    EXPECT(plain == fd);
    EXPECT(read_all(driver, plain, bytes, 100, 1) == 100 && pattern_holds(bytes, 100, 1));
    close_fd(driver, plain);
    free(bytes);
}

CASE(core_io_files, renaming_moves_and_replaces)
{
    uint8_t byte = 'a';
    int fd = create(driver, "a");

    write_all(driver, fd, &byte, 1, 0, 0);
    close_fd(driver, fd);
    close_fd(driver, create(driver, "b"));
    EXPECT(rename_names(driver, "a", "b") == 0);
    EXPECT(!exists(driver, "a") && stat_name(driver, "b").size_bytes == 1);
    EXPECT(rename_names(driver, "a", "c") == -ENOENT);
    EXPECT(rename_names(driver, "b", "no/c") == -ENOENT);
    EXPECT(mkdir_name(driver, "d") == 0 && mkdir_name(driver, "e") == 0);
    EXPECT(rename_names(driver, "b", "d") == -EISDIR);
    EXPECT(rename_names(driver, "d", "b") == -ENOTDIR);
    EXPECT(rename_names(driver, "d", "d/inside") == -EINVAL);
    EXPECT(rename_names(driver, "b", "d/b") == 0 && exists(driver, "d/b"));
    EXPECT(rename_names(driver, "e", "d") == -ENOTEMPTY);
    EXPECT(rename_names(driver, "d", "e") == 0 && exists(driver, "e/b") && !exists(driver, "d"));
}

CASE(core_io_files, links_share_a_file_and_removed_files_stay_for_who_has_them_open)
{
    uint8_t byte = 'a';
    int fd = create(driver, "a");

    EXPECT(link_names(driver, "a", "b") == 0);
    EXPECT(link_names(driver, "a", "b") == -EEXIST);
    EXPECT(link_names(driver, "c", "d") == -ENOENT);
    EXPECT(stat_name(driver, "a").links == 2 && stat_name(driver, "b").links == 2);
    write_all(driver, fd, &byte, 1, 0, 0);
    EXPECT(stat_name(driver, "b").size_bytes == 1);
    EXPECT(rename_names(driver, "a", "b") == 0 && exists(driver, "a")); // one file: rename(2)
    EXPECT(unlink_name(driver, "a", false) == 0);
    EXPECT(unlink_name(driver, "a", false) == -ENOENT);
    EXPECT(stat_name(driver, "b").links == 1);
    EXPECT(unlink_name(driver, "b", false) == 0);
    byte = 0;
    EXPECT(read_all(driver, fd, &byte, 1, 0) == 1 && byte == 'a');
    close_fd(driver, fd);
    EXPECT(mkdir_name(driver, "d") == 0);
    EXPECT(link_names(driver, "d", "e") == -EPERM);
}

struct listing {
    int names;
    int known;
    int stop_after;
};

static bool list_each(void *context, const char *name)
{
    struct listing *const listing = context;

    listing->names++;
    listing->known += strcmp(name, "file") == 0 || strcmp(name, "inner") == 0;
    return listing->names != listing->stop_after;
}

CASE(core_io_files, directories_are_made_listed_and_removed)
{
    const struct path path = path_of(driver, "d");
    const struct path file = path_of(driver, "d/file");
    struct listing listing = {0};

    EXPECT(mkdir_name(driver, "d") == 0);
    EXPECT(mkdir_name(driver, "d") == -EEXIST);
    EXPECT(mkdir_name(driver, "no/d") == -ENOENT);
    EXPECT(stat_name(driver, "d").directory);
    EXPECT(mkdir_name(driver, "d/inner") == 0);
    close_fd(driver, create(driver, "d/file"));
    EXPECT(!stat_name(driver, "d/file").directory);
    EXPECT(io_list(driver->io, path.text, list_each, &listing) == 0);
    EXPECT(listing.names == 2 && listing.known == 2);
    listing = (struct listing){.stop_after = 1};
    EXPECT(io_list(driver->io, path.text, list_each, &listing) == 0 && listing.names == 1);
    EXPECT(io_list(driver->io, file.text, list_each, &listing) == -ENOTDIR);
    EXPECT(unlink_name(driver, "d", false) == -EISDIR);
    EXPECT(unlink_name(driver, "d/file", true) == -ENOTDIR);
    EXPECT(unlink_name(driver, "d", true) == -ENOTEMPTY);
    EXPECT(unlink_name(driver, "d/file", false) == 0);
    EXPECT(unlink_name(driver, "d/inner", true) == 0);
    EXPECT(unlink_name(driver, "d", true) == 0);
    EXPECT(io_list(driver->io, path.text, list_each, &listing) == -ENOENT);
}

CASE(core_io_files, space_is_that_of_the_filesystem)
{
    const struct path path = path_of(driver, "f");
    struct io_space space = {0};

    EXPECT(io_space(driver->io, path.text, &space) == -ENOENT);
    EXPECT(space.total_bytes == 0);
    EXPECT(create(driver, "f") >= 0);
    EXPECT(io_space(driver->io, path.text, &space) == 0);
    EXPECT(space.total_bytes != 0 && space.free_bytes <= space.total_bytes);
}

CASE(core_io_files, space_is_taken_and_given_back)
{
    enum { SIZE = 1 << 20 };
    uint8_t bytes[100];
    const int fd = create(driver, "f");

    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, fd, 0, SIZE)) == 0);
    EXPECT(stat_name(driver, "f").size_bytes == SIZE);
    EXPECT(stat_name(driver, "f").blocks_bytes >= SIZE);
    memset(bytes, 0xff, sizeof bytes);
    EXPECT(read_all(driver, fd, bytes, sizeof bytes, SIZE / 2) == sizeof bytes && bytes[99] == 0);
    pattern_fill(bytes, sizeof bytes, 0);
    write_all(driver, fd, bytes, sizeof bytes, 0, 0);
    EXPECT(io_truncate(driver->io, fd, 50) == 0);
    EXPECT(stat_name(driver, "f").size_bytes == 50);
    EXPECT(stat_name(driver, "f").blocks_bytes < SIZE);
    EXPECT(io_truncate(driver->io, fd, 100) == 0); // what was cut comes back as zeros
    EXPECT(read_all(driver, fd, bytes, sizeof bytes, 0) == 100);
    EXPECT(pattern_holds(bytes, 50, 0) && bytes[50] == 0 && bytes[99] == 0);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, fd, 0, 0)) == -EINVAL);
    close_fd(driver, fd);
}

CASE(core_io_files, a_lock_is_held_until_its_file_is_closed)
{
    const int first = create(driver, "f");
    const int second = open_name(driver, "f", IO_OPEN_READ);

    EXPECT(io_lock(driver->io, first) == 0);
    EXPECT(io_lock(driver->io, first) == 0); // it has it
    EXPECT(io_lock(driver->io, second) == -EWOULDBLOCK);
    close_fd(driver, first);
    EXPECT(io_lock(driver->io, second) == 0);
    close_fd(driver, second);
}

CASE_WITH(core_io_files, more_ops_than_the_queue_holds_all_complete, 8, 8, 64)
{
    enum { COUNT = 300 };
    struct call *const calls = calloc(COUNT, sizeof *calls);
    uint8_t *const bytes = malloc(COUNT);
    const int fd = create(driver, "f");
    int done = 0;

    pattern_fill(bytes, COUNT, 0);
    write_all(driver, fd, bytes, COUNT, 0, 0);
    memset(bytes, 0, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        io_read(driver->io, call_op(&calls[i]), fd, bytes + i, 1, i);
        EXPECT(calls[i].calls == 0); // only inside of io_turn()
    }
    for (int turns = 0; done < COUNT; turns++) {
        EXPECT(turns < TURNS_MAX);
        io_turn(driver->io, TURN_NS);
        done = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            EXPECT(calls[i].calls <= 1);
            done += calls[i].calls;
        }
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        EXPECT(calls[i].result == 1);
    }
    EXPECT(pattern_holds(bytes, COUNT, 0));
    close_fd(driver, fd);
    free(bytes);
    free(calls);
}

CASE_WITH(core_io_files, a_turn_runs_a_bounded_number_of_completions, 2048, 8, 64)
{
    enum { COUNT = LIMIT_IO_COMPLETIONS_A_TURN * 3 };
    struct call *const calls = calloc(COUNT, sizeof *calls);
    uint8_t byte = 0;
    const int fd = create(driver, "f");
    uint64_t before = driver->io->completions;
    const uint64_t all = before + COUNT;

    for (uint32_t i = 0; i < COUNT; i++) {
        io_read(driver->io, call_op(&calls[i]), fd, &byte, 1, 0);
    }
    for (int turns = 0; driver->io->completions < all; turns++) {
        EXPECT(turns < TURNS_MAX);
        io_turn(driver->io, TURN_NS);
        EXPECT(driver->io->completions - before <= LIMIT_IO_COMPLETIONS_A_TURN);
        before = driver->io->completions;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        EXPECT(calls[i].calls == 1 && calls[i].result == 0);
    }
    close_fd(driver, fd);
    free(calls);
}

// An op that starts itself again, a number of times.
struct chain {
    struct io_op op; // first
    struct io *io;
    int fd;
    uint32_t left;
    uint32_t at;
    bool good;
    uint8_t byte;
};

static void chain_next(struct io_op *op, int32_t result)
{
    struct chain *const chain = (struct chain *)op;

    chain->good = chain->good && result == 1 && chain->byte == pattern(chain->at) && !op->pending;
    chain->at++;
    if (chain->left-- > 1) {
        io_read(chain->io, op, chain->fd, &chain->byte, 1, chain->at);
    }
}

CASE(core_io_files, an_op_can_be_started_again_in_its_own_completion)
{
    enum { COUNT = 500 };
    uint8_t bytes[COUNT];
    const int fd = create(driver, "f");
    struct chain chain = {
        .op.done = chain_next, .io = driver->io, .fd = fd, .left = COUNT, .good = true};

    pattern_fill(bytes, sizeof bytes, 0);
    write_all(driver, fd, bytes, sizeof bytes, 0, 0);
    io_read(driver->io, &chain.op, fd, &chain.byte, 1, 0);
    WAIT(chain.left == 0);
    EXPECT(chain.good && chain.at == COUNT && !chain.op.pending);
    close_fd(driver, fd);
}

static int freed; // of the next two

static void free_done(struct io_op *op, int32_t result)
{
    (void)result;
    freed++;
    free(op);
}

CASE(core_io_files, an_op_can_be_freed_in_its_own_completion_also_a_cancelled_one)
{
    enum { COUNT = 100 };
    uint8_t byte = 0;
    const int fd = create(driver, "f");

    freed = 0;
    for (int i = 0; i < COUNT; i++) {
        struct io_op *const op = calloc(1, sizeof *op);

        op->done = free_done;
        io_read(driver->io, op, fd, &byte, 1, 0);
        if (i % 2 == 0) {
            io_cancel(driver->io, op);
        }
    }
    WAIT(freed == COUNT);
    turn_for(driver, TURN_NS);
    close_fd(driver, fd);
}

CASE(core_io_files, a_cancelled_op_of_a_file_completes_once_either_way)
{
    struct call calls[20] = {0};
    uint8_t bytes[sizeof calls / sizeof *calls];
    const int fd = create(driver, "f");
    uint32_t done = 0;

    write_all(driver, fd, (const uint8_t *)"x", 1, 0, 0);
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        io_read(driver->io, call_op(&calls[i]), fd, &bytes[i], 1, 0);
        io_cancel(driver->io, &calls[i].op);
    }
    for (int turns = 0; done < sizeof bytes; turns++) {
        EXPECT(turns < TURNS_MAX);
        io_turn(driver->io, TURN_NS);
        done = 0;
        for (uint32_t i = 0; i < sizeof bytes; i++) {
            done += (uint32_t)calls[i].calls;
        }
    }
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        EXPECT(calls[i].calls == 1);
        EXPECT(calls[i].result == 1 || calls[i].result == -ECANCELED);
        EXPECT(calls[i].result != 1 || bytes[i] == 'x');
    }
    close_fd(driver, fd);
}
