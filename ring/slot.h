// From a key to its slot: the first step of every command that names a key.
//
//     slot = CRC16(key, or its hash tag) mod 16384
//
// The hash tag is what stands between the first '{' and the first '}' after it, if that is at least
// one byte; keys with equal tags share a slot, whatever else they say. So "{user7}:name" and
// "{user7}:mail" meet in one slot, "{}a" and "{a" are hashed whole, and of "{{a}}" it is "{a".
//
// CRC16 is CRC-16/XMODEM: polynomial 0x1021, initial value 0, bits not reflected, nothing xored at
// the end; "123456789" gives 0x31c3. Eight bytes are folded in at a time with eight tables of 256
// entries (4 KiB).
//
// Sources: "Redis cluster specification", sections "Key distribution model" and "Hash tags";
// Kounavis and Berry, "A systematic approach to building high performance software-based CRC
// generators", 2005 (slicing by eight).
#pragma once

#include "core/slice.h"

#include <stdint.h>

enum { SLOT_COUNT = 16384 };

// CRC-16/XMODEM of the bytes.
uint16_t slot_crc16(struct slice bytes);

// The part of the key that is hashed: its tag, or all of it. Points into the key.
struct slice slot_tag(struct slice key);

// 0..SLOT_COUNT - 1. The empty key has slot 0.
uint16_t slot_of_key(struct slice key);
