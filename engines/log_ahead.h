// Reading a file, opened with IO_OPEN_DIRECT, from one end to the other, as fast as the disk gives
// it: while one piece is looked at the next ones are under way. For the log engine's start; waits
// in io_turn().
//
//     | room | piece |   | room | piece |   | room | piece |     buffers, used in turn
//         `---window---'
//
// The room before a piece takes what is left of the one before it, so that a window is always in
// one stretch. Nothing is read ahead before the window leaves the first piece: who only looks at
// how a file begins pays for one.
#pragma once

#include "core/io.h"
#include "core/slice.h"

enum {
    AHEAD_PIECE_BYTES = 4 << 20,
    AHEAD_WINDOW_BYTES = 2 << 20, // the most that may be asked for at once
    AHEAD_PIECES = 3,
};

struct ahead_piece {
    struct io_op op; // first
    struct ahead *ahead;
    uint8_t *room; // AHEAD_WINDOW_BYTES, then the piece; NULL until it is used first
    int error;     // of its read
    uint64_t offset;
    uint32_t wanted;
    uint32_t got;
    bool flying;
};

struct ahead {
    struct io *io;
    int fd;
    int error;           // the first that a read has met, 0: none
    uint64_t unread_end; // of the last block so far that could not be read, 0: none
    struct ahead_piece pieces[AHEAD_PIECES];
    uint64_t asked;    // pieces so far; piece n is in pieces[n % AHEAD_PIECES]
    uint64_t entered;  // pieces that the window has been in
    uint64_t next;     // offset of the piece that is asked for next
    uint64_t limit;    // nothing is read beyond it
    uint64_t file_end; // as far as it was met, down to a block's border; else UINT64_MAX
    uint64_t end;      // of what is in memory
    const uint8_t *end_at;
};

// To read from `offset` on and not beyond `limit`, both on borders of blocks. It stays where it is
// until ahead_end().
void ahead_begin(struct ahead *ahead, struct io *io, int fd, uint64_t offset, uint64_t limit);

// What is in memory from `offset` on, which is on a block's border and not before that of the last
// call: `bytes` (<= AHEAD_WINDOW_BYTES) at least, unless the file or the limit ends before. Blocks
// that cannot be read are zeros, and set `error`. Valid until the next call. 0, or -ENOMEM.
int ahead_window(struct ahead *ahead, uint64_t offset, uint32_t bytes, struct slice *ret_window);

// Waits for what is under way, and gives the memory back.
void ahead_end(struct ahead *ahead);
