// What happens on a simulated disk, in the words of stories: for both casts.
//
//     frame 2 is on its way to segment-00000 at 4096: 1 record, 4096 bytes
//     frame 2 is written to segment-00000 at 4096: 1 record, 4096 bytes
//     frame 2 is durable
//     MANIFEST.new becomes MANIFEST
//
// A frame is told of three times: when it leaves the core, when the disk has it, and when it is
// durable. All else is told when it takes effect, for all to see; that something is durable, when
// that is so.
#pragma once

#include "tests/scenario/story.h"

enum story_disk_kind {
    STORY_DISK_NOTHING, // to be told of: a phase of what is told in another
    STORY_DISK_FRAME,
    STORY_DISK_FILE,    // made, written, durable, renamed, linked, removed
    STORY_DISK_ZEROING, // of a segment
    STORY_DISK_READ,
    STORY_DISK_FAILURE, // of anything, but that a name is taken or there is none
};

// The event's line, of STORY_LINE_BYTES, and in a word or three what happened. Files are called
// `name` and `name_to`.
enum story_disk_kind story_disk_words(const struct sim_disk_event *event, const char *name,
                                      const char *name_to, char *ret_line, const char **ret_what);
