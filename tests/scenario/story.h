// A story: a script with, below each of its lines, what happens then. A story file is read from top
// to bottom, each line is done in the simulated world, and what happens has to be what it says, to
// the letter.
//
//     # A line that begins with # is for the reader.
//     put apple=red
//       frame 1 is written to segment 0: 1 record, 4096 bytes
//       frame 1 is durable
//       group 1 is acknowledged: apple
//
// A command is a word with arguments, at the beginning of a line. After it the world goes on until
// nothing happens any more; `..., until TEXT` at the end of the line stops it right after the event
// whose line contains TEXT, in the middle of everything, for what the next command does then.
// Events are indented; nothing is left out between two commands, but lines that come again and
// again are written once, with how often, and what only matters as a whole is counted
// (story_lines.h). Nothing is drawn: the simulated world
// takes its least time for everything, in order (sim_profile.in_order).
//
// `..., at each step COMMAND, then COMMAND ...` asks of each event of a command what would become
// of things if it was left right after it and these commands followed. What they tell is below the
// event, indented twice; an event with nothing below it has the outcome of the one before. All of
// that happens in worlds of their own, since the process is forked; after it things are as they
// were before that line. Of events that are counted each twentieth is tried, with `scenario --all`
// each.
//
//     put apple=blue, at each step power-loss nothing, then start, then get apple
//       apple is put in group 2
//         it is started: epoch 2, 1 record
//         apple is red
//       frame 2 is on its way to segment 0: 1 record, 4096 bytes
//       frame 2 is written to segment 0: 1 record, 4096 bytes
//       frame 2 is durable
//         it is started: epoch 2, 1 record
//         apple is blue
//
// What the commands are is a cast's: story_log.c has one log engine on a disk, story_node.c a whole
// node with its clients. The first command of a file names it: `cast log` or `cast node`.
//
// Ownership: the story owns its text; a cast owns its world, from open to close.
#pragma once

#include "core/text.h"
#include "tests/sim/sim_world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORY_WORDS = 32, STORY_LINE_BYTES = 1024 };

struct story;
struct teller;

typedef void story_each_fn(struct story *story, bool counted);

struct story {
    struct text *told;            // what happened since the command began
    const char *until;            // NULL: until nothing happens
    story_each_fn *each;          // NULL, or told of each event; may set `met`
    bool met;                     // what `until` waits for: the command is left
    char wrong[STORY_LINE_BYTES]; // "" or why a command cannot be done
    bool leaked;                  // a process was killed, and what it held is not given back
    void *cast;
    struct teller *teller;
};

// A command of a cast: `words[0]` is its name.
typedef void story_command_fn(struct story *story, char **words, size_t count);

struct story_command {
    const char *name;
    size_t arguments_min;
    story_command_fn *run;
};

struct story_cast {
    const char *name;
    const struct story_command *commands; // ends with a NULL name
    void (*open)(struct story *story);
    void (*close)(struct story *story);
};

extern const struct story_cast story_log;
extern const struct story_cast story_node;

// Something happened: a line of the trace.
void story_tell(struct story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same, of something that is counted where more of it come together: by whose it is and what.
void story_count(struct story *story, const char *whose, const char *what, const char *line);

// The script asks for what cannot be: the story fails with this.
void story_wrong(struct story *story, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// "4096", "12K" or "3M" in bytes; what is none of them is wrong.
uint64_t story_bytes(struct story *story, const char *word);

// "300us", "5ms" or "2s" in nanoseconds.
uint64_t story_time(struct story *story, const char *word);

// What a power loss leaves: `power-loss [nothing|names|everything|sectors N]`.
void story_loss(struct story *story, char **words, size_t count, struct sim_loss *ret_loss);
