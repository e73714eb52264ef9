// The files of a log's directory: which segment each of them is. For the log engine's own files.
// Waits in io_turn(): only while the engine opens.
//
// Every frame says of which segment and which use of it it is. So a file that was lost, cut, put in
// another's place, copied over another or brought back from earlier is seen for what it is; and
// where the manifest is lost, or older than what it speaks of, the files themselves tell what it
// has to say.
#pragma once

#include <stdbool.h>

struct log_engine;
struct log_recovery;

// Opens the files of the segments that the manifest has named, and looks at how each begins. Files
// that hold each other's segments are taken for what they hold; files of no segment are set aside.
// ret_stale: the manifest is older than the files. 0 or -errno.
int log_files_open(struct log_engine *engine, struct log_recovery *report, bool *ret_stale);

// Whether segments begin with frames, and none of them with one of this log, or cannot be read:
// then what names the log is not of this directory. Opens as many as it takes to find one; changes
// nothing.
bool log_files_are_foreign(struct log_engine *engine, unsigned long long log_id);

// What log_files_open() has found is forgotten.
void log_files_close(struct log_engine *engine);

// Finds the segments from the files alone, and sets all that a manifest would have said but the
// checkpoint. The log's id and the bytes of a segment are known where they are not 0. ret_empty:
// there is nothing to be found. 0; -EBADMSG where there is something, and it is no log; or -errno.
int log_files_find(struct log_engine *engine, struct log_recovery *report, bool *ret_empty);

// The largest number of a checkpoint below `below` that there is a file of; 0: none.
unsigned long long log_files_checkpoint(struct log_engine *engine, unsigned long long below);
