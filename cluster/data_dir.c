#include "cluster/data_dir.h"

#include "core/codec.h"
#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/planted.h"
#include "core/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CURRENT_VERSION = 2, CURRENT_CHECKED_FROM = 24, CURRENT_BYTES_VERSION_1 = 116 };

// Of a tree that is removed.
// A snapshot on which a node ran may have snapshots of its own.
enum { REMOVED_DEPTH_MAX = 16, REMOVED_NAMES = 64, REMOVED_NAME_BYTES = 128 };

static_assert(LIMIT_SNAPSHOT_NAME_BYTES + 16 < REMOVED_NAME_BYTES, "with what goes before it");

static const char CURRENT_MAGIC[] = "rldbNODE";
static const char GENERATION_HEAD[] = "generation-";
static const char REMOVED_HEAD[] = "removed-";
static const char SNAPSHOTS[] = "snapshots";

static_assert(LIMIT_CONFIG_PATH_BYTES + 64 < DATA_DIR_PATH_BYTES, "names fit behind any data_dir");

// As bytes -----------------------------------------------------------------------------------

void data_dir_write_current(uint8_t ret_bytes[DATA_DIR_CURRENT_BYTES],
                            const struct data_identity *identity)
{
    struct codec_writer writer = codec_writer_of(ret_bytes, DATA_DIR_CURRENT_BYTES);
    codec_write_bytes(&writer, CURRENT_MAGIC, 8);
    codec_write_u32(&writer, CURRENT_VERSION);
    codec_write_u32(&writer, 0);
    codec_write_u64(&writer, 0);
    codec_write_bytes(&writer, identity->id.bytes, sizeof identity->id.bytes);
    codec_write_u32(&writer, identity->generation);
    codec_write_u64(&writer, identity->hash_seed);
    codec_write_u32(&writer, identity->shards);
    codec_write_u32(&writer, identity->partitions);
    codec_write_bytes(&writer, identity->secret.mac_key, sizeof identity->secret.mac_key);
    codec_write_bytes(&writer, identity->secret.cluster_id, sizeof identity->secret.cluster_id);
    codec_write_u64(&writer, identity->snapshot);
    CHECK(codec_writer_size(&writer) == DATA_DIR_CURRENT_BYTES);
    uint64_t checksum = hash_checksum(ret_bytes + CURRENT_CHECKED_FROM,
                                      DATA_DIR_CURRENT_BYTES - CURRENT_CHECKED_FROM);
    writer = codec_writer_of(ret_bytes + 16, sizeof checksum);
    codec_write_u64(&writer, checksum);
}

static bool is_one_bit_from(uint32_t version, uint32_t other)
{
    return __builtin_popcount(version ^ other) == 1;
}

// Whether a version that is none of ours is one of ours with a flipped bit.
static bool is_flipped(uint32_t version, uint32_t complement)
{
    return version == 0 || ((version ^ complement) != UINT32_MAX &&
                            (is_one_bit_from(version, 1) || is_one_bit_from(version, 2)));
}

int data_dir_read_current(struct slice bytes, struct data_identity *ret_identity)
{
    struct data_identity identity = {0};
    struct codec_reader reader = codec_reader_of(bytes);
    struct slice magic = codec_read_bytes(&reader, 8);
    if (magic.size != 8 || memcmp(magic.bytes, CURRENT_MAGIC, 8) != 0) {
        return -EBADMSG;
    }
    const uint32_t version = codec_read_u32(&reader);
    const uint32_t complement = codec_read_u32(&reader);
    if (version == 0 || version > CURRENT_VERSION) {
        return reader.failed || is_flipped(version, complement) ? -EBADMSG : -EPROTONOSUPPORT;
    }
    size_t size = version == 1 ? CURRENT_BYTES_VERSION_1 : DATA_DIR_CURRENT_BYTES;
    uint64_t checksum = codec_read_u64(&reader);
    if (bytes.size != size || checksum != hash_checksum(bytes.bytes + CURRENT_CHECKED_FROM,
                                                        bytes.size - CURRENT_CHECKED_FROM)) {
        return -EBADMSG;
    }
    codec_read_into(&reader, identity.id.bytes, sizeof identity.id.bytes);
    identity.generation = codec_read_u32(&reader);
    identity.hash_seed = codec_read_u64(&reader);
    identity.shards = codec_read_u32(&reader);
    identity.partitions = codec_read_u32(&reader);
    codec_read_into(&reader, identity.secret.mac_key, sizeof identity.secret.mac_key);
    codec_read_into(&reader, identity.secret.cluster_id, sizeof identity.secret.cluster_id);
    identity.snapshot = version == 1 ? 0 : codec_read_u64(&reader);
    CHECK(codec_reader_done(&reader));
    *ret_identity = identity;
    return 0;
}

// Files --------------------------------------------------------------------------------------

static void path_of(char path[DATA_DIR_PATH_BYTES], const char *directory, const char *name)
{
    int size = snprintf(path, DATA_DIR_PATH_BYTES, "%s/%s", directory, name);
    CHECK(size > 0 && size < DATA_DIR_PATH_BYTES);
}

static void numbered_path(char path[DATA_DIR_PATH_BYTES], const char *directory, const char *head,
                          uint32_t generation)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s%u", head, generation);
    path_of(path, directory, name);
}

static void generation_path(char path[DATA_DIR_PATH_BYTES], const char *directory,
                            uint32_t generation)
{
    numbered_path(path, directory, GENERATION_HEAD, generation);
}

void data_dir_generation_path(const char *path, uint32_t generation, char *ret_path)
{
    generation_path(ret_path, path, generation);
}

void data_dir_snapshots_path(const char *path, const char *name, char *ret_path)
{
    int size = snprintf(ret_path, DATA_DIR_PATH_BYTES, "%s/%s%s%s", path, SNAPSHOTS,
                        name[0] == '\0' ? "" : "/", name);
    CHECK(size > 0 && size < DATA_DIR_PATH_BYTES);
}

bool data_dir_is_snapshot_name(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.bytes[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && !digit && byte != '_' && byte != '-' && (byte != '.' || i == 0)) {
            return false;
        }
    }
    return name.size != 0 && name.size <= LIMIT_SNAPSHOT_NAME_BYTES;
}

void data_dir_shard_path(const char *path, const struct data_identity *identity, uint32_t shard,
                         char *ret_path)
{
    char generation[DATA_DIR_PATH_BYTES];
    generation_path(generation, path, identity->generation);
    int size = snprintf(ret_path, DATA_DIR_PATH_BYTES, "%s/shard-%u", generation, shard);
    CHECK(size > 0 && size < DATA_DIR_PATH_BYTES);
}

static int sync_directory(struct io *io, const char *path)
{
    int fd = wait_open(io, path, IO_OPEN_READ | IO_OPEN_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    int error = wait_sync(io, fd);
    (void)wait_close(io, fd);
    return error;
}

// The names in the directory above are durable too when a new one is.
static int sync_parent(struct io *io, const char *path)
{
    char parent[DATA_DIR_PATH_BYTES];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    (void)snprintf(parent, sizeof parent, "%.*s", size == 0 ? 1 : (int)size,
                   size == 0 ? "." : path);
    return sync_directory(io, parent);
}

static int make_directory(struct io *io, const char *path)
{
    int error = wait_mkdir(io, path);
    if (error == -EEXIST) {
        return 0;
    }
    return error < 0 ? error : sync_parent(io, path);
}

static int write_file(struct io *io, const char *path, const void *bytes, uint32_t size)
{
    int fd = wait_open(io, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE);
    if (fd < 0) {
        return fd;
    }
    int error = wait_write(io, fd, bytes, size, 0);
    error = error < 0 ? error : wait_sync(io, fd);
    (void)wait_close(io, fd);
    return error;
}

static int write_current(struct io *io, const char *directory, const struct data_identity *identity)
{
    uint8_t bytes[DATA_DIR_CURRENT_BYTES];
    char path[DATA_DIR_PATH_BYTES];
    char written[DATA_DIR_PATH_BYTES];
    data_dir_write_current(bytes, identity);
    path_of(path, directory, "CURRENT");
    path_of(written, directory, "CURRENT.new");
    int error = write_file(io, written, bytes, sizeof bytes);
    error = error < 0 ? error : wait_rename(io, written, path);
    return error < 0 ? error : sync_directory(io, directory);
}

// ret_version: of the file, where that is newer.
static int read_current(struct io *io, const char *directory, struct data_identity *ret_identity,
                        uint32_t *ret_version)
{
    uint8_t bytes[DATA_DIR_CURRENT_BYTES + 1];
    char path[DATA_DIR_PATH_BYTES];
    uint32_t size;
    path_of(path, directory, "CURRENT");
    int fd = wait_open(io, path, IO_OPEN_READ);
    if (fd < 0) {
        return fd;
    }
    int error = wait_read_some(io, fd, bytes, sizeof bytes, 0, &size);
    (void)wait_close(io, fd);
    error = error < 0 ? error : data_dir_read_current(slice_of(bytes, size), ret_identity);
    if (error == -EPROTONOSUPPORT) {
        *ret_version = data_dir_current_version(slice_of(bytes, size));
    }
    return error;
}

// Removing -----------------------------------------------------------------------------------

struct removed_names {
    uint32_t count;
    char names[REMOVED_NAMES][REMOVED_NAME_BYTES];
};

static bool removed_name(void *context, const char *name)
{
    struct removed_names *names = context;
    if (strlen(name) < REMOVED_NAME_BYTES) { // no name of ours is longer
        (void)snprintf(names->names[names->count++], REMOVED_NAME_BYTES, "%s", name);
    }
    return names->count < REMOVED_NAMES;
}

static int remove_tree(struct io *io, const char *path, uint32_t depth);

static int remove_name(struct io *io, const char *path, uint32_t depth)
{
    struct io_stat stat;
    int error = io_stat(io, path, &stat);
    if (error == 0 && stat.directory) {
        return depth == 0 ? -ENOTEMPTY : remove_tree(io, path, depth - 1);
    }
    return error < 0 ? error : wait_unlink(io, path);
}

static int remove_tree(struct io *io, const char *path, uint32_t depth)
{
    struct removed_names names;
    char inner[DATA_DIR_PATH_BYTES];
    int error;
    do {
        names.count = 0;
        error = io_list(io, path, removed_name, &names);
        for (uint32_t i = 0; i < names.count && error == 0; i++) {
            path_of(inner, path, names.names[i]);
            error = remove_name(io, inner, depth);
        }
    } while (error == 0 && names.count != 0);
    return error < 0 ? error : wait_rmdir(io, path);
}

// One that has begun to go has another name: what is left of it is nobody's data.
int data_dir_remove_generation(struct io *io, const char *path, uint32_t generation)
{
    char directory[DATA_DIR_PATH_BYTES];
    char removed[DATA_DIR_PATH_BYTES];
    struct io_stat stat;
    generation_path(directory, path, generation);
    numbered_path(removed, path, REMOVED_HEAD, generation);
    int error = remove_tree(io, removed, REMOVED_DEPTH_MAX);
    if ((error == 0 || error == -ENOENT) && io_stat(io, directory, &stat) == 0) {
        error = wait_rename(io, directory, removed);
        error = error < 0 ? error : sync_directory(io, path);
        error = error < 0 ? error : remove_tree(io, removed, REMOVED_DEPTH_MAX);
    }
    return error == -ENOENT ? 0 : error;
}

// Another generation ---------------------------------------------------------------------------

static void unfinished_path(char path[DATA_DIR_PATH_BYTES], const char *directory,
                            uint32_t generation)
{
    char inner[DATA_DIR_PATH_BYTES];
    generation_path(inner, directory, generation);
    int size = snprintf(path, DATA_DIR_PATH_BYTES, "%s/UNFINISHED", inner);
    CHECK(size > 0 && size < DATA_DIR_PATH_BYTES);
}

int data_dir_begin_generation(struct io *io, const char *path, const struct data_identity *identity)
{
    char directory[DATA_DIR_PATH_BYTES];
    char mark[DATA_DIR_PATH_BYTES];
    generation_path(directory, path, identity->generation);
    unfinished_path(mark, path, identity->generation);
    int error = data_dir_remove_generation(io, path, identity->generation);
    error = error < 0 ? error : make_directory(io, directory);
    error = error < 0 ? error : write_file(io, mark, "", 0);
    return error < 0 ? error : sync_directory(io, directory);
}

int data_dir_switch(struct io *io, const char *path, const struct data_identity *identity)
{
    char mark[DATA_DIR_PATH_BYTES];
    unfinished_path(mark, path, identity->generation);
    int error = write_current(io, path, identity);
    if (error == 0) {
        (void)wait_unlink(io, mark); // it says nothing any more
    }
    return error;
}

// The number behind the head of a name; 0 in any other name.
static uint32_t number_in(const char *name, const char *head)
{
    const size_t size = strlen(head);
    uint64_t number = 0;
    if (strncmp(name, head, size) != 0) {
        return 0;
    }
    const char *digits = name + size;
    while (*digits >= '0' && *digits <= '9' && number <= UINT32_MAX) {
        number = number * 10 + (uint64_t)(*digits++ - '0');
    }
    return *digits != '\0' || number > UINT32_MAX ? 0 : (uint32_t)number;
}

struct leftovers {
    struct io *io;
    const char *directory;
    uint32_t current;
    uint32_t unknown; // a newer generation that is no leftover
    uint32_t found;   // one that is
    uint32_t removed; // one that has begun to go
};

static bool has_names(void *context, const char *name)
{
    bool *any = context;
    (void)name;
    *any = true;
    return false;
}

static bool leftover_found(void *context, const char *name)
{
    struct leftovers *leftovers = context;
    struct io_stat stat;
    const uint32_t removed = number_in(name, REMOVED_HEAD);
    const uint32_t generation = number_in(name, GENERATION_HEAD);
    if (removed != 0) {
        leftovers->removed = removed;
    }
    if (generation == 0 || generation == leftovers->current) {
        return true;
    }
    char path[DATA_DIR_PATH_BYTES];
    bool any = false;
    unfinished_path(path, leftovers->directory, generation);
    if (generation > leftovers->current && io_stat(leftovers->io, path, &stat) < 0) {
        generation_path(path, leftovers->directory, generation);
        if (io_list(leftovers->io, path, has_names, &any) < 0 || any) {
            leftovers->unknown = generation;
            return false;
        }
    }
    leftovers->found = generation;
    return true;
}

static bool snapshot_left(void *context, const char *name)
{
    char *found = context;
    if (name[0] == '.' && strlen(name) < REMOVED_NAME_BYTES) {
        (void)snprintf(found, REMOVED_NAME_BYTES, "%s", name);
    }
    return found[0] == '\0';
}

// Snapshots that were not finished, or not yet gone.
static int tidy_snapshots(struct io *io, const char *directory)
{
    char path[DATA_DIR_PATH_BYTES];
    char name[REMOVED_NAME_BYTES];
    int error;
    do {
        name[0] = '\0';
        data_dir_snapshots_path(directory, "", path);
        error = io_list(io, path, snapshot_left, name);
        if (planted(PLANTED_KEEP_UNFINISHED)) {
            name[0] = '\0';
        }
        if (error == 0 && name[0] != '\0') {
            data_dir_snapshots_path(directory, name, path);
            error = remove_tree(io, path, REMOVED_DEPTH_MAX);
        }
    } while (error == 0 && name[0] != '\0');
    return error == -ENOENT ? 0 : error;
}

// What an interrupted start has left.
static int data_dir_tidy(struct io *io, const char *directory, const struct data_identity *identity,
                         char *ret_error)
{
    struct leftovers leftovers = {
        .io = io, .directory = directory, .current = identity->generation};
    char mark[DATA_DIR_PATH_BYTES];
    struct io_stat stat;
    int error;
    do {
        leftovers.found = leftovers.removed = 0;
        error = io_list(io, directory, leftover_found, &leftovers);
        if (error < 0 || leftovers.unknown != 0) {
            break;
        }
        if (leftovers.removed != 0) {
            numbered_path(mark, directory, REMOVED_HEAD, leftovers.removed);
            error = remove_tree(io, mark, REMOVED_DEPTH_MAX);
        } else if (leftovers.found != 0) {
            error = data_dir_remove_generation(io, directory, leftovers.found);
        }
    } while (error == 0 && (leftovers.found != 0 || leftovers.removed != 0));
    unfinished_path(mark, directory, identity->generation);
    if (error == 0 && io_stat(io, mark, &stat) == 0) {
        error = wait_unlink(io, mark);
    }
    error = error < 0 ? error : tidy_snapshots(io, directory);
    if (leftovers.unknown != 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s/CURRENT names generation %u, and a newer one, generation-%u, is "
                       "there: restore the CURRENT that belongs to it, or move that directory away",
                       directory, identity->generation, leftovers.unknown);
        return -EBADMSG;
    }
    if (error < 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "cannot remove what an interrupted start has left in %.200s: %s", directory,
                       strerror(-error));
    }
    return error;
}

// Opening ------------------------------------------------------------------------------------

// What to do about it, where that is known.
static const char *remedy(int error)
{
    switch (error) {
    case -ENOSPC:
    case -EDQUOT:
        return ": make room there, then start again";
    case -ENOENT:
        return ": it may be a symbolic link to nothing; make what it leads to, or remove the link";
    case -EROFS:
        return ": mount it to be written to, or choose another node.data_dir";
    case -EACCES:
    case -EPERM:
        return ": let the user of rldbd read and write there, or choose another node.data_dir";
    default:
        return "";
    }
}

static int data_dir_lock(struct io *io, const char *directory, int *ret_lock, char *ret_error)
{
    char path[DATA_DIR_PATH_BYTES];
    path_of(path, directory, "LOCK");
    int fd = wait_open(io, path, IO_OPEN_WRITE | IO_OPEN_CREATE);
    if (fd < 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES, "cannot open %.250s: %s%s", path,
                       strerror(-fd), remedy(fd));
        return fd;
    }
    int error = io_lock(io, fd);
    if (error < 0) {
        (void)wait_close(io, fd);
        (void)snprintf(
            ret_error, DATA_DIR_ERROR_BYTES,
            "node.data_dir %.200s is in use by another rldbd: stop that one, or give this "
            "one a directory of its own",
            directory);
        return error;
    }
    *ret_lock = fd;
    return 0;
}

struct generations {
    struct io *io;
    const char *directory;
    bool found; // one that holds anything
};

static bool generation_found(void *context, const char *name)
{
    struct generations *generations = context;
    char path[DATA_DIR_PATH_BYTES];
    bool any = false;
    if (strncmp(name, GENERATION_HEAD, sizeof GENERATION_HEAD - 1) == 0) {
        generation_path(path, generations->directory, number_in(name, GENERATION_HEAD));
        generations->found = io_list(generations->io, path, has_names, &any) < 0 || any;
    }
    return !generations->found;
}

// Who lives here from now on. A generation without CURRENT is somebody's data; an empty one is what
// a first start has left that came no further.
static int data_dir_begin(struct io *io, const char *directory,
                          const struct data_identity *identity, char *ret_error)
{
    char path[DATA_DIR_PATH_BYTES];
    struct generations generations = {.io = io, .directory = directory};
    int error = io_list(io, directory, generation_found, &generations);
    if (error == 0 && generations.found) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s holds data and no file CURRENT that says whose it is: restore that "
                       "file, or give the node an empty directory",
                       directory);
        return -EBADMSG;
    }
    generation_path(path, directory, identity->generation);
    error = error < 0 ? error : make_directory(io, path);
    error = error < 0 ? error : write_current(io, directory, identity);
    if (error < 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "cannot write to node.data_dir %.200s: %s%s", directory, strerror(-error),
                       remedy(error));
    }
    return error;
}

static int data_dir_check(const char *directory, const struct data_identity *wanted,
                          const struct data_identity *found, char *ret_error)
{
    if (found->partitions != wanted->partitions) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s was written with %u partitions and cluster.partitions is %u: it is "
                       "fixed when the cluster is born, set it to %u",
                       directory, found->partitions, wanted->partitions, found->partitions);
        return -EINVAL;
    }
    return 0;
}

void data_dir_explain_newer(const char *path, uint32_t version, char *ret_error)
{
    (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                   "%.200s/CURRENT was written by a newer version of rldb (its format is %u, this "
                   "one reads up to %u): start that one",
                   path, version, (uint32_t)CURRENT_VERSION);
}

static int data_dir_settle(struct io *io, const char *directory, struct data_identity *identity,
                           char *ret_error)
{
    struct data_identity found;
    uint32_t version = 0;
    int error = read_current(io, directory, &found, &version);
    if (error == -ENOENT) {
        return data_dir_begin(io, directory, identity, ret_error);
    }
    if (error == 0) {
        error = data_dir_check(directory, identity, &found, ret_error);
    } else if (error == -EPROTONOSUPPORT) {
        data_dir_explain_newer(directory, version, ret_error);
    } else {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s/CURRENT cannot be read (%s): restore it from a copy", directory,
                       error == -EBADMSG ? "it is damaged" : strerror(-error));
    }
    if (error == 0) {
        *identity = found;
    }
    return error;
}

int data_dir_open(struct io *io, const char *path, struct data_identity *identity, int *ret_lock,
                  char *ret_error)
{
    int lock = -1;
    int error = make_directory(io, path);
    if (error < 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES, "cannot make node.data_dir %.200s: %s%s",
                       path, strerror(-error), remedy(error));
        return error;
    }
    error = data_dir_lock(io, path, &lock, ret_error);
    if (error < 0) {
        return error;
    }
    error = data_dir_settle(io, path, identity, ret_error);
    error = error < 0 ? error : data_dir_tidy(io, path, identity, ret_error);
    if (error < 0) {
        data_dir_close(io, lock);
        return error;
    }
    *ret_lock = lock;
    return 0;
}

void data_dir_close(struct io *io, int lock)
{
    (void)wait_close(io, lock);
}
