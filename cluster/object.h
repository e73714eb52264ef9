// Objects: what an engine stores for a key. A history (cluster/causal_history.h) and the events
// that are still of value; each event was stamped once, with its dot, by the one coordinator that
// took it.
//
// Events and values
//
//   event      payload                                   made by
//   register   bytes                                     SET and all that writes bytes
//   tombstone  nothing                                   DEL
//   base       an integer: a register that was taken as  the first INCR on a register
//              the base of a counter; keeps its dot
//   sum        base id, sum of one actor's increments    INCR: an actor's new sum replaces its last
//
// Registers and tombstones are values by themselves. The base and the sums that name the same base
// id (dot and integer of what was incremented first) are together one value, the counter. Its
// integer is base + sums modulo 2^64: exact whenever the true total fits into int64. A base id is
// the register's dot and integer; for a counter that began on nothing the null dot and 0, on a
// tombstone its dot and 0, on something expired the expiry's stamp and 0. So two replicas that both
// increment what both saw make sums of one base, and no increment is lost. A base of integer 0 is
// not stored.
//
// Every event but a tombstone may carry an expiry: wall time in ms (0: never) and the stamp of who
// set it. Of two expiries the one with the newer stamp holds; should two actors' stamps be equal,
// the later expiry. A counter's expiry is the one that holds among its events'. EXPIRE stamps all
// events that it finds and leaves their dots alone, so it cannot undo a concurrent SET; an
// increment inherits.
//
// Merging (object_merge): an event that both have stays, with the expiry that holds; a register on
// one side and a base on the other make a base. An event that one has stays unless the other's
// history covers it: then the other saw it and replaced it. Histories are joined. This is the join
// of a causal store of dots: idempotent, commutative, associative; nothing goes that nobody
// replaced.
//
//   SET against SET    concurrent: siblings. Over what its coordinator has seen: one value
//   DEL against INCR   concurrent: a tombstone, and as its sibling a counter of the sums that DEL
//                      had not seen, without the base, which it had
//   INCR against INCR  on the same base id: one counter. On different ones: siblings
//
// Events that agree in dot and differ otherwise cannot be made; if damage makes them, the greater
// payload stays, so that replicas still converge.
//
// The winner is the newest value by (hlc, actor identity): what plain commands see. A counter is as
// new as its newest sum (its base when it has none). Values are stored newest first, so that
// reading needs no actor table. A winner that is a tombstone, or expired, means that the key is not
// there; so does an object without values, which is what two replicas make that each deleted one of
// two siblings.
//
// Encoding: little-endian; varint is LEB128 in its shortest form. The tag is the format's version
// (1) in the high half and the form in the low half. Equal objects have equal bytes: the first form
// that fits is used.
//
//   form 1, a register whose history is its dot
//     u8      0x11
//     varint  actor
//     u64     hlc
//     bytes   the value, to the end
//   form 2, the same with an expiry that has the dot as its stamp
//     u8      0x12
//     varint  actor
//     u64     hlc
//     u64     expire_ms
//     bytes   the value, to the end
//   form 3, a tombstone whose history is its dot
//     u8      0x13
//     varint  actor
//     u64     hlc
//   form 4, a counter with one sum, which is its history; base id older and of the same actor, or
//   null; its base stored unless 0; no expiry
//     u8      0x14
//     varint  actor
//     u64     hlc of the sum
//     u64     hlc of the base id, 0: null
//     i64     integer of the base id
//     i64     sum
//   form 5, as form 2, with an expiry that has another stamp of the same actor
//     u8      0x15
//     varint  actor
//     u64     hlc
//     u64     expire_ms, 0: never
//     u64     hlc of its stamp
//     bytes   the value, to the end
//   form 0, anything else. A dot is: varint actor, u64 hlc
//     u8      0x10
//     varint  versions, 1..LIMIT_OBJECT_VERSIONS; then as many dots, ascending by actor
//     varint  dots, 0..LIMIT_HISTORY_DOTS; then as many, ascending by actor, then hlc
//     varint  values; then each, newest first:
//       u8      flags: bits 0..1 kind (enum object_kind)
//               bits 2 and 3 about the expiry of the register or of the stored base
//               bit 4 (counter) the base is stored
//               bit 5 (register) the last one: its bytes go to the end
//       dot     of the event; counter: of the base id, maybe null (0, 0)
//       register, or counter with its base: expiry
//       register without bit 5:
//         varint  size of its bytes
//       counter:
//         i64     integer of the base id
//         varint  sums; then each, newest first:
//           u8      flags: bits 2 and 3
//           dot
//           i64     sum
//           expiry
//     bytes   of the registers, in the order of the values
//   expiry, by the flags of its event: nothing without bit 2
//     u64     expire_ms
//     dot     its stamp; not with bit 3: the stamp is the event's dot
//
// A register without expiry costs 10 bytes with an actor below 128: the size of the value is that
// of the object less the head, and the engine knows the former.
//
// Bytes from outside are never trusted: object_open() refuses what is not exactly as above (varints
// in long form, wrong order, an event that the history does not cover or that is there twice, a
// size past the end, anything left over).
//
// Writers build a "head" in the caller's buffer that is stored together with bytes that lie
// elsewhere (engine_op.parts[0] and parts[1]), so that values are not copied. None of them
// allocates.
#pragma once

#include "cluster/actor.h"
#include "cluster/causal_history.h"
#include "core/codec.h"
#include "core/number.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind { OBJECT_REGISTER, OBJECT_TOMBSTONE, OBJECT_COUNTER };

enum object_form {
    OBJECT_FORM_GENERAL = 0x10,
    OBJECT_FORM_REGISTER = 0x11,
    OBJECT_FORM_REGISTER_EXPIRY = 0x12,
    OBJECT_FORM_TOMBSTONE = 0x13,
    OBJECT_FORM_COUNTER = 0x14,
    OBJECT_FORM_REGISTER_STAMPED = 0x15,
};

enum {
    OBJECT_HEAD_SMALL = 128, // object_head_bound() of no object, and of forms 1 to 5
};

// One value of an object.
struct object_value {
    struct slice bytes; // register: points into the encoded object. else empty
    int64_t integer;    // counter: its total
    uint64_t expire_ms; // 0: never
    struct dot dot;     // of its newest event
    enum object_kind kind;
};

// An encoded object that was found well-formed. Valid as long as its bytes are.
struct object_view {
    struct slice encoded;
    struct object_value winner;
    uint64_t reap_ms;    // see object_reap_ms()
    uint32_t values;     // siblings when > 1
    uint32_t tombstones; // of these
    uint32_t events;     // that the values are made of
    enum object_form form;
    // form 0: offsets into encoded
    uint32_t versions_at;
    uint32_t dots_at;
    uint32_t values_at;
    uint32_t tail_at; // first byte of the registers' bytes, or their end; all forms
    uint32_t versions_count;
    uint32_t dots_count;
};

// Reading. --------------------------------------------------------------------------------------

// False when the bytes are not a well-formed object (*ret is then not to be used).
bool object_open_any(struct slice encoded, struct object_view *ret);

// The same; form 1 with an actor below 128, which most objects are, takes a few instructions.
static inline bool object_open(struct slice encoded, struct object_view *ret)
{
    const uint8_t *const at = encoded.bytes;
    uint64_t hlc = 0;

    if (encoded.size < 10 || encoded.size > UINT32_MAX || at[0] != OBJECT_FORM_REGISTER ||
        at[1] >= 0x80) {
        return object_open_any(encoded, ret);
    }
    memcpy(&hlc, at + 2, sizeof hlc);
    if (hlc == 0 || hlc > DOT_HLC_MAX) {
        return false;
    }
    ret->encoded = encoded;
    ret->winner = (struct object_value){
        .bytes = {.bytes = at + 10, .size = encoded.size - 10},
        .dot = {.hlc = hlc, .actor = at[1]},
        .kind = OBJECT_REGISTER,
    };
    ret->reap_ms = 0;
    ret->values = 1;
    ret->tombstones = 0;
    ret->events = 1;
    ret->form = OBJECT_FORM_REGISTER;
    ret->tail_at = 10;
    ret->versions_count = 1;
    ret->dots_count = 0;
    return true;
}

static inline bool object_value_is_live(const struct object_value *value, uint64_t now_ms)
{
    // As Redis: in the millisecond that it names the value is still there.
    return value->kind != OBJECT_TOMBSTONE && (value->expire_ms == 0 || now_ms <= value->expire_ms);
}

// Whether plain commands see the key.
static inline bool object_is_live(const struct object_view *view, uint64_t now_ms)
{
    return object_value_is_live(&view->winner, now_ms);
}

// Whether there is nothing but tombstones: ENGINE_TOMBSTONE.
static inline bool object_is_tombstone(const struct object_view *view)
{
    return view->tombstones == view->values;
}

// From when on no value lives: engine_op.expire_ms. 0: some value never expires, or there are only
// tombstones.
static inline uint64_t object_reap_ms(const struct object_view *view)
{
    return view->reap_ms;
}

// The winner's expiry, what TTL tells. 0: never.
static inline uint64_t object_expire_ms(const struct object_view *view)
{
    return view->winner.expire_ms;
}

// The winner's bytes as clients see them: a register's in place, a counter's rendered in decimal
// into text[NUMBER_I64_BYTES_MAX]. Empty for a tombstone.
struct slice object_value_bytes(const struct object_value *value, char *text);

// Values, newest first. Dead ones (tombstones, expired) are shown too.
//
//     object_values(view, &iterator);
//     while (object_next(&iterator, &value)) ...
struct object_iterator {
    const struct object_view *view;
    struct codec_reader heads; // at the next value's head
    struct codec_reader tail;  // at the next register's bytes
    uint32_t left;
};

void object_values(const struct object_view *view, struct object_iterator *ret_iterator);
bool object_next(struct object_iterator *iterator, struct object_value *ret_value);

// What the object has seen: the context of RLDB.GET.
void object_history(const struct object_view *view, struct causal_history *ret_history);

// The newest hlc of the actor in the object's history, 0 when none. The vnode's own clock must be
// beyond it before the vnode writes the key (else it met its own future and takes a new
// incarnation).
uint64_t object_newest(const struct object_view *view, uint32_t actor);

// Writing, allocation-free. -----------------------------------------------------------------------
//
// `old` is what the key has, or NULL. `dot` is the new event's: fresh from the vnode's clock, with
// the vnode's present actor. -ESTALE when the object has seen the like of it already:
// object_newest(old, dot.actor) >= dot.hlc. -EOVERFLOW when the version vector would have more than
// LIMIT_OBJECT_VERSIONS entries. What these four write replaces all that the object holds, siblings
// and dead values included.

// Room in bytes that a head over `old` (NULL: none) may need.
size_t object_head_bound(const struct object_view *old);

// SET: the object is the head, then the value's bytes.
int object_write_register(uint8_t *head, size_t capacity, const struct object_view *old,
                          struct dot dot, uint64_t expire_ms, size_t *ret_head_size);

// DEL: the head is the object.
int object_write_tombstone(uint8_t *head, size_t capacity, const struct object_view *old,
                           struct dot dot, size_t *ret_head_size);

// INCRBY: the head is the object. Nothing there, dead winner: counts from 0, without expiry.
// Register with an integer (number_parse_i64): counts from it. Keeps the expiry. -EINVAL: the
// winner is no integer. -ERANGE: the total would leave int64.
int object_write_counter(uint8_t *head, size_t capacity, const struct actor_table *actors,
                         const struct object_view *old, struct dot dot, int64_t delta,
                         uint64_t now_ms, int64_t *ret_total, size_t *ret_head_size);

// EXPIRE, PERSIST (expire_ms 0): the object is the head, then object_tail(old), unchanged (copied
// by the caller if it lies in the engine). All values get the expiry, siblings stay; tombstones
// have none. `stamp` is a fresh event of the clock, which does not enter the history. If it is not
// newer than a stamp it replaces, it is moved just past that one.
int object_write_expiry(uint8_t *head, size_t capacity, const struct object_view *old,
                        struct dot stamp, uint64_t expire_ms, size_t *ret_head_size);

static inline struct slice object_tail(const struct object_view *view)
{
    return slice_of(view->encoded.bytes + view->tail_at, view->encoded.size - view->tail_at);
}

// General operations, into a buffer that takes the whole object. ----------------------------------
//
// They use up to 150 KiB of stack, as the writers above do for objects in form 0.
// -EOVERFLOW: more versions or events than an object may have; nothing is dropped, the caller keeps
// what it has. -ENOBUFS: the capacity is below the bound.

// Room in bytes for the merge of two objects (either may be NULL), or for an object of `old` and a
// new value.
size_t object_merge_bound(const struct object_view *a, const struct object_view *b);
size_t object_put_bound(const struct object_view *old, const struct causal_history *context,
                        size_t value_size);

// What both know; see the top. The result does not depend on the order of a and b.
int object_merge(const struct actor_table *actors, const struct object_view *a,
                 const struct object_view *b, uint8_t *out, size_t capacity, size_t *ret_size);

struct object_put {
    const struct object_view *old;        // or NULL
    const struct causal_history *context; // what the client has read; NULL: nothing
    struct dot dot;                       // of the new value
    struct slice value;
    uint64_t expire_ms; // 0: never
    uint64_t now_ms;
};

// RLDB.PUT: replaces what the context covers, and dead values; leaves the other siblings and adds
// the value. -EMLINK when LIMIT_SIBLINGS others would stay. -ESTALE as above. ret_context: what the
// client has read or replaced now; its next PUT with it replaces its own value and nothing that it
// has not read.
int object_put_with_context(const struct actor_table *actors, const struct object_put *put,
                            uint8_t *out, size_t capacity, size_t *ret_size,
                            struct causal_history *ret_context);

// RLDB.DEL: removes what the context covers (NULL: everything), and dead values. When nothing is
// left, a tombstone with the dot is; else the survivors, and the dot is not used. put->value and
// put->expire_ms are not looked at. ret_removed: whether a live value went.
int object_delete_with_context(const struct actor_table *actors, const struct object_put *put,
                               uint8_t *out, size_t capacity, size_t *ret_size, bool *ret_removed);
