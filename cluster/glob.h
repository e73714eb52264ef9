// Patterns as Redis has them, for KEYS, SCAN MATCH, CONFIG GET and the key patterns of users.
//
//     *        any bytes, none too        ?       any one byte
//     [abc]    one of these               [^abc]  one byte that is none of these
//     [a-z]    one of the range, which may be given backwards
//     \x       x itself, inside brackets too
//
// Malformed patterns match as Redis's do: a bracket that is not closed ends with the pattern, a
// backslash at the very end is itself. Bytes, not characters. Works without recursion in
// size(pattern) * size(text) steps at worst, so that no pattern can hold up a shard ("exponential"
// ones like a*a*a*b included).
#pragma once

#include "core/slice.h"

#include <stdbool.h>

bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

// Whether the pattern is "*", which needs no look at the text.
static inline bool glob_matches_all(struct slice pattern)
{
    return pattern.size == 1 && pattern.bytes[0] == '*';
}
