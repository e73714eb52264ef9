// Replies of RESP2 and RESP3, read incrementally and without keeping them: what a load generator
// needs to know of a reply is its kind, its number, an error's text, and how many values and nulls
// were in it.
//
// The bytes are given as they come, in pieces of any size; nothing is looked at twice but the line
// that a piece cut. Pushes ('>') and attributes ('|') of RESP3 are passed over. Source:
// https://github.com/redis/redis-specifications, protocol/RESP2.md and RESP3.md.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_LINE_BYTES_MAX = 80, // of a cut line this much is kept: any header, the start of an error
};

struct bench_reply {
    uint8_t type;    // the first byte: + - : $ * _ ...
    bool null;       // the whole reply is one null
    int64_t number;  // the integer, the length or the count
    uint32_t values; // strings in it that are not null, at whatever depth
    uint32_t nulls;  // nulls in it
    uint32_t errors; // errors in it
    uint8_t text_size;
    char text[BENCH_LINE_BYTES_MAX]; // of the first error or status, cut
};

// Called for the bytes of strings, in pieces: `size` of them, and `left` that follow in later
// calls. `first` says that a string begins; an empty one is one call with size 0. A null is one
// call with NULL.
typedef void (*bench_reader_bytes_fn)(void *context, const uint8_t *bytes, size_t size,
                                      uint64_t left, bool first);

// All zero is the start.
struct bench_reader {
    uint64_t skip;                  // bytes left of a string, its CRLF included
    uint64_t pending;               // elements left of the reply being read; 0: none is begun
    bool push;                      // what is being read is no reply
    bool in_string;                 // some bytes of the string were given out
    bool attribute;                 // an attribute's elements precede the reply
    bench_reader_bytes_fn bytes_fn; // of the feed that runs
    void *context;
    uint8_t line_size; // of a line that was cut
    char line[BENCH_LINE_BYTES_MAX];
    struct bench_reply reply;
};

enum bench_reader_status {
    BENCH_READER_MORE,  // all bytes are taken, no reply is whole
    BENCH_READER_REPLY, // reader->reply is whole; *ret_used bytes were taken
    BENCH_READER_WRONG, // this is no RESP
};

// Takes bytes until a reply is whole or there are no more. `bytes_fn` may be NULL.
enum bench_reader_status bench_reader_feed(struct bench_reader *reader, const uint8_t *bytes,
                                           size_t size, bench_reader_bytes_fn bytes_fn,
                                           void *context, size_t *ret_used);
