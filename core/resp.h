// The requests of RESP, the Redis protocol: an incremental parser.
//
// It takes and refuses exactly what Redis 7.0 does, with Redis's words. Two forms:
//
//     *2\r\n$3\r\nGET\r\n$3\r\nkey\r\n      an array of bulk strings
//     GET key\r\n                           inline: what does not start with '*'; one line with
//                                           quotes and escapes, for a person with telnet
//
// What Redis does beyond the letter of the protocol, and so this parser too: a CR ends a header
// and the byte after it is skipped unread, as are the two bytes after a bulk; a NUL in a header or
// an inline line hides the end of the line, so that such a line never ends and is refused once it
// is too big; lengths have no sign +, no leading zeros; an array of 0 or less is no command. One
// difference: Redis refuses a line of more than 64 KiB only if it has not seen its end when it
// looks, which depends on how reads were cut; this parser refuses it always. So how a stream is cut
// never changes what is read from it.
//
// Incremental: the caller keeps the bytes of a command from its first one on, in one piece, and
// calls again when more have arrived. Nothing is looked at twice, so a command of a hundred
// thousand arguments in small pieces costs no more than in one. All positions are relative to the
// command's first byte: the bytes may be moved (and must be, where a leased buffer goes back)
// between calls.
//
//     while (size != 0) {
//         switch (resp_parse(&parser, &limits, bytes, size, &args)) {
//         case RESP_COMMAND: execute args, which point into `bytes`; resp_args_clear(&args)
//         case RESP_EMPTY:   nothing to do
//         case RESP_MORE:    keep bytes, size and args; wait until there is more (parser.need)
//         case RESP_ERROR:   reply resp_error_text(); close
//         }
//         bytes += parser.consumed; size -= parser.consumed;   // after COMMAND and EMPTY
//     }
//
// `limits` may change between commands: while a connection is not authenticated, one that could
// authenticate it (AUTH, HELLO) is executed before what follows it is parsed.
//
// Sources: https://redis.io/docs/reference/protocol-spec; behaviour of src/networking.c and
// sdssplitargs() of Redis 7.0.15.
#pragma once

#include "core/check.h"
#include "core/slice.h"

#include <assert.h>

struct resp_limits {
    uint32_t bulk_bytes_max;    // a bulk string; Redis: proto-max-bulk-len
    uint32_t request_bytes_max; // a request with its headers; memory a connection can claim
    uint32_t args_max;          // arguments of a request, the command's name included
    bool authenticated;         // else: 10 arguments, 16384 bytes an argument, as Redis has it
};

enum {
    RESP_LINE_BYTES_MAX = 64 * 1024,    // of an inline request or a header
    RESP_UNAUTHENTICATED_ARGS_MAX = 10, //
    RESP_UNAUTHENTICATED_BULK_BYTES_MAX = 16384,
    RESP_ERROR_TEXT_MAX = 96, // bytes of an error text with its NUL
};

// Where an argument lies.
struct resp_span {
    uint32_t offset; // from resp_args.base
    uint32_t size;
};

// The arguments of one request. The spans start in an array of the caller's and go to the heap when
// they are more than fit there. All spans are relative to `base`, so whoever moves a request's
// bytes sets `base` to where they are now.
struct resp_args {
    const uint8_t *base; // set with RESP_COMMAND
    struct resp_span *spans;
    uint32_t count;
    uint32_t capacity;
    struct resp_span *fixed; // the caller's array
    uint32_t fixed_capacity;
    bool spilled;  // resp_args_clear() has something to free
    uint8_t *text; // the unescaped arguments of an inline request; else NULL
};

enum resp_status {
    RESP_COMMAND, // a request: args, parser.consumed
    RESP_EMPTY,   // a line or array without arguments: parser.consumed, nothing to answer
    RESP_MORE,    // not whole yet: parser.need
    RESP_ERROR,   // resp_error_text(); the stream cannot be read on
};

enum resp_error {
    RESP_ERROR_NONE,
    RESP_ERROR_INLINE_SIZE,
    RESP_ERROR_QUOTES,
    RESP_ERROR_COUNT_SIZE,
    RESP_ERROR_COUNT,
    RESP_ERROR_COUNT_UNAUTHENTICATED,
    RESP_ERROR_DOLLAR,
    RESP_ERROR_BULK_SIZE,
    RESP_ERROR_BULK,
    RESP_ERROR_BULK_UNAUTHENTICATED,
    RESP_ERROR_REQUEST_SIZE, // over request_bytes_max; not in Redis, which closes without a word
    RESP_ERROR_MEMORY,       // none left for the spans of a request with very many arguments
};

// All zero is the start. After COMMAND and EMPTY it is at the start again; after ERROR it stays
// there.
struct resp_parser {
    uint32_t consumed; // COMMAND, EMPTY: bytes of the request
    uint32_t need;     // MORE: bytes from the request's first one on without which it is not whole.
                   // At least one more than there were; with a bulk announced, to its end. It is
                   // what the client says: memory should follow what arrives, not this alone
    uint32_t position;  // next byte to look at, from the request's first one
    uint32_t searched;  // from `position`: a line has no end before this
    uint32_t args_left; // announced and not yet here
    uint32_t bulk;      // bytes of the bulk at `position`, plus 1; 0: its header comes next
    uint8_t phase;      // resp.c
    uint8_t error;      // enum resp_error
    uint8_t got;        // the byte where '$' was expected
};

static_assert(sizeof(struct resp_parser) == 28, "ten thousand connections have one each");

// `fixed` has room for `capacity` spans, and lives as long as `args`.
static inline void resp_args_init(struct resp_args *args, struct resp_span *fixed,
                                  uint32_t capacity)
{
    CHECK(capacity > 0);
    *args = (struct resp_args){
        .spans = fixed, .capacity = capacity, .fixed = fixed, .fixed_capacity = capacity};
}

// The part of resp_args_clear() that frees.
void resp_args_shrink(struct resp_args *args);

// Empties it, back to the caller's array. After each request, and before its memory goes.
static inline void resp_args_clear(struct resp_args *args)
{
    args->count = 0;
    if (__builtin_expect(args->spilled, 0)) {
        resp_args_shrink(args);
    }
}

// Moves the arguments of `from` to `to`, which is initialised and empty; `from` is empty then. What
// is on the heap changes hands. False, and nothing happens, when there is no memory for spans that
// do not fit into `to`'s array.
bool resp_args_move(struct resp_args *to, struct resp_args *from);

static inline struct slice resp_arg(const struct resp_args *args, uint32_t index)
{
    CHECK(index < args->count);
    const struct resp_span span = args->spans[index];

    return slice_of(args->base + span.offset, span.size);
}

// Parses the request that starts at bytes[0]. `size` > 0 bytes are there; args are the same as in
// the call before if that returned RESP_MORE, else cleared.
enum resp_status resp_parse(struct resp_parser *parser, const struct resp_limits *limits,
                            const uint8_t *bytes, size_t size, struct resp_args *args);

// After RESP_ERROR: the text of the error reply, without '-' and CRLF, for reply_error().
// Terminated.
void resp_error_text(const struct resp_parser *parser, char ret_text[RESP_ERROR_TEXT_MAX]);
