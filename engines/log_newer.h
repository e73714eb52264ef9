// Files that a later version of rldb has written: told by name before anything else is done with
// them, so that none is taken for damage. For the log engine's own files.
//
// Which version a segment's frames, a checkpoint or a large value's file are of stands in their
// first bytes (log_format.h, VERSIONS). Every file of the directory is looked at there, some at a
// time; only one that names a later version is read further, since a flipped bit says no less, and
// the checksum tells. A program that raises the version begins segments anew, so that the first
// frame of each says what the others are.
//
// The manifest says the same of itself (log_manifest.h). This is for a directory whose manifest is
// of this version, or is lost, and other files are not: put together of two, or copied in part.
#pragma once

#include <stdint.h>

struct log_engine;
struct log_recovery;

// 0; -EPROTONOSUPPORT where there are such files, each of which is told; or -errno. Nothing is
// changed. A file that cannot be read is somebody else's to tell. Waits in io_turn().
int log_newer_look(struct log_engine *engine, struct log_recovery *report);

// Says of a file that it is of a later version, and what to do.
void log_tell_newer(struct log_recovery *report, const char *name, uint32_t version);
