// A client: one connection on the client port or a shard port, from accept to close.
//
//     received buffer --> (gather: a request cut over several buffers) --> parser --> request.c
//     replies --> out --> one send in flight --> socket
//
// Order of replies: while nothing of this connection is under way elsewhere, a reply is written
// straight into `out`. A request that has to wait (another core, a gate, a command over several
// cores) takes a place in the FIFO of `pending`. The replies to what comes after it collect in
// `late`, one buffer for all; each place says how many bytes of it belong before itself.
//
//     pending   [hop to core 1, under way] [hop, done: behind 142 bytes] [hop: behind 71 bytes]
//     late      142 bytes of 2 local replies | 71 bytes of 1 | what comes behind the last place
//
// Ownership: made by client_open() from the shard's pool, freed by itself when the socket is closed
// and the last pending place has come back. All fields belong to the shard's thread.
#pragma once

#include "cluster/hold.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/outbuf.h"
#include "core/resp.h"
#include "core/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct acl_user;
struct client;
struct exec;
struct log_limit;
struct shard;

// Input that did not come in one piece: bytes copied together until they hold a whole request.
// References: the client's own, and one for each request under way whose arguments lie in it.
// A long one is a block (core/block.h), which takes memory as it fills.
struct gather {
    uint32_t references;
    bool block;
    bool left; // by its client: what holds it are requests under way
    size_t capacity;
    size_t touched; // bytes of a block that were ever filled
    size_t size;
    size_t at; // parsed up to here
    uint8_t bytes[];
};

// What it takes of memory.
static inline size_t gather_memory(const struct gather *gather)
{
    return gather->block ? gather->touched : gather->capacity;
}

// A place in the order of replies, taken by what is not ready at once.
enum pending_kind {
    PENDING_HOP,   // hop.h
    PENDING_MULTI, // multi.h
    PENDING_LATER, // a timer's: DEBUG SLEEP
};

struct pending {
    struct pending *next;
    struct client *client;
    uint64_t since_ns;  // the clock when it was added
    size_t late_before; // bytes of the client's `late` that come before this reply
    uint8_t kind;       // enum pending_kind
    bool done;
    bool discard;      // CLIENT REPLY OFF or SKIP: the reply is dropped when it comes
    uint8_t requests;  // that it is the place of: 1, or those that a hop carries
    struct outbuf out; // the reply, or the replies
};

// A reply that a timer gives (DEBUG SLEEP). Allocated by the handler, freed with its place.
struct pending_later {
    struct pending pending;
    struct timer timer;
    struct shard *shard;
};

enum client_flags {
    CLIENT_UNIX = 1 << 0,
    CLIENT_SHARD_PORT = 1 << 1,
    CLIENT_AUTHENTICATED = 1 << 2,
    CLIENT_NO_EVICT = 1 << 3,
    CLIENT_NO_TOUCH = 1 << 4,
    CLIENT_REPLY_OFF = 1 << 5,
    CLIENT_REPLY_SKIP_NEXT = 1 << 6,
    CLIENT_REPLY_SKIP = 1 << 7,
    CLIENT_READONLY_MODE = 1 << 8,
    CLIENT_CLOSE_AFTER_REPLY = 1 << 9, // no more requests; close when all replies are sent
    CLIENT_CLOSING = 1 << 10,          // shut down; waits for completions
    CLIENT_READ_ENDED = 1 << 11,       // the peer sends nothing more
    CLIENT_IN_READY = 1 << 12,         // in the shard's list of clients with input
    CLIENT_IN_FLUSH = 1 << 13,         // in the shard's list of clients with output
    CLIENT_BARRIER = 1 << 14,     // a command over several cores is under way: parse no further
    CLIENT_STARVED = 1 << 15,     // waits for credit towards another core
    CLIENT_CLOSED = 1 << 16,      // the descriptor is gone
    CLIENT_READ_PAUSED = 1 << 17, // receiving is stopped until the backlog is worked off
    CLIENT_HELD = 1 << 19,        // too many replies are unread: the next request waits
    CLIENT_WINDOWED = 1 << 20,    // as many requests are under way as its window allows
    CLIENT_SHRUNK = 1 << 21,      // a large reply came in this batch: the window does not grow
    CLIENT_PAUSED = 1 << 18,      // CLIENT PAUSE holds its next request
    CLIENT_BEHIND = 1 << 22,      // its next request begins when all before it is replied
    CLIENT_DRY = 1 << 23,         // when last looked at, its input held no whole request
    CLIENT_PARSING = 1 << 25,     // its input was looked at in part: the next turn goes on there
    CLIENT_UNHELD = 1 << 24,      // it took nothing while it was held: up to output_max is unread
};

enum { CLIENT_PARTIAL_SPANS = 64 };

struct client_partial {
    struct resp_args args;
    struct resp_span spans[CLIENT_PARTIAL_SPANS];
    // of one that is whole, and has so many arguments that they become slices a piece at a time
    bool whole;
    struct slice *argv;  // of all; NULL before
    const uint8_t *base; // of those that are done
    uint32_t placed;     // how many these are
};

struct client {
    struct io_stream recv;
    struct io_op send_op;
    struct io_op close_op;
    struct shard *shard;
    struct client *next_ready;
    struct client *next_flush;
    struct client *next_starved;
    struct client *previous, *next; // all clients of the shard
    // what it holds in memory (client_memory.h)
    struct client *larger_previous, *larger_next; // those of its class
    size_t counted_bytes;
    size_t places_bytes; // replies of its places that wait, what commands over several keys keep
    int fd;
    uint32_t flags; // enum client_flags
    uint8_t protocol;
    uint8_t memory_class; // + 1; 0: in none
    uint16_t in_batch; // its requests in the batch under way: the input stays where it is meanwhile
    uint16_t window;   // how many of its requests may be under way: in_batch and pending_count
    uint32_t pending_count; // requests that have places
    uint64_t id;
    // input
    struct io_buffer *buffer;
    uint32_t buffer_at;
    struct gather *gather;
    struct resp_parser parser;
    struct client_partial *partial; // of a long request that is not taken yet; else NULL
    // output
    struct outbuf out;
    struct outbuf late;  // replies that were ready, behind places that are not
    size_t late_claimed; // bytes of it that are before one of the places
    struct hold_marks hold;
    struct pending *pending_first;
    struct pending *pending_last;
    struct iovec *send_parts; // while a send of several parts is in flight
    // who and what, for CLIENT LIST and the rules
    const struct acl_user *user;
    char *name;    // NULL: none
    char *library; // CLIENT SETINFO
    char *library_version;
    uint64_t created_ms; // wall time
    uint64_t active_ns;  // last request, monotonic
    uint64_t commands;
    uint64_t input_bytes_total;
    uint64_t output_bytes_total;
    const struct command *last_command;
    struct timer idle_timer;
    struct timer stuck_timer; // while CLIENT_HELD
};

// Takes over an accepted socket. -ENOMEM closes it at once.
int client_open(struct shard *shard, int fd, uint32_t flags, struct client **ret_client);

// Ends the connection without waiting for replies; the struct lives until its completions have
// come.
void client_close(struct client *client);

// Ends it when what it was replied so far has been sent (QUIT, protocol errors, CLIENT KILL of
// itself).
void client_close_after_reply(struct client *client);

// Receives nothing more, and ends when what was received is replied.
void client_drain(struct client *client);

// Parses the next request out of the client's input: RESP_COMMAND, RESP_MORE or RESP_ERROR. Of a
// long one LIMIT_PARSE_BYTES at a time: with RESP_MORE and CLIENT_PARSING there is more to look at.
// The arguments are in *ret_args (`scratch`, or what the client keeps of a long one); clear it when
// they were looked at. Their bytes stay while the client has requests in the batch. It is taken by
// client_parse_accept(), or left for later by client_parse_undo().
enum resp_status client_parse(struct client *client, const struct resp_limits *limits,
                              struct resp_args *scratch, struct resp_args **ret_args);
void client_parse_accept(struct client *client);
void client_parse_undo(struct client *client);

// The batch that held requests of this client has run.
void client_batch_done(struct client *client);

// After an accepted request its arguments in `scratch` and its partial state are done with.
void client_args_done(struct client *client, struct resp_args *scratch);

// The arguments of a parsed request with very many, as slices that the caller frees. -EAGAIN, and
// CLIENT_PARSING: some are still to be done, in a later turn, for which the client keeps `args`.
// -ENOMEM.
int client_parse_place(struct client *client, struct resp_args *args, struct slice **ret_argv);

// When none of its requests is in a batch: lets go of input that is worked off. `partial`: what is
// left holds no whole request (or must wait for long), so it is copied out of the leased buffer and
// joined with what came before. True when parsing may find more.
bool client_input_settle(struct client *client, bool partial);

// Whether another of its requests may be parsed, by its window and by its unread replies; if not it
// is noted, and the client is made ready again when the reason is gone.
bool client_may_ask(struct client *client);

// A reply of so many bytes was given: large ones shrink the window.
void client_window_note_slowly(struct client *client, size_t bytes);
static inline void client_window_note(struct client *client, size_t bytes)
{
    if (bytes > LIMIT_CLIENT_LARGE_REPLY_BYTES) {
        client_window_note_slowly(client, bytes);
    }
}

// Moves what is left of the leased buffer behind what is gathered. False without memory.
bool client_buffer_gather(struct client *client);

// Bytes gathered and not parsed.
size_t client_backlog_bytes(const struct client *client);

// Lets go of all input. Not while a batch holds requests of the client.
void client_input_drop(struct client *client);

// Whether its next request has to wait for something other than input.
bool client_blocked(const struct client *client);

// Receives again when receiving was stopped and the backlog is worked off, or when what is left of
// it is `partial`, the beginning of a request whose rest has to come.
void client_read_resume(struct client *client, bool partial);

// What keeps a request's arguments alive beyond the turn.
struct client_lease {
    struct io_buffer *buffer;
    struct gather *gather;
};
struct client_lease client_lease_hold(struct client *client);
void client_lease_release(struct shard *shard, struct client_lease *lease);

// Where the next reply of this client goes: `out`, or `late` behind the last place of the FIFO.
static inline struct outbuf *client_out(struct client *client)
{
    return client->pending_first == NULL ? &client->out : &client->late;
}

// Appends a place to the FIFO. It is the caller's struct.
void client_pending_add(struct client *client, struct pending *pending, enum pending_kind kind);

// One more request, whose reply is to stand there, at the last place of the FIFO; *ret_late_before
// is what comes between it and the one before it, as pending.late_before.
void client_pending_join(struct client *client, struct pending *pending, size_t *ret_late_before);

// Moves so many bytes of `late` to `out`, those that were claimed first.
void client_late_take(struct client *client, size_t size);

// The place is done: what is at the head of the FIFO and done moves to `out`. May free the client's
// last reference: do not touch it afterwards. Frees nothing of `pending` but its replies.
void client_pending_done(struct pending *pending);

// (Re)starts the idle timeout as it is configured now.
void client_idle_arm(struct client *client);

// A walk over the clients of a shard, the oldest first, that may rest between two of them while
// clients come and go.
struct client_walk {
    struct client_walk *next; // of the shard's
    struct client *at;        // the next to be looked at; NULL: the walk is over
};
void client_walk_begin(struct shard *shard, struct client_walk *walk);
struct client *client_walk_next(struct client_walk *walk);
void client_walk_end(struct shard *shard, struct client_walk *walk);

// Puts the client into the shard's lists.
void client_mark_ready(struct client *client);
void client_mark_flush(struct client *client);

// A list of the shard let go of the client: it may be freed now if it was closing.
void client_release_from_list(struct client *client);

// What it holds in memory may have changed. A little is not looked at.
enum { CLIENT_MEMORY_LITTLE = 4096 };
void client_memory_note_slowly(struct client *client);
static inline void client_memory_note(struct client *client)
{
    if (client->gather != NULL || client->counted_bytes != 0 ||
        client->out.bytes + client->late.bytes + client->places_bytes > CLIENT_MEMORY_LITTLE) {
        client_memory_note_slowly(client);
    }
}

// Sends what is in `out` unless a send is in flight.
void client_flush(struct client *client);

// Tells of a client that is closed for what it does, but not of each of a thousand of them.
void client_log_closed(const struct client *client, struct log_limit *limit, const char *message,
                       const char *bytes_name, uint64_t bytes);

// Closes a client that has more to read than clients.output_max, and says so; asked before each of
// its requests, so that one turn cannot put much more than that into memory.
bool client_output_exceeded(struct client *client);

// "127.0.0.1:50412", or "/path:0" of a unix socket, as CLIENT LIST has it; `peer` or our own end.
void client_address(const struct client *client, bool peer, char *text, size_t size);
