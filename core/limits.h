// Every bound of the program: what it counts, in which unit, and why it has this value. Nothing
// grows past its bound; what would is refused with a clear error, or waits. Relations between
// limits are asserted below them.
#pragma once

#include <assert.h>

// io ------------------------------------------------------------------------------------------

enum {
    // Completion functions that one io_turn() runs. The rest waits for the next turn, so that timers
    // and other cores' messages are looked at in between: at 1 us each this is half a millisecond.
    LIMIT_IO_COMPLETIONS_A_TURN = 512,

    // Parts of one io_send(). Linux copies up to 8 iovecs without allocating (UIO_FASTIOV) and takes
    // up to 1024 (IOV_MAX); beyond some tens a copy into one buffer is cheaper.
    LIMIT_IO_SEND_PARTS = 64,

    // Entries of a core's submission queue. Not a bound on what is in flight: a full queue is
    // submitted and filled again. 2048 is more than a turn usually starts.
    LIMIT_IO_QUEUE_ENTRIES = 2048,

    // Entries of a core's completion queue. Past it the kernel keeps completions in a list of its
    // own, which costs an allocation each, and loses none.
    LIMIT_IO_COMPLETION_ENTRIES = 8192,

    // Receive buffers of a core, and the bytes of one. A pipeline of 64 small requests fits into one
    // buffer; 16 MiB a core at most, touched only as load comes.
    LIMIT_IO_BUFFER_COUNT = 1024,
    LIMIT_IO_BUFFER_BYTES = 16384,

    // Connections the kernel holds until they are accepted, per listener (Linux cuts it to
    // net.core.somaxconn, 4096 unless configured).
    LIMIT_IO_LISTEN_BACKLOG = 1024,

    // ns. After accept failed for want of descriptors or memory, how long until it is tried again:
    // long enough not to burn a core, short enough that a client's connect does not time out.
    LIMIT_IO_ACCEPT_PAUSE_NS = 100 * 1000 * 1000,
};

static_assert((LIMIT_IO_QUEUE_ENTRIES & (LIMIT_IO_QUEUE_ENTRIES - 1)) == 0, "a power of two");
static_assert(LIMIT_IO_COMPLETION_ENTRIES >= 2 * LIMIT_IO_QUEUE_ENTRIES,
              "streams complete many times for one submission");
static_assert((LIMIT_IO_BUFFER_COUNT & (LIMIT_IO_BUFFER_COUNT - 1)) == 0 &&
                  LIMIT_IO_BUFFER_COUNT <= 32768,
              "what the kernel takes for a ring of buffers");
