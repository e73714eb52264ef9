// Patterns of KEYS, SCAN MATCH and access rules, with the meaning that Redis 7.0 gives them.
//
//     *          any bytes, also none        [abc]  one of these      [a-c]  one of this range
//     ?          any one byte                [^a]   any one but these \x     x itself
//
// Bytes, not characters. What is odd is kept: a class that is not closed ends with the pattern; in
// "[a-]" the ']' is the end of the range, and the class goes on; bytes of 0x80 and up are below the
// others in a range; a '\' at the end is itself; a pattern matches the empty text only when it is
// empty itself. (KEYS answers * without asking.)
//
// A pattern is matched in at most pattern x text steps, whatever it is: every byte that is not
// after the last '*' passed is decided once and for all. (A matcher that calls itself for each '*'
// takes exponential time for some patterns.) Source of the behaviour: stringmatchlen() in
// src/util.c of Redis 7.0.15.
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A match under way: for whoever may not take all of its steps at once.
struct glob {
    struct slice pattern;
    struct slice text;
    size_t at;        // in the pattern
    size_t in_text;   // in the text
    size_t star;      // in the pattern, behind the last '*' passed; SIZE_MAX: none
    size_t star_text; // where the text after that '*' was tried to begin
    bool ignore_case;
};

enum glob_result { GLOB_MATCH, GLOB_NO_MATCH, GLOB_MORE };

void glob_begin(struct glob *glob, struct slice pattern, struct slice text, bool ignore_case);

// Goes on for about *steps bytes of the pattern looked at, and takes what it took off *steps; it
// overdraws by a class ("[...]") at most. GLOB_MORE: they were not enough.
enum glob_result glob_run(struct glob *glob, uint64_t *steps);

// To its end. `ignore_case` ignores the case of ASCII letters, except after a '\' inside [].
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

// Whether the pattern is "*", for which KEYS and access rules ask no further.
static inline bool glob_matches_all(struct slice pattern)
{
    return pattern.size == 1 && pattern.bytes[0] == '*';
}
