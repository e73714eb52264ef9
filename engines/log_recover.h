// How the log engine begins: from a directory to an engine that serves. For its own files.
#pragma once

#include "engines/engine.h"

struct log_engine;

enum { LOG_REPORT_TEXT_MAX = 256 };

// What recovery has met.
struct log_recovery {
    engine_report_fn *say; // NULL: nobody is told
    void *context;
    bool past_unread; // what cannot be read is passed as damaged; else it ends recovery with -EIO
    uint64_t frames;  // replayed
    uint64_t records;
    uint64_t bytes;
    uint32_t damages; // of what was said
    bool files_lost;  // one was that a segment's file, or a part of it, is not what it should be
    bool fresh;       // there was nothing
    bool torn;        // the last frames were cut off, which were never acknowledged as durable
};

// Fills the engine, whose options are set and whose parts are open, from its directory, or makes a
// new log there. Waits in io_turn(). 0; -EPROTONOSUPPORT where a newer version wrote it; -EBADMSG
// where the manifest cannot be read; -EINVAL where it is of another number of vnodes or shards; or
// -errno.
int log_recover(struct log_engine *engine, struct log_recovery *report);
