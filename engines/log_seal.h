// Footers (log_footer.h) as work: gathered while a head fills a segment, and written when it has
// left it. For the log engine's own files.
//
// What a frame's records say is added when the frame is closed, from its bytes. So a footer costs
// memory for the segment that each head fills. The segment goes without where its records are so
// small that reading them takes little longer than reading what a footer says of them, which costs
// room on the disk and is written too; and where more wait to be written than LOG_SEALS_MAX.
//
// One footer is written at a time, and only what is known to be on the disk is told of:
//
//     all frames of the segment written -> they are durable, or the file is synced -> body ->
//     sync -> the last block, with the header
//
// The header is in one sector, and comes last. So a header whose body does not hold is damage, and
// what a stop has torn has none. Until it is written the segment has a pin, and is not used anew.
//
// Room for it is kept at the segment's end while that fills (log_seal_room()).
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct log_engine;
struct log_frame;
struct log_head;
struct log_seal;
struct log_seals;

int log_seals_open(struct log_engine *engine);
void log_seals_close(struct log_engine *engine);

// The first frame of a head's segment begins.
void log_seal_begin(struct log_engine *engine, struct log_head *head);

// A frame of the head was closed.
void log_seal_add(struct log_engine *engine, struct log_head *head, const struct log_frame *frame);

// Bytes at the end of the head's segment that frames must leave free, where one of so many records
// comes next: whole blocks, as frames take, so that who asks for room gets it.
uint32_t log_seal_room(const struct log_head *head, uint32_t records);

// The head has left its segment, and what it has gathered is written; or is not needed.
void log_seal_end(struct log_engine *engine, struct log_head *head);
void log_seal_forget(struct log_head *head);

// The heads have left their segments. Nothing is written that has not begun to be: the engine
// closes, and a checkpoint says more, or hardly anything is live.
void log_seals_forget(struct log_engine *engine);

// Goes on where it waits for frames.
void log_seals_step(struct log_engine *engine);

// Whether an operation is under way.
bool log_seals_busy(const struct log_engine *engine);
