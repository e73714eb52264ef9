// What one simulated disk holds: names and files as a reader sees them, and beside that what would
// be left after a power loss.
//
// A file is a sparse array of 4 KiB pages. A page that was written since it was last made durable
// keeps the durable bytes beside the new ones. Making durable goes through a snapshot: its bytes
// are taken when the write or sync was begun, and become the durable ones when it completes, so
// that what is written in between stays not durable.
//
// Names live in directories. Every change of a name is a record in a log, until the directories
// that it touches are synced. Syncing a directory makes its records durable in their order, and
// with them the earlier records of every directory that one of them touches too (a rename over two
// directories is one change).
//
// After a power loss the names are those of the durable records and of some of the others, in their
// order; every 512-byte sector not durable is old or new.
//
// No time passes here, nothing is drawn but in sim_disk_crash(): sim_file.c decides when things
// happen.
#pragma once

#include "core/io.h"
#include "core/random.h"
#include "tests/sim/sim_world.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SIM_PAGE_BYTES = 4096,
    SIM_SECTOR_BYTES = 512,
    SIM_NAME_BYTES_MAX = 255, // as on Linux
};

struct sim_disk;
struct sim_inode;
struct sim_snapshot;

struct sim_disk *sim_disk_open(void);
void sim_disk_close(struct sim_disk *disk);

// No file is open any more. Keeps what is durable and some of what is not.
void sim_disk_crash(struct sim_disk *disk, struct sim_loss loss, struct random *random);

// Bytes. A file that has no name and is not open any more takes none, though a power loss may bring
// it back: a journal that is short of room makes what is removed durable.
uint64_t sim_disk_used(const struct sim_disk *disk);

// Names. 0 or the -errno of the system call. An inode lives while a name or an open file refers to
// it; find and create give a reference that sim_inode_put() takes back.
enum sim_inode_kind { SIM_INODE_FILE, SIM_INODE_DIRECTORY, SIM_INODE_SOCKET };

int sim_disk_find(struct sim_disk *disk, const char *path, struct sim_inode **ret_inode);
int sim_disk_create(struct sim_disk *disk, const char *path, enum sim_inode_kind kind,
                    struct sim_inode **ret_inode); // -EEXIST where the name is taken
int sim_disk_unlink(struct sim_disk *disk, const char *path, bool directory);
int sim_disk_rename(struct sim_disk *disk, const char *from, const char *to);
int sim_disk_link(struct sim_disk *disk, const char *from, const char *to);
int sim_disk_list(struct sim_disk *disk, const char *path, io_list_fn *each, void *context);
void sim_inode_put(struct sim_inode *inode);

// Files.
void sim_inode_opened(struct sim_inode *inode);
void sim_inode_closed(struct sim_inode *inode);
enum sim_inode_kind sim_inode_kind(const struct sim_inode *inode);
void sim_inode_stat(const struct sim_inode *inode, struct io_stat *ret_stat);
uint32_t sim_inode_read(const struct sim_inode *inode, uint8_t *bytes, uint32_t size,
                        uint64_t offset);
void sim_inode_write(struct sim_inode *inode, const uint8_t *bytes, uint32_t size, uint64_t offset);
void sim_inode_truncate(struct sim_inode *inode, uint64_t size);

// Takes space for the range, which reads as zeros, and grows the file to its end.
void sim_inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t size);

// How much a write would take from the disk's free space; and how much of it fits into `free_bytes`
// of that.
uint64_t sim_inode_missing(const struct sim_inode *inode, uint64_t offset, uint64_t size);
uint64_t sim_inode_fitting(const struct sim_inode *inode, uint64_t offset, uint64_t size,
                           uint64_t free_bytes);

// A bit of the medium turns over, in what is durable too: of the file as it is, and in a page that
// holds something. False: there is none.
bool sim_inode_rot(struct sim_inode *inode, uint64_t bit);

// From now on no read of the page at that offset succeeds, until it is written anew or goes.
void sim_inode_spoil(struct sim_inode *inode, uint64_t offset);
bool sim_inode_is_spoiled(const struct sim_inode *inode, uint64_t offset, uint64_t size);

// One of the files that hold anything, and in it the offset of a page that does, as the number
// says; its path in ret_path, of `size` bytes. Not counted as a reference. NULL: no file does.
struct sim_inode *sim_disk_pick(struct sim_disk *disk, uint64_t number, char *ret_path, size_t size,
                                uint64_t *ret_offset);

// An exclusive lock: false if someone else has it. `owner` is any pointer.
bool sim_inode_lock(struct sim_inode *inode, const void *owner);
void sim_inode_unlock(struct sim_inode *inode, const void *owner);

// What is not durable of the range (of the whole file with size UINT64_MAX; of a directory: its
// names), as it is now. To be made durable, or dropped.
struct sim_snapshot *sim_snapshot_take(struct sim_inode *inode, uint64_t offset, uint64_t size);
void sim_snapshot_commit(struct sim_snapshot *snapshot); // frees it
void sim_snapshot_drop(struct sim_snapshot *snapshot);
