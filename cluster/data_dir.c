#include "cluster/data_dir.h"

#include "core/codec.h"
#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CURRENT_VERSION = 1, CURRENT_CHECKED_FROM = 24 };

static const char CURRENT_MAGIC[] = "rldbNODE";

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
    CHECK(codec_writer_size(&writer) == DATA_DIR_CURRENT_BYTES);
    uint64_t checksum = hash_checksum(ret_bytes + CURRENT_CHECKED_FROM,
                                      DATA_DIR_CURRENT_BYTES - CURRENT_CHECKED_FROM);
    writer = codec_writer_of(ret_bytes + 16, sizeof checksum);
    codec_write_u64(&writer, checksum);
}

int data_dir_read_current(struct slice bytes, struct data_identity *ret_identity)
{
    struct data_identity identity = {0};
    struct codec_reader reader = codec_reader_of(bytes);
    struct slice magic = codec_read_bytes(&reader, 8);
    if (magic.size != 8 || memcmp(magic.bytes, CURRENT_MAGIC, 8) != 0) {
        return -EBADMSG;
    }
    if (codec_read_u32(&reader) > CURRENT_VERSION) {
        return -EPROTONOSUPPORT;
    }
    (void)codec_read_u32(&reader);
    uint64_t checksum = codec_read_u64(&reader);
    if (bytes.size != DATA_DIR_CURRENT_BYTES ||
        checksum !=
            hash_checksum(bytes.bytes + CURRENT_CHECKED_FROM, bytes.size - CURRENT_CHECKED_FROM)) {
        return -EBADMSG;
    }
    codec_read_into(&reader, identity.id.bytes, sizeof identity.id.bytes);
    identity.generation = codec_read_u32(&reader);
    identity.hash_seed = codec_read_u64(&reader);
    identity.shards = codec_read_u32(&reader);
    identity.partitions = codec_read_u32(&reader);
    codec_read_into(&reader, identity.secret.mac_key, sizeof identity.secret.mac_key);
    codec_read_into(&reader, identity.secret.cluster_id, sizeof identity.secret.cluster_id);
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

static void generation_path(char path[DATA_DIR_PATH_BYTES], const char *directory,
                            uint32_t generation)
{
    char name[32];
    (void)snprintf(name, sizeof name, "generation-%u", generation);
    path_of(path, directory, name);
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

static int read_current(struct io *io, const char *directory, struct data_identity *ret_identity)
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
    return error < 0 ? error : data_dir_read_current(slice_of(bytes, size), ret_identity);
}

// Opening ------------------------------------------------------------------------------------

static int data_dir_lock(struct io *io, const char *directory, int *ret_lock, char *ret_error)
{
    char path[DATA_DIR_PATH_BYTES];
    path_of(path, directory, "LOCK");
    int fd = wait_open(io, path, IO_OPEN_WRITE | IO_OPEN_CREATE);
    if (fd < 0) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES, "cannot open %.300s: %s", path,
                       strerror(-fd));
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

static bool is_generation(void *context, const char *name)
{
    bool *found = context;
    *found = strncmp(name, "generation-", strlen("generation-")) == 0;
    return !*found;
}

// Who lives here from now on. Generations without CURRENT are somebody's data.
static int data_dir_begin(struct io *io, const char *directory,
                          const struct data_identity *identity, char *ret_error)
{
    char path[DATA_DIR_PATH_BYTES];
    bool found = false;
    int error = io_list(io, directory, is_generation, &found);
    if (error == 0 && found) {
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
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES, "cannot write to node.data_dir %.200s: %s",
                       directory, strerror(-error));
    }
    return error;
}

static int data_dir_check(const char *directory, const struct data_identity *wanted,
                          const struct data_identity *found, char *ret_error)
{
    if (found->shards != wanted->shards) {
        (void)snprintf(
            ret_error, DATA_DIR_ERROR_BYTES,
            "%.200s was written with %u shards and this node has %u: set node.shards to %u "
            "(this version cannot spread data anew)",
            directory, found->shards, wanted->shards, found->shards);
        return -EINVAL;
    }
    if (found->partitions != wanted->partitions) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s was written with %u partitions and cluster.partitions is %u: it is "
                       "fixed when the cluster is born, set it to %u",
                       directory, found->partitions, wanted->partitions, found->partitions);
        return -EINVAL;
    }
    return 0;
}

static int data_dir_settle(struct io *io, const char *directory, struct data_identity *identity,
                           char *ret_error)
{
    struct data_identity found;
    int error = read_current(io, directory, &found);
    if (error == -ENOENT) {
        return data_dir_begin(io, directory, identity, ret_error);
    }
    if (error == 0) {
        error = data_dir_check(directory, identity, &found, ret_error);
    } else if (error == -EPROTONOSUPPORT) {
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES,
                       "%.200s/CURRENT was written by a newer version of rldb: start that one",
                       directory);
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
        (void)snprintf(ret_error, DATA_DIR_ERROR_BYTES, "cannot make node.data_dir %.200s: %s",
                       path, strerror(-error));
        return error;
    }
    error = data_dir_lock(io, path, &lock, ret_error);
    if (error < 0) {
        return error;
    }
    error = data_dir_settle(io, path, identity, ret_error);
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
