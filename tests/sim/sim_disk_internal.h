// Shared by sim_disk.c (files) and sim_names.c (names).
#pragma once

#include "tests/sim/sim_disk.h"

struct sim_page {
    uint8_t *bytes;   // NULL: zeros
    uint8_t *durable; // while dirty
    uint64_t version; // of the last write
    uint64_t durable_version;
    bool dirty;
    bool taken; // takes space on the disk
    bool spoiled;
};

struct sim_name {
    struct sim_name *next;
    struct sim_inode *inode; // counted
    char text[SIM_NAME_BYTES_MAX + 1];
};

struct sim_inode {
    struct sim_disk *disk;
    enum sim_inode_kind kind;
    uint32_t references; // names, durable names, records of names, open files, snapshots
    uint32_t links;
    uint32_t opens; // descriptors
    bool gone;      // neither: its space is not counted
    uint64_t size_bytes;
    uint64_t durable_size_bytes;
    uint64_t durable_size_order; // of the snapshot that it is from
    uint64_t snapshots;          // taken so far
    uint64_t version;
    struct sim_page *pages;
    uint64_t page_count;
    uint64_t pages_taken;
    const void *lock_owner;
    struct sim_name *names;         // of a directory, as seen now
    struct sim_name *durable_names; // and after a power loss
    uint64_t crashed;               // the disk's crash that it was looked at for
};

// One name given (inode set) or taken away, in one directory.
struct sim_name_change {
    struct sim_inode *directory; // counted
    struct sim_inode *inode;     // counted; NULL: the name is gone
    char text[SIM_NAME_BYTES_MAX + 1];
};

// A change of names that is made whole or not at all: a rename is two.
struct sim_record {
    struct sim_record *next;
    uint64_t number;
    uint32_t count;
    bool marked;
    struct sim_name_change changes[2];
};

struct sim_disk {
    struct sim_inode *root;
    uint64_t pages_taken;       // by files that are not gone
    struct sim_record *records; // not durable, in order
    struct sim_record **records_end;
    uint64_t record_last;
    uint64_t crashes;
};

// After a change of its links or opens.
void sim_inode_settle(struct sim_inode *inode);
void sim_inode_free_pages(struct sim_inode *inode);
void sim_inode_crash(struct sim_inode *inode, struct sim_loss loss, struct random *random);
uint64_t sim_names_last(const struct sim_disk *disk);
void sim_names_commit(struct sim_inode *directory, uint64_t last);
