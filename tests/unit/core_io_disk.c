// Conformance of both backends of core/io.h: disks that are full or fail, files that are moved and
// removed while they are open, and operations that are in flight together.
#include "tests/unit/io_conformance.h"
#include "tests/unit/io_conformance_files.h"

enum { PAGE = IO_DIRECT_ALIGN };

// Full disks --------------------------------------------------------------------------------------

enum { DISK_BYTES = 256 * 1024 };

// The rest of a case runs where there is a disk of DISK_BYTES.
#define NEED_SMALL_DISK()                                                                          \
    do {                                                                                           \
        if (!io_driver_disk_max(driver, DISK_BYTES)) {                                             \
            cr_skip_test("mounting a small file system is not allowed here");                      \
        }                                                                                          \
    } while (false)

// Writes the pattern until there is no room for a byte: a write for which there is not enough is
// taken in part or not at all. Returns how much was taken.
static uint32_t fill(struct io_driver *driver, int fd)
{
    enum { MOST = 40000 };
    uint8_t *const bytes = malloc(MOST);
    uint32_t chunk = MOST;
    uint32_t size = 0;

    while (chunk > 0) {
        pattern_fill(bytes, chunk, size);
        const int32_t result = RESULT_OF(io_write(driver->io, THE_OP, fd, bytes, chunk, size, 0));

        EXPECT(result == -ENOSPC || (result > 0 && (uint32_t)result <= chunk));
        size += result > 0 ? (uint32_t)result : 0;
        EXPECT(size <= DISK_BYTES);
        chunk = result > 0 ? chunk : chunk / 2;
    }
    free(bytes);
    return size;
}

CASE(core_io_disk, a_full_disk_takes_what_there_is_room_for)
{
    uint8_t *const seen = malloc(DISK_BYTES);
    uint8_t byte = 'x';
    uint32_t size = 0;
    struct io_space space;
    struct path root = path_of(driver, "");

    NEED_SMALL_DISK();
    const int fd = create(driver, "f");
    const int other = create(driver, "g");

    size = fill(driver, fd);
    EXPECT(size > DISK_BYTES / 2 && stat_name(driver, "f").size_bytes == size);
    EXPECT(io_space(driver->io, root.text, &space) == 0 && space.free_bytes < PAGE);
    EXPECT(space.total_bytes == DISK_BYTES);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, other, &byte, 1, 0, 0)) == -ENOSPC);
    EXPECT(stat_name(driver, "g").size_bytes == 0);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, other, &byte, 1, 0, IO_WRITE_DURABLE)) ==
           -ENOSPC);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, other, 0, PAGE)) == -ENOSPC);
    EXPECT(stat_name(driver, "g").size_bytes == 0);
    // What is there stays, and can be written over.
    EXPECT(read_all(driver, fd, seen, DISK_BYTES, 0) == size && pattern_holds(seen, size, 0));
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, &byte, 1, 7, 0)) == 1);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    // Room comes back when the file is gone, which it is when nobody has it open.
    EXPECT(unlink_name(driver, "f", false) == 0);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, other, &byte, 1, 0, 0)) == -ENOSPC);
    close_fd(driver, fd);
    EXPECT(io_space(driver->io, root.text, &space) == 0 && space.free_bytes >= size - PAGE);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, other, &byte, 1, 0, 0)) == 1);
    close_fd(driver, other);
    free(seen);
}

CASE(core_io_disk, space_that_was_allocated_is_there_when_the_disk_is_full)
{
    enum { RESERVED = 16 * PAGE };
    uint8_t *const bytes = malloc(RESERVED);

    NEED_SMALL_DISK();
    const int reserved = create(driver, "reserved");
    const int fd = create(driver, "f");

    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, reserved, 0, DISK_BYTES * 2)) == -ENOSPC);
    EXPECT(stat_name(driver, "reserved").size_bytes == 0);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, reserved, 0, RESERVED)) == 0);
    EXPECT(fill(driver, fd) <= DISK_BYTES - RESERVED);
    pattern_fill(bytes, RESERVED, 0);
    write_all(driver, reserved, bytes, RESERVED, 0, IO_WRITE_DURABLE);
    memset(bytes, 0, RESERVED);
    EXPECT(read_all(driver, reserved, bytes, RESERVED, 0) == RESERVED);
    EXPECT(pattern_holds(bytes, RESERVED, 0));
    EXPECT(io_truncate(driver->io, reserved, 0) == 0); // gives it back
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, bytes, PAGE, DISK_BYTES, 0)) > 0);
    close_fd(driver, fd);
    close_fd(driver, reserved);
    free(bytes);
}

// Whether over the simulated world a write was ever taken in part for want of room.
static bool part_taken;

static void note_part(struct io_driver *driver)
{
    enum { SIZE = 3 * DISK_BYTES / 4 };
    uint8_t *const bytes = calloc(1, SIZE);

    EXPECT(io_driver_disk_max(driver, DISK_BYTES));
    const int fd = create(driver, "f");
    // Two files share the space: the later one finds a part.
    const int other = create(driver, "g");

    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, fd, 0, DISK_BYTES / 2)) == 0);
    const int32_t result = RESULT_OF(io_write(driver->io, THE_OP, other, bytes, SIZE, 0, 0));

    EXPECT(result == -ENOSPC || (result > 0 && result <= DISK_BYTES / 2));
    part_taken = part_taken || result == DISK_BYTES / 2;
    close_fd(driver, fd);
    close_fd(driver, other);
    free(bytes);
}

Test(core_io_disk, the_simulated_world_takes_writes_in_part_too)
{
    case_run(IO_DRIVER_SIM, &(struct io_uring_options){64, 64, 4096}, note_part);
    cr_expect(part_taken);
}

// Failing disks -----------------------------------------------------------------------------------

CASE(core_io_disk, a_failing_read_says_so)
{
    uint8_t byte = 'x';
    const char *const path = io_driver_broken_file(driver, IO_DRIVER_READS_FAIL);
    const int fd = RESULT_OF(io_open(driver->io, THE_OP, path, IO_OPEN_READ));

    EXPECT(fd >= 0);
    for (int i = 0; i < 3; i++) {
        EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, &byte, 1, 0)) == -EIO && byte == 'x');
    }
    close_fd(driver, fd);
    const int other = create(driver, "f"); // others are still served

    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, other, &byte, 1, 0, 0)) == 1);
    close_fd(driver, other);
}

CASE(core_io_disk, a_failing_write_says_so)
{
    struct call calls[5] = {0};
    const uint8_t byte = 'x';
    const char *const path = io_driver_broken_file(driver, IO_DRIVER_WRITES_FAIL);
    const int fd = RESULT_OF(io_open(driver->io, THE_OP, path, IO_OPEN_WRITE));

    EXPECT(fd >= 0);
    for (int i = 0; i < 5; i++) { // all of those in flight
        io_write(driver->io, call_op(&calls[i]), fd, &byte, 1, 0, 0);
    }
    for (int i = 0; i < 5; i++) {
        WAIT(calls[i].calls != 0);
        EXPECT(calls[i].calls == 1 && calls[i].result == -EFBIG);
    }
    close_fd(driver, fd);
}

// Open files whose names change -------------------------------------------------------------------

CASE(core_io_disk, an_open_file_stays_itself_under_its_next_name_and_without_one)
{
    uint8_t byte = 'a';
    const int first = create(driver, "a");
    const int second = create(driver, "b");

    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, first, "a", 1, 0, 0)) == 1);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, second, "b", 1, 0, 0)) == 1);
    EXPECT(rename_names(driver, "a", "b") == 0); // the second file has no name any more
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, second, &byte, 1, 0)) == 1 && byte == 'b');
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, second, "B", 1, 1, IO_WRITE_DURABLE)) == 1);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, second, false)) == 0);
    EXPECT(io_truncate(driver->io, second, 0) == 0);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, first, "A", 1, 1, 0)) == 1);
    EXPECT(stat_name(driver, "b").size_bytes == 2 && stat_name(driver, "b").links == 1);
    const int third = create(driver, "a"); // the old name is free

    EXPECT(stat_name(driver, "a").size_bytes == 0);
    close_fd(driver, first);
    close_fd(driver, second);
    close_fd(driver, third);
}

CASE(core_io_disk, a_directory_can_be_synced_after_each_change_and_when_it_is_gone)
{
    EXPECT(mkdir_name(driver, "d") == 0);
    const int fd = open_name(driver, "d", IO_OPEN_DIRECTORY);

    EXPECT(fd >= 0);
    close_fd(driver, create(driver, "d/a"));
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    EXPECT(rename_names(driver, "d/a", "d/b") == 0);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, true)) == 0);
    EXPECT(unlink_name(driver, "d/b", false) == 0);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    EXPECT(unlink_name(driver, "d", true) == 0);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, fd, false)) == 0);
    EXPECT(open_name(driver, "d/c", IO_OPEN_WRITE | IO_OPEN_CREATE) == -ENOENT);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, "x", 1, 0, 0)) == -EBADF);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, fd, 0, PAGE)) == -EBADF);
    close_fd(driver, fd);
}

CASE(core_io_disk, names_are_as_long_as_linux_lets_them)
{
    char longest[256];
    char longer[257];

    memset(longest, 'n', sizeof longest);
    memset(longer, 'n', sizeof longer);
    longest[255] = '\0';
    longer[256] = '\0';
    close_fd(driver, create(driver, longest));
    EXPECT(exists(driver, longest));
    EXPECT(open_name(driver, longer, IO_OPEN_WRITE | IO_OPEN_CREATE) == -ENAMETOOLONG);
    EXPECT(mkdir_name(driver, longer) == -ENAMETOOLONG);
    EXPECT(rename_names(driver, longest, longer) == -ENAMETOOLONG && exists(driver, longest));
    EXPECT(link_names(driver, longest, longer) == -ENAMETOOLONG);
    EXPECT(unlink_name(driver, longest, false) == 0);
}

CASE(core_io_disk, who_may_only_read_changes_nothing)
{
    const int fd = create(driver, "f");
    const uint8_t byte = 'x';

    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, &byte, 1, 0, 0)) == 1);
    const int reader = open_name(driver, "f", IO_OPEN_READ);

    EXPECT(reader >= 0);
    EXPECT(io_truncate(driver->io, reader, 0) == -EINVAL);
    EXPECT(RESULT_OF(io_allocate(driver->io, THE_OP, reader, 0, PAGE)) == -EBADF);
    EXPECT(RESULT_OF(io_sync(driver->io, THE_OP, reader, false)) == 0);
    EXPECT(stat_name(driver, "f").size_bytes == 1);
    close_fd(driver, fd);
    close_fd(driver, reader);
}

CASE(core_io_disk, offsets_beyond_4_gib_are_places_of_their_own)
{
    const uint64_t far = (UINT64_C(4) << 30) + 4 * PAGE;
    uint8_t bytes[2] = {'a', 'b'};
    const int fd = create(driver, "f");

    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, &bytes[0], 1, 4 * PAGE, 0)) == 1);
    EXPECT(RESULT_OF(io_write(driver->io, THE_OP, fd, &bytes[1], 1, far, 0)) == 1);
    EXPECT(stat_name(driver, "f").size_bytes == far + 1);
    EXPECT(stat_name(driver, "f").blocks_bytes < 1 << 20);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, &bytes[1], 1, 4 * PAGE)) == 1);
    EXPECT(RESULT_OF(io_read(driver->io, THE_OP, fd, &bytes[0], 1, far)) == 1);
    EXPECT(bytes[0] == 'b' && bytes[1] == 'a');
    close_fd(driver, fd);
}

// In flight together ------------------------------------------------------------------------------

enum { TOGETHER = 12 };

// Ops that note in which order they complete.
struct ordered {
    struct call call; // first
    int *next;
    int place; // from 1
};

static void ordered_done(struct io_op *op, int32_t result)
{
    struct ordered *const ordered = (struct ordered *)op;

    call_done(op, result);
    ordered->place = ++*ordered->next;
}

// Writes a page each, all at once. True if they did not complete in the order of their starts.
static bool write_together(struct io_driver *driver, int fd, struct ordered *ordered,
                           const uint8_t *bytes)
{
    int next = 0;
    bool mixed = false;

    for (int i = 0; i < TOGETHER; i++) {
        ordered[i] = (struct ordered){.call.op.done = ordered_done, .next = &next};
        io_write(driver->io, &ordered[i].call.op, fd, bytes + i * PAGE, PAGE, (uint64_t)i * PAGE,
                 i % 2 == 0 ? IO_WRITE_DURABLE : 0);
    }
    WAIT(next == TOGETHER);
    for (int i = 0; i < TOGETHER; i++) {
        EXPECT(ordered[i].call.calls == 1 && ordered[i].call.result > 0);
        mixed = mixed || ordered[i].place != i + 1;
    }
    return mixed;
}

static bool mixed_ever;

static void write_pages(struct io_driver *driver)
{
    enum { SIZE = TOGETHER * PAGE };
    struct ordered ordered[TOGETHER];
    uint8_t *const bytes = malloc(SIZE);
    uint8_t *const seen = calloc(1, SIZE);
    const int fd = create(driver, "f");

    pattern_fill(bytes, SIZE, 0);
    mixed_ever = write_together(driver, fd, ordered, bytes) || mixed_ever;
    (void)read_all(driver, fd, seen, SIZE, 0);
    for (int i = 0; i < TOGETHER; i++) { // as much of each as it said, whichever came first
        EXPECT(memcmp(seen + i * PAGE, bytes + i * PAGE, (size_t)ordered[i].call.result) == 0);
    }
    close_fd(driver, fd);
    free(bytes);
    free(seen);
}

CASE(core_io_disk, writes_in_flight_together_each_do_their_part)
{
    write_pages(driver);
}

Test(core_io_disk, the_simulated_world_completes_out_of_order)
{
    mixed_ever = false;
    case_run(IO_DRIVER_SIM, &(struct io_uring_options){64, 64, 4096}, write_pages);
    cr_expect(mixed_ever);
}

CASE(core_io_disk, a_read_beside_a_write_sees_what_was_or_what_will_be)
{
    struct call calls[2] = {0};
    uint8_t was[PAGE];
    uint8_t will[PAGE];
    uint8_t seen[PAGE];
    const int fd = create(driver, "f");

    memset(was, 'a', sizeof was);
    memset(will, 'b', sizeof will);
    write_all(driver, fd, was, sizeof was, 0, 0);
    for (int round = 0; round < 20; round++) {
        memset(seen, 0, sizeof seen);
        io_write(driver->io, call_op(&calls[0]), fd, round % 2 == 0 ? will : was, PAGE, 0, 0);
        io_read(driver->io, call_op(&calls[1]), fd, seen, PAGE, 0);
        WAIT(calls[0].calls != 0 && calls[1].calls != 0);
        EXPECT(calls[0].result > 0 && calls[1].result > 0);
        for (int32_t i = 0; i < calls[1].result; i++) {
            EXPECT(seen[i] == 'a' || seen[i] == 'b');
        }
    }
    close_fd(driver, fd);
}

// An op that is cancelled and, when it is done, lives anew: as a read again and again.
struct lives {
    struct call call; // first
    struct io *io;
    int fd;
    uint32_t left;
    uint8_t byte;
    bool cancelled; // a life that nobody had cancelled was
};

static void lives_done(struct io_op *op, int32_t result)
{
    struct lives *const lives = (struct lives *)op;

    call_done(op, result);
    // The cancels were all of the first life.
    lives->cancelled = lives->cancelled || (lives->call.calls > 1 && result != 1);
    if (lives->left-- > 1) {
        io_read(lives->io, op, lives->fd, &lives->byte, 1, 0);
    }
}

CASE(core_io_disk, a_late_cancel_does_not_reach_the_next_life_of_its_op)
{
    enum { LIVES = 5, OPS = 30 };
    struct lives ops[OPS];
    const int fd = create(driver, "f");

    write_all(driver, fd, (const uint8_t *)"x", 1, 0, 0);
    for (int i = 0; i < OPS; i++) {
        ops[i] =
            (struct lives){.call.op.done = lives_done, .io = driver->io, .fd = fd, .left = LIVES};
        io_read(driver->io, &ops[i].call.op, fd, &ops[i].byte, 1, 0);
    }
    io_turn(driver->io, 0); // some are done, some are told later, some are on their way
    for (int i = 0; i < OPS; i++) {
        if (ops[i].call.calls == 0) {
            io_cancel(driver->io, &ops[i].call.op);
            io_cancel(driver->io, &ops[i].call.op);
        }
    }
    for (int i = 0; i < OPS; i++) {
        WAIT(ops[i].left == 0);
        EXPECT(!ops[i].cancelled && ops[i].call.calls == LIVES);
    }
    close_fd(driver, fd);
}
