#include "engines/log_ahead.h"

#include "core/check.h"
#include "core/memory.h"
#include "core/wait.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_MASK = IO_DIRECT_ALIGN - 1 };

static uint8_t *piece_bytes(const struct ahead_piece *piece)
{
    return piece->room + AHEAD_WINDOW_BYTES;
}

static void piece_read(struct ahead_piece *piece)
{
    piece->flying = true;
    io_read(piece->ahead->io, &piece->op, piece->ahead->fd, piece_bytes(piece) + piece->got,
            piece->wanted - piece->got, piece->offset + piece->got);
}

static void piece_done(struct io_op *op, int32_t result)
{
    struct ahead_piece *const piece = (struct ahead_piece *)(void *)op;

    piece->flying = false;
    if (result < 0) {
        piece->error = result;
        return;
    }
    piece->got += (uint32_t)result;
    // O_DIRECT goes on from whole blocks only: less than that is the file's end.
    if (result != 0 && (result & BLOCK_MASK) == 0 && piece->got < piece->wanted) {
        piece_read(piece);
    }
}

// Something in it could not be read: what follows comes block by block, and those that cannot be
// read are zeros.
static void piece_mend(struct ahead_piece *piece)
{
    struct ahead *const ahead = piece->ahead;

    ahead->error = ahead->error == 0 ? piece->error : ahead->error;
    while (piece->got < piece->wanted) {
        uint8_t *const block = piece_bytes(piece) + piece->got;
        uint32_t got = 0;

        memset(block, 0, IO_DIRECT_ALIGN);
        const int error = wait_read_some(ahead->io, ahead->fd, block, IO_DIRECT_ALIGN,
                                         piece->offset + piece->got, &got);

        if (error == 0 && got < IO_DIRECT_ALIGN) {
            return;
        }
        piece->got += IO_DIRECT_ALIGN;
        ahead->unread_end = error != 0 ? piece->offset + piece->got : ahead->unread_end;
    }
}

static void piece_wait(struct ahead_piece *piece)
{
    struct ahead *const ahead = piece->ahead;

    while (piece->flying) {
        io_turn(ahead->io, UINT64_MAX);
    }
    piece->got &= ~(uint32_t)BLOCK_MASK;
    if (piece->error != 0) {
        piece_mend(piece);
        piece->error = 0;
    }
    if (piece->got < piece->wanted && ahead->file_end == UINT64_MAX) {
        ahead->file_end = piece->offset + piece->got;
        ahead->limit = ahead->next; // what was asked for beyond is found empty
    }
}

// Asks for pieces until there were so many.
static int ask(struct ahead *ahead, uint64_t count)
{
    while (ahead->asked < count && ahead->next < ahead->limit) {
        struct ahead_piece *const piece = &ahead->pieces[ahead->asked % AHEAD_PIECES];
        const uint64_t left = ahead->limit - ahead->next;

        if (piece->room == NULL) {
            piece->room =
                memory_allocate_aligned(AHEAD_WINDOW_BYTES + AHEAD_PIECE_BYTES, IO_DIRECT_ALIGN);
            if (piece->room == NULL) {
                return -ENOMEM;
            }
        }
        piece->op.done = piece_done;
        piece->ahead = ahead;
        piece->offset = ahead->next;
        piece->wanted = left < AHEAD_PIECE_BYTES ? (uint32_t)left : AHEAD_PIECE_BYTES;
        piece->got = 0;
        ahead->next += piece->wanted;
        ahead->asked++;
        piece_read(piece);
    }
    return 0;
}

// The window, from `offset` on, goes on into the next piece. ret_more: there was one.
static int enter(struct ahead *ahead, uint64_t offset, bool *ret_more)
{
    const int error = ask(ahead, ahead->entered == 0 ? 1 : ahead->entered + AHEAD_PIECES - 1);
    struct ahead_piece *const piece = &ahead->pieces[ahead->entered % AHEAD_PIECES];
    const size_t kept = offset < ahead->end ? (size_t)(ahead->end - offset) : 0;

    *ret_more = false;
    if (error != 0 || ahead->asked == ahead->entered) {
        return error;
    }
    piece_wait(piece);
    if (piece->got == 0) {
        return 0;
    }
    CHECK(kept < AHEAD_WINDOW_BYTES);
    if (kept != 0) {
        memcpy(piece_bytes(piece) - kept, ahead->end_at - kept, kept);
    }
    *ret_more = true;
    ahead->end = piece->offset + piece->got;
    ahead->end_at = piece_bytes(piece) + piece->got;
    ahead->entered++;
    return ahead->entered > 1 ? ask(ahead, ahead->entered + AHEAD_PIECES - 1) : 0;
}

void ahead_begin(struct ahead *ahead, struct io *io, int fd, uint64_t offset, uint64_t limit)
{
    CHECK(((offset | limit) & BLOCK_MASK) == 0);
    *ahead = (struct ahead){
        .io = io, .fd = fd, .next = offset, .limit = limit, .end = offset, .file_end = UINT64_MAX};
}

int ahead_window(struct ahead *ahead, uint64_t offset, uint32_t bytes, struct slice *ret_window)
{
    bool more = true;
    int error = 0;

    CHECK((offset & BLOCK_MASK) == 0 && bytes <= AHEAD_WINDOW_BYTES);
    while (error == 0 && more && offset + bytes > ahead->end) {
        error = enter(ahead, offset, &more);
    }
    if (error == 0) {
        const size_t left = offset < ahead->end ? (size_t)(ahead->end - offset) : 0;

        *ret_window = slice_of(left != 0 ? ahead->end_at - left : NULL, left);
    }
    return error;
}

void ahead_end(struct ahead *ahead)
{
    for (uint32_t i = 0; i < AHEAD_PIECES; i++) {
        while (ahead->pieces[i].flying) {
            io_turn(ahead->io, UINT64_MAX);
        }
        memory_free(ahead->pieces[i].room);
        ahead->pieces[i].room = NULL;
    }
}
