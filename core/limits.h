// Every bound of the program: what it counts, in which unit, and why it has this value. Nothing
// grows past its bound; what would is refused with a clear error, or waits. Relations between
// limits are asserted below them.
#pragma once

#include <assert.h>

// memory --------------------------------------------------------------------------------------

enum {
    // What cores pass between each other: data that two of them write lies at least this far apart.
    LIMIT_CACHE_LINE_BYTES = 64,
};

// io ------------------------------------------------------------------------------------------

enum {
    // Completion functions that one io_turn() runs. The rest waits for the next turn, so that
    // timers and other cores' messages are looked at in between: at 1 us each this is half a
    // millisecond.
    LIMIT_IO_COMPLETIONS_A_TURN = 512,

    // Parts of one io_send(). Linux copies up to 8 iovecs without allocating (UIO_FASTIOV) and
    // takes up to 1024 (IOV_MAX); beyond some tens a copy into one buffer is cheaper.
    LIMIT_IO_SEND_PARTS = 64,

    // Bytes of one send of a reply: the kernel copies them before the core goes on, some 100 us.
    LIMIT_IO_SEND_BYTES = 256 * 1024,

    // Bytes received that one io_turn() hands over, for the same reason: who gathers a long request
    // copies them, and touches memory for the first time, at some 340 us a MiB.
    LIMIT_IO_BYTES_A_TURN = 512 * 1024,

    // Bytes. Received when a turn has had that many already, so much is handed over all the same:
    // short requests, also a pipeline of 64, do not wait for the long ones of others.
    LIMIT_IO_SHORT_BYTES = 4096,

    // Entries of a core's submission queue. Not a bound on what is in flight: a full queue is
    // submitted and filled again. 2048 is more than a turn usually starts.
    LIMIT_IO_QUEUE_ENTRIES = 2048,

    // Entries of a core's completion queue. Past it the kernel keeps completions in a list of its
    // own, which costs an allocation each, and loses none.
    LIMIT_IO_COMPLETION_ENTRIES = 8192,

    // Receive buffers of a core, and the bytes of one. A pipeline of 64 small requests fits into
    // one buffer; 16 MiB a core at most, of which 2 are in use until a turn needs more.
    LIMIT_IO_BUFFER_COUNT = 1024,
    LIMIT_IO_BUFFER_BYTES = 16384,

    // Connections the kernel holds until they are accepted, per listener (Linux cuts it to
    // net.core.somaxconn, 4096 unless configured).
    LIMIT_IO_LISTEN_BACKLOG = 1024,

    // ns. After accept failed for want of descriptors or memory, how long until it is tried again:
    // long enough not to burn a core, short enough that a client's connect does not time out.
    LIMIT_IO_ACCEPT_PAUSE_NS = 100 * 1000 * 1000,
};

// reactor -------------------------------------------------------------------------------------

enum {
    // Steps of the timers that one turn takes (firing or moving one is a step): some tens of ns
    // each for the wheel, so that ten thousand idle connections timing out at once do not hold up
    // a turn.
    LIMIT_REACTOR_TIMER_STEPS = 512,

    // A core under load waits for so many arrivals before it works, and ns at most (core/doze.h).
    // 32 requests are twice what a batch needs to hide the latency of memory. 200 us are what 50
    // connections wait for their turn anyway when a request costs 4 us; shorter dozes were measured
    // to save little. A doze in which little comes, and nothing is awaited, may last twice as long.
    LIMIT_DOZE_ARRIVALS = 32,
    LIMIT_DOZE_NS = 200 * 1000,
};

static_assert((LIMIT_IO_QUEUE_ENTRIES & (LIMIT_IO_QUEUE_ENTRIES - 1)) == 0, "a power of two");
static_assert(LIMIT_IO_COMPLETION_ENTRIES >= 2 * LIMIT_IO_QUEUE_ENTRIES,
              "streams complete many times for one submission");
static_assert((LIMIT_IO_BUFFER_COUNT & (LIMIT_IO_BUFFER_COUNT - 1)) == 0 &&
                  LIMIT_IO_BUFFER_COUNT <= 32768,
              "what the kernel takes for a ring of buffers");

// config --------------------------------------------------------------------------------------

// Read once at start, from a file that a person wrote.
enum {
    LIMIT_CONFIG_BYTES = 64 * 1024, // a file with every key and comment has 6 KiB
    LIMIT_CONFIG_ERROR_BYTES = 512, // one message: file, place, what, what was expected
    LIMIT_CONFIG_HOST_BYTES = 256,  // RFC 1035: a name has at most 253 characters
    LIMIT_CONFIG_LISTENERS = 8,     // of the client port; each costs every shard a socket
    LIMIT_CONFIG_NAME_BYTES = 64,   // names of nodes, clusters, zones; in messages and metrics
    LIMIT_CONFIG_PATH_BYTES = 1024, // leaves room under PATH_MAX (4096) for what is appended
    LIMIT_CONFIG_SEEDS = 32,        // one that answers is enough
};

// cpu -----------------------------------------------------------------------------------------

enum {
    LIMIT_CPUS = 1024,               // CPU_SETSIZE: what a fixed cpu_set_t can say
    LIMIT_PROC_FILE_BYTES = 1 << 20, // /proc/self/mountinfo with thousands of mounts
    LIMIT_SHARDS = 128,              // queues between cores are shards squared; shard ports too

    // bytes. Below about 1.5 MiB the memory engine refuses all: an index, the segments that only
    // its cleaner may take, and one to write to. CONFIG SET maxmemory takes less, as Redis does.
    LIMIT_SHARD_MEMORY_BYTES_MIN = 2 << 20,
};

// http ----------------------------------------------------------------------------------------

enum {
    LIMIT_HTTP_CONNECTIONS = 32,          // scrapers and probes; each holds one parser
    LIMIT_HTTP_REQUEST_BYTES = 8 * 1024,  // request line and fields, the customary bound
    LIMIT_HTTP_RESPONSE_BYTES = 16 << 20, // a page of metrics of LIMIT_SHARDS shards

    // ms. Scrapers ask every 15 to 60 s on one connection; a request is one packet, a page some.
    LIMIT_HTTP_IDLE_MS = 90 * 1000,
    LIMIT_HTTP_REQUEST_MS = 10 * 1000,
    LIMIT_HTTP_ANSWER_MS = 30 * 1000,
    // How long the rest of a refused request is read and dropped: closing with bytes unread would
    // reset the connection, and the client might not see the answer.
    LIMIT_HTTP_LINGER_MS = 1000,
};

// log -----------------------------------------------------------------------------------------

enum {
    LIMIT_LOG_LINE_BYTES = 2048,
};

static_assert(LIMIT_LOG_LINE_BYTES <= 4096, "a pipe keeps lines up to PIPE_BUF (4096) whole");

// ring ----------------------------------------------------------------------------------------

enum {
    LIMIT_RING_MEMBERS = 1024,  // indexes are 16 bits; gossip and majorities are meant for hundreds
    LIMIT_RING_REPLICAS = 7,    // survives three losses with a majority; each costs every write
    LIMIT_RING_PREFERENCE = 16, // primaries and fallbacks of a partition: two spares a replica
    LIMIT_RING_WEIGHT = 1000,   // a node's share relative to one of weight 1
    LIMIT_RING_NAME_BYTES = LIMIT_CONFIG_NAME_BYTES,
    LIMIT_RING_HOST_BYTES = LIMIT_CONFIG_HOST_BYTES,
};

static_assert(LIMIT_RING_PREFERENCE >= 2 * LIMIT_RING_REPLICAS,
              "every primary may be replaced by a fallback");

// objects -------------------------------------------------------------------------------------

enum {
    // Actors in the version vector of one object: coordinators that ever wrote it, a new one per
    // incarnation. Bounds the heads that writers build.
    LIMIT_OBJECT_VERSIONS = 256,

    // Dots known beyond a version vector, in an object or in a context: one each time a client goes
    // on, with siblings unread, to a replica that has not seen its last write. Older ones are
    // forgotten, which may make a sibling and loses nothing.
    LIMIT_HISTORY_DOTS = 16,

    // Events (values, bases and sums of counters) that one object may hold: what merging may make
    // of the siblings of several coordinators. Bounds the stack of a merge.
    LIMIT_OBJECT_EVENTS = 512,

    // Values up to which RLDB.PUT without context adds a sibling. Binds only this: a merge may
    // bring more.
    LIMIT_SIBLINGS = 64,

    // Actors in the table of one vnode: every coordinator and incarnation it ever met.
    LIMIT_ACTORS = 65536,
};

// acl -----------------------------------------------------------------------------------------

enum {
    LIMIT_ACL_FILE_BYTES = 1 << 20,
    LIMIT_ACL_USERS = 1024,      // looked through one by one at AUTH
    LIMIT_ACL_PASSWORDS = 16,    // of one user: a rotation needs two
    LIMIT_ACL_PATTERNS = 64,     // key patterns of one user; matched one by one with each key
    LIMIT_ACL_NAME_BYTES = 256,  // of a user
    LIMIT_ACL_COMMANDS = 256,    // commands and subcommands that a user's bits can tell apart
    LIMIT_ACL_ERROR_BYTES = 512, // one message: file, line, what, what was expected
};

// cluster: one shard --------------------------------------------------------------------------

enum {
    LIMIT_KEY_BYTES = 65535, // what 16 bits of length hold

    // Requests that are parsed, prefetched and run together. Memory latency is hidden from 16 on;
    // the structs of 64 requests (some 30 KiB) stay in the second-level cache.
    LIMIT_BATCH = 64,

    // Bytes of a long request that are parsed before it is looked whether the slice is over: some
    // 20 us if its arguments are of a few bytes each.
    LIMIT_PARSE_BYTES = 8 * 1024,

    // A request with more arguments than this gets their slices so many at a time: 10 us, memory
    // that is touched for the first time included.
    LIMIT_PLACE_ARGUMENTS = 1024,

    // Requests of a turn, so that completions and timers are looked at in between: about 1 ms of
    // work.
    LIMIT_REQUESTS_A_TURN = 4096,

    // Arguments of a request, the name included: Redis's own bound.
    LIMIT_REQUEST_ARGUMENTS = 1024 * 1024,

    // Arguments of a request that are looked at in one go: some tens of us. Commands on several
    // keys may have more, and look at them in slices; others refuse more.
    LIMIT_ADMIT_ARGUMENTS = 1024,

    // One argument of a command that has no keys and does not say it again: names, settings,
    // passwords. The longest pattern of KEYS is shorter.
    LIMIT_ADMIT_ARGUMENT_BYTES = 64 * 1024,

    // What a client calls itself, its library and the library's version: kept as long as it is
    // there.
    LIMIT_CLIENT_NAME_BYTES = 1024,

    // A pattern for names of settings or commands, of some tens of bytes each.
    LIMIT_NAME_PATTERN_BYTES = 256,

    // Of the first block for a request that came in pieces.
    LIMIT_GATHER_BYTES_MIN = 4096,

    // A request whose rest is announced to be at most this long gets memory of its size. One that
    // has come to be longer gets addresses for the longest request, and memory as its bytes come:
    // so an announcement alone takes no memory, and no more than this is ever copied for growth.
    LIMIT_GATHER_STEP_BYTES = 64 * 1024,

    // A block for long requests with more memory than this is not kept for the next: to touch 1 MiB
    // anew takes some 100 us, and many large requests are seldom.
    LIMIT_BLOCK_KEPT_BYTES = 1024 * 1024,

    // Memory of clients that is unmapped in a turn: some tens of us. So many times as much when it
    // is short.
    LIMIT_RELEASE_BYTES = 1024 * 1024,
    LIMIT_RELEASE_TIMES = 4,

    // Connections that are told in a turn of what is new to all: a line or two of the cache each,
    // some tens of us.
    LIMIT_ROUND_CLIENTS = 256,

    // ms. INFO's client_recent_max_* tell of once to twice this.
    LIMIT_CLIENT_RECENT_MS = 5 * 1000,

    // A request that is not whole yet and no longer than this is parsed anew when more has come.
    LIMIT_REPARSE_BYTES = 4096,

    // Input of a connection that waits (for a command over several cores, for CLIENT UNPAUSE) past
    // which receiving stops until it is worked off.
    LIMIT_CLIENT_BACKLOG_BYTES = 1024 * 1024,

    // Requests of one connection that may be under way together, and the replies it may leave
    // unread before the next ones wait: clients.output_max divided by this. The first bound shrinks
    // as its replies grow, so that a pipeline of reads of large values is answered a few at a time
    // instead of filling memory.
    LIMIT_CLIENT_WINDOW = 64,
    LIMIT_CLIENT_OUTPUT_SHARE = 4,
    LIMIT_CLIENT_LARGE_REPLY_BYTES = 16 * 1024, // below it a reply leaves the window alone

    // Bytes of replies of all connections of a shard that wait behind others which are still under
    // way. Past it each connection may have one request under way.
    LIMIT_HELD_BYTES = 128 * 1024 * 1024,

    // ms. A connection whose unread replies hold its next requests back, and that takes nothing for
    // so long, is asked on until clients.output_max is reached, which closes it. The first is for
    // one that sends more than is taken in: it seems to read when all is sent, which will not be
    // before its requests go on.
    LIMIT_CLIENT_STALLED_MS = 1000,
    LIMIT_CLIENT_STUCK_MS = 60 * 1000,

    // Lines of log about connections that were closed for what they do, of a shard and kind, in so
    // many ms: a thousand of them come at a time.
    LIMIT_CLOSED_LOG_LINES = 5,
    LIMIT_CLOSED_LOG_MS = 10 * 1000,

    // Connections beyond clients.max that can be told so at a time.
    LIMIT_CLIENTS_REFUSED = 64,

    // Units of work (cluster/work.h: about 10 ns each) that commands which can be long may take of
    // a turn's execution, and again of its background phase: 250 us, so that a turn with both stays
    // near the 500 us that slices aim at.
    LIMIT_SLICE_UNITS = 25 * 1000,

    // Gates taken at a time in a shard: any request may have all its keys on one core. 32 bytes
    // each, touched only when used.
    LIMIT_GATES = LIMIT_REQUEST_ARGUMENTS,

    // Commands over several keys that a shard coordinates at a time.
    LIMIT_MULTIS = 1024,

    // Bytes of a snapshot's name: with what stands before it while it is made, a file's name.
    LIMIT_SNAPSHOT_NAME_BYTES = 64,

    // Pointers in a queue between two cores; hops of one core that may be under way to one other,
    // each with HOP_REQUESTS requests at most.
    // The queue carries these, as many returning ones of the other side, the parts and pages of
    // metrics of both, the sockets of the one that accepts them, and its part of a snapshot.
    LIMIT_MESSAGES_QUEUE = 8192,
    LIMIT_MESSAGES_OUT = 2048,

    // Accepted sockets that one core hands to the others and that are under way: past it they stay
    // with the core that accepted them.
    LIMIT_SOCKETS_OUT = 1024,

    // Records of a shard that are being read from disk, for hops and parts: half a KiB each. What
    // comes beyond is refused.
    LIMIT_LOADS = 64 * 1024,

    // A value longer than this is copied into its reply, or to where it is kept, in slices: 1 MiB
    // takes some 200 us. All that has a file of its own on the log engine is longer, whatever its
    // key: such a file is made before the value is put.
    LIMIT_HAUL_BYTES = 896 * 1024,

    // Hops of a shard to all cores and behind its own gates.
    LIMIT_HOPS = 64 * 1024,

    // Scratch for values that are built (APPEND, SETRANGE) that a shard keeps from one turn to the
    // next; what a larger value needed is given back.
    LIMIT_SCRATCH_KEPT_BYTES = 1024 * 1024,

    // Free chunks of output kept in a shard: 512 KiB of small, 4 MiB of large ones.
    LIMIT_OUTBUF_SMALL_FREE = 1024,
    LIMIT_OUTBUF_LARGE_FREE = 256,

    // Records' bytes that a slice of the engine's background work looks at: about 100 us.
    LIMIT_BACKGROUND_BYTES = 64 * 1024,

    LIMIT_SLOWLOG_ENTRIES = 1024, // of a shard; slowlog-max-len cannot ask for more

    LIMIT_ERROR_CODES = 32, // first words of error replies that are counted each; there are some 20
};

static_assert(2 * (LIMIT_MESSAGES_OUT + LIMIT_MULTIS + LIMIT_HTTP_CONNECTIONS) + LIMIT_SOCKETS_OUT +
                      1 <=
                  LIMIT_MESSAGES_QUEUE,
              "a queue takes all that may be under way in both directions");

// engines -------------------------------------------------------------------------------------

enum {
    // Vnodes of one engine: a record names its vnode in two bytes.
    LIMIT_ENGINE_VNODES = 65536,

    // Key and object of one record together: what the arena's largest extent (256 MiB) holds.
    LIMIT_ENGINE_RECORD_BYTES = 255 << 20,

    // Snapshots open at a time in one engine: a transfer, an export and a few clients' KEYS.
    LIMIT_ENGINE_SNAPSHOTS = 8,

    // Records that were replaced and are kept for open snapshots, of one engine: 16 bytes each
    // beside the records themselves. Writers at 1M/s fill it in a second, in which a scan passes
    // ten times as many.
    LIMIT_ENGINE_SNAPSHOT_KEPT = 1 << 20,

    // Bytes of large values that an engine of the log has in buffers, being written or read: some
    // of the largest that a server takes. One is always let in.
    LIMIT_LOG_LARGE_BYTES = 256 << 20,

    // Buffers of frames of one log engine, 2 MiB each: what a disk that hangs may leave waiting.
    LIMIT_LOG_FRAMES = 128,
};
