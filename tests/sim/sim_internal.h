// What the parts of the simulated world share. The manual is sim_world.h.
//
//   sim_world.c   events, virtual time, the trace's hash
//   sim_core.c    one core: steps, submission, delivery; the vtable
//   sim_fiber.c   what waits in io_turn() while the world goes on
//   sim_stream.c  a core's streams and receive buffers
//   sim_net.c     connections and their segments
//   sim_listen.c  addresses and listeners
//   sim_client.c  a test's own ends of connections
//   sim_file.c    operations on files, with their times
//   sim_disk.c    what a disk holds: pages, old and new; names.  sim_names.c
#pragma once

#include "core/check.h"
#include "core/io.h"
#include "core/random.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_damage.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fiber.h"
#include "tests/sim/sim_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIM_SUBNET_NODES_MAX = 250,
    SIM_PATH_BYTES_MAX = 4096,
};

// calloc() that cannot fail: the simulator's own memory is not under test.
void *sim_allocate(size_t size);

// malloc(), for what is written at once.
void *sim_allocate_plain(size_t size);

static inline bool sim_is_zeros(const uint8_t *bytes, size_t size)
{
    return size != 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

// Events --------------------------------------------------------------------------------------

typedef void sim_run_fn(void *owner);

// Something that happens at a time. Embedded in what it belongs to.
struct sim_event {
    uint64_t at_ns;
    uint32_t place;  // in the heap, from 1; 0: not scheduled
    sim_run_fn *run; // called with the event unscheduled
    void *owner;
};

// Its place in the queue, which is a heap: what is compared is here.
struct sim_entry {
    uint64_t at_ns;
    uint64_t order; // among those of one time: drawn, so that it is any order
    struct sim_event *event;
};

struct sim_world {
    struct random random;
    struct sim_profile profile;
    uint64_t now_ns;
    uint64_t hash;
    FILE *told; // or NULL
    uint64_t sequence;
    struct sim_entry *heap; // from 1
    uint32_t heap_count;
    uint32_t heap_capacity;
    struct sim_node *nodes;
    struct sim_client *clients;
    struct sim_node *clients_node;
    uint32_t node_count;
    uint32_t core_count;
    struct sim_counts counts;
    struct sim_fiber *fiber; // the one that runs, or NULL
    bool interleaving;       // a core steps in the middle of another's step
    uint16_t port_next;      // of connections that nobody bound
};

// Schedules the event, or moves it.
void sim_schedule(struct sim_world *world, struct sim_event *event, uint64_t at_ns);
void sim_unschedule(struct sim_world *world, struct sim_event *event);
uint64_t sim_between(struct sim_world *world, uint64_t min, uint64_t max); // both included
bool sim_chance(struct sim_world *world, uint32_t per_mille);

// Mixes an effect into the hash, and tells it.
void sim_trace(struct sim_world *world, const char *what, uint64_t who, uint64_t a, uint64_t b);
void sim_trace_bytes(struct sim_world *world, const void *bytes, size_t size);

// sim_tell.c: an effect in words.
void sim_tell(const struct sim_world *world, const char *what, uint64_t who, uint64_t a,
              uint64_t b);

// A part of `size` that is at least 1: `size` itself unless the profile cuts it.
uint32_t sim_cut(struct sim_world *world, uint32_t size);

// Nodes -----------------------------------------------------------------------------------------

enum sim_kind { SIM_FREE, SIM_SOCKET, SIM_LISTENER, SIM_FILE };

struct sim_descriptor {
    enum sim_kind kind;
    union {
        struct sim_socket *socket;
        struct sim_listener *listener;
        struct sim_file *file;
    } u;
};

struct sim_segment;

struct sim_node {
    struct sim_world *world;
    struct sim_node *next;
    struct in_addr ip;
    uint32_t index;
    int64_t wall_offset_ms; // when the drift began
    int32_t drift_ppm;
    uint64_t drift_ns; // since when
    struct sim_core *cores;
    struct sim_listener *listeners;
    struct sim_disk *disk;
    uint64_t disk_bytes_max; // where the profile's is larger; 0: none of its own
    struct sim_descriptor *descriptors;
    uint32_t descriptor_count;
    struct sim_damage damage;
    bool off; // lost power, and no core was opened since
};

// The lowest free descriptor, or -EMFILE.
int sim_descriptor_add(struct sim_node *node, enum sim_kind kind, void *object);
struct sim_descriptor *sim_descriptor_get(struct sim_node *node, int fd); // NULL: not open

uint64_t sim_node_wall_ms(const struct sim_node *node);

// Cores -----------------------------------------------------------------------------------------

enum sim_verb {
    SIM_SEND,
    SIM_CONNECT,
    SIM_OPEN,
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_ALLOCATE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_LINK,
    SIM_MKDIR,
    SIM_CLOSE,
    SIM_CANCEL,
    SIM_WAKE,
    SIM_ACCEPT_STREAM,
    SIM_RECV_STREAM,
    SIM_STREAM_STOP,
    SIM_VERBS,
};

// What was started: an op of the caller, or a request without one (cancel, wake, stop). Goes from
// the core's `submitted` list to whatever it waits for, then to the core's `ready` list, and is
// freed when its completion function is called.
struct sim_op {
    struct sim_core *core;
    struct io_op *op; // NULL: nobody is told
    struct sim_op *next;
    struct sim_op *next_all; // of the core
    struct sim_op **previous_all;
    struct sim_event event;
    enum sim_verb verb;
    int32_t result;
    int fd;
    unsigned flags;
    uint64_t offset;
    uint64_t size;
    uint8_t *bytes;
    const char *path;
    const char *path_to;
    const struct iovec *parts;
    struct iovec part; // where there is one only: the caller's array may be gone
    struct io_address address;
    struct sim_op *target;         // of a cancel
    struct sim_core *wake_target;  // of a wake
    struct sim_stream *stream;     // of a stream's start and stop
    struct sim_socket *socket;     // what it waits for
    struct sim_snapshot *snapshot; // of a durable write or sync: what becomes durable
    uint64_t print;                // of the bytes of a send or write
    uint64_t begun_ns;             // a write
    uint64_t frame;                // of a write of one: its number, from 1
    bool lost;                     // a write is not where it should be
    bool made;                     // an open made the file
    bool started;                  // its effect cannot be cancelled any more
    bool ready;                    // in the ready list
};

// A started stream.
struct sim_stream {
    struct sim_core *core;
    struct io_stream *stream;
    struct sim_stream *next_ready;
    struct sim_stream *next_waiting;
    struct sim_stream *next_all;
    struct sim_stream **previous_all;
    struct sim_socket *socket;     // a recv stream's
    struct sim_listener *listener; // an accept stream's
    struct sim_event event;        // its start, the end of a pause after accept failed, or its stop
    int error;                     // why it could not be started
    bool ready;                    // in the ready list
    bool waiting;                  // for a buffer
    bool stopped;                  // the stop has arrived
};

struct sim_buffer {
    struct io_buffer buffer; // first
    uint8_t *bytes;          // of exactly the size received, so that ASan sees who reads past them
    struct sim_core *core;
    struct sim_event event; // it was given back, and is on its way to be used again
};

struct sim_core {
    struct io io; // first
    struct sim_node *node;
    struct sim_world *world;
    struct sim_core *next;
    uint32_t index; // of the world
    sim_step_fn *step;
    void *context;
    struct sim_event event; // the end of its wait
    uint64_t busy_until_ns; // the end of its last step
    uint64_t charged_ns;    // in this step
    uint64_t timeout_ns;    // of its io_turn()
    uint32_t count;         // how many completions end the wait: of io_gather()
    bool stepping;
    bool turned;             // in this step
    bool blocking;           // in an io_turn() outside of a step
    bool resumed;            // that one is over
    struct sim_fiber *fiber; // that is in it, or NULL
    bool woken;              // a wake arrived

    struct sim_op *submitted;
    struct sim_op **submitted_end;
    struct sim_op *ready;
    struct sim_op **ready_end;
    struct sim_stream *streams_ready;
    struct sim_stream **streams_ready_end;
    struct sim_stream *streams_waiting; // for a buffer
    struct sim_stream **streams_waiting_end;
    struct sim_op *ops;         // all
    struct sim_stream *streams; // all

    struct sim_buffer *buffers;
    uint32_t *buffers_free;
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    uint32_t buffers_free_count;
};

static inline struct sim_core *sim_core_of(struct io *io)
{
    return (struct sim_core *)io;
}

// The core's process or machine is gone: frees it with all that it had started.
void sim_core_abandon(struct sim_core *core);

struct sim_op *sim_op_new(struct sim_core *core, struct io_op *op, enum sim_verb verb);
void sim_op_free(struct sim_op *op);

// Something is there for the core: its wait ends.
void sim_core_rouse(struct sim_core *core);

// The op is done; it is delivered when the core's wait is over.
void sim_complete(struct sim_op *op, int32_t result);

// The same, at a later time.
void sim_complete_at(struct sim_op *op, int32_t result, uint64_t at_ns);

// The stream has something to deliver.
void sim_stream_ready(struct sim_stream *stream);

// Streams and buffers, sim_stream.c.
void sim_streams_init(struct sim_core *core);
void sim_stream_begin(struct sim_op *request);      // a start has been submitted
void sim_stream_stop_begin(struct sim_op *request); // a stop has been submitted
void sim_stream_deliver(struct sim_stream *stream);
void sim_stream_fail(struct sim_stream *stream, int error); // ends it soon, with the error
void sim_stream_free(struct sim_stream *stream);
void sim_accept_start(struct io *io, struct io_stream *stream, int fd);
void sim_recv_start(struct io *io, struct io_stream *stream, int fd);
void sim_stream_stop(struct io *io, struct io_stream *stream);
void sim_buffers_open(struct sim_core *core, const struct io_uring_options *options);
void sim_buffers_close(struct sim_core *core);
void sim_buffer_return(struct io *io, struct io_buffer *buffer);
void sim_streams_rearm(struct sim_core *core); // those that waited for a buffer

// The network ------------------------------------------------------------------------------------

struct sim_chunk {
    struct sim_chunk *next;
    uint32_t size;
    uint32_t taken;
    uint8_t bytes[];
};

// One end of a connection. `pair` is freed when neither end is open and nothing is on its way.
struct sim_socket {
    struct sim_pair *pair;
    struct sim_socket *peer; // the other end
    struct sim_node *node;
    struct io_address local;
    struct io_address remote;
    struct sim_stream *stream;
    struct sim_op *send_waiting; // for room
    struct sim_op *connecting;
    struct sim_client *client;
    struct sim_socket *next_queued; // in a listener's queue
    struct sim_chunk *received;
    struct sim_chunk **received_end;
    uint64_t received_bytes;
    struct sim_segment *early; // arrived before others that were sent before them
    uint64_t outstanding;      // sent from here, not consumed there
    uint64_t untold_bytes;     // consumed here, and the peer has not been told
    uint32_t numbered;         // segments sent from here that have a place in the order
    uint32_t numbered_seen;    // and those of the peer's that have been taken here
    uint32_t capacity;         // bound of `outstanding`
    int error;                 // of a connect or a reset, to be told once; negative
    bool is_open;              // a descriptor or client has it
    bool sending;              // a send has not been delivered
    bool telling;              // the peer is being told what was consumed
    bool connected;
    bool write_shut; // no more from here
    bool read_shut;  // no more wanted here
    bool end_seen;   // the peer's end of stream has arrived
    bool reset;      // dead
    bool silent;     // its machine lost power
};

struct sim_pair {
    struct sim_world *world;
    struct sim_socket ends[2];
    uint32_t references; // ends open, segments on their way
};

struct sim_listener {
    struct sim_node *node;
    struct sim_listener *next;
    struct io_address address;
    struct sim_stream *stream;
    struct sim_socket *queue; // not yet accepted
    struct sim_socket **queue_end;
    uint32_t queued;
    bool shared;
};

const char *sim_segment_text(uint32_t kind);
int sim_listen(struct io *io, const struct io_address *address, unsigned flags, int *ret_fd);
int sim_socket_name(struct io *io, int fd, bool peer, struct io_address *ret_address);
int sim_connect(struct io *io, struct io_op *op, const struct io_address *address, int *ret_fd);
void sim_shutdown(struct io *io, int fd);
void sim_send_begin(struct sim_op *op);
void sim_connect_begin(struct sim_op *op);
bool sim_socket_cancel(struct sim_op *op); // true: it was waiting, and completes -ECANCELED
struct sim_socket *sim_socket_open(struct sim_node *node, const struct io_address *remote);
void sim_socket_connect(struct sim_socket *socket, uint64_t at_ns);
long sim_socket_send(struct sim_socket *socket, const struct iovec *parts, unsigned count,
                     uint64_t at_ns);
long sim_socket_take(struct sim_socket *socket, uint8_t *bytes, uint32_t size);
bool sim_socket_readable(const struct sim_socket *socket);
void sim_socket_shutdown(struct sim_socket *socket, bool reading, uint64_t at_ns);
void sim_socket_close(struct sim_socket *socket, bool reset, uint64_t at_ns);
void sim_listener_close(struct sim_listener *listener, bool silent);
int sim_listener_find(struct sim_socket *from, struct sim_listener **ret_listener);
void sim_socket_name_local(struct sim_socket *socket);
struct sim_node *sim_node_find(struct sim_node *from, const struct io_address *address);
void sim_segment_drop(struct sim_event *event); // what will not arrive because the world ends
void sim_socket_silence(struct sim_socket *socket);
void sim_socket_break(struct sim_socket *socket); // both ends learn of a reset

// Clients
void sim_client_notify(struct sim_client *client);
void sim_clients_close(struct sim_world *world);

// Files -------------------------------------------------------------------------------------------

// An open file: what a descriptor refers to.
struct sim_file {
    struct sim_inode *inode;
    bool writable;
    bool direct;
    struct sim_place place;
    char *path; // that it was opened by, for who is told of events
};

void sim_file_begin(struct sim_op *op); // all verbs on files and names
void sim_file_close(struct sim_node *node, struct sim_file *file);
int sim_file_stat(struct io *io, const char *path, struct io_stat *ret_stat);
int sim_file_space(struct io *io, const char *path, struct io_space *ret_space);
int sim_file_truncate(struct io *io, int fd, uint64_t size);
int sim_file_list(struct io *io, const char *path, io_list_fn *each, void *context);
int sim_file_lock(struct io *io, int fd);
