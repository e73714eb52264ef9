// What is rare and has to be reached: a run notes what it met, and enough runs have to have met all
// of it, else the oracles looked at less than they seem to.
#pragma once

// X(NAME, "what was met")
#define LOAD_MARKS(X)                                                                              \
    X(HOP, "a request ran on another core")                                                        \
    X(GATE_WAIT, "a request waited behind a gate")                                                 \
    X(VETO, "MSETNX was vetoed")                                                                   \
    X(INTERLEAVED, "a core stepped in the middle of another's step")                               \
    X(STARVED, "a connection waited for a credit")                                                 \
    X(OVERLOADED, "a hop was refused: none was free")                                              \
    X(BUFFERS_OUT, "no receive buffer was free")                                                   \
    X(SEND_SHORT, "a send took less than it was given")                                            \
    X(WINDOWED, "a connection had as many requests under way as it may")                           \
    X(SHRUNK, "large replies made its window small")                                               \
    X(HELD, "unread replies held the next request back")                                           \
    X(STUCK, "a reader that took nothing for a minute was closed")                                 \
    X(OUTPUT_MAX, "a reply over clients.output_max closed its connection")                         \
    X(READ_PAUSED, "receiving was stopped until the backlog was worked off")                       \
    X(BEHIND, "a command over several cores waited for replies before it")                         \
    X(PAUSED, "CLIENT PAUSE held a request")                                                       \
    X(KILLED, "CLIENT KILL closed a connection")                                                   \
    X(SILENT, "CLIENT REPLY OFF or SKIP was in force")                                             \
    X(RESP3, "a map was answered in RESP3")                                                        \
    X(RESP3_LATE, "a null of RESP3 came from another core")                                        \
    X(CLIENTS_MAX, "a connection was refused at clients.max")                                      \
    X(IDLE_CLOSED, "a connection was closed at clients.idle_timeout")                              \
    X(CUT_OFF, "a client gave its connection up in an outage")                                     \
    X(LOST, "segments were lost")                                                                  \
    X(FULL, "a write was refused for want of memory")                                              \
    X(EVICTED_LRU, "lru evicted")                                                                  \
    X(EVICTED_RANDOM, "random evicted")                                                            \
    X(EVICTED_TTL, "ttl evicted")                                                                  \
    X(EXPIRED, "expired keys were reaped")                                                         \
    X(CLEANED, "live records were moved to free their segment")                                    \
    X(KILLED_LOADED, "a process was killed with requests unanswered")                              \
    X(RESTARTED, "a node came back after its process was killed")                                  \
    X(RECONNECTED, "a client was told that nobody listens, and tried again")                       \
    X(STOPPED_LOADED, "the node was stopped with requests unanswered")                             \
    X(COMMIT_HELD, "a reply waited for its group commit")                                          \
    X(COLD_READ, "a command waited for a record from disk")                                        \
    X(MOVED, "compaction moved records on disk")                                                   \
    X(CHECKPOINT, "a checkpoint was written under load")                                           \
    X(TORN, "recovery met a torn frame")                                                           \
    X(WRITING, "a process ended with writes on their way to the disk")                             \
    X(LATE_KEPT, "a write that was not acknowledged was there after a crash")                      \
    X(LATE_LOST, "a write that was not acknowledged was gone after a crash")                       \
    X(UNSYNCED_LOST, "a write that was acknowledged without sync was gone after a crash")          \
    X(STARTING_KILLED, "a process was killed while it recovered")                                  \
    X(START_FAILED, "a start failed, and was tried again")                                         \
    X(NO_SPACE, "a write was refused for want of room on the disk")                                \
    X(IO_ERROR, "a request was answered that the disk failed")                                     \
    X(WRITING_ENDED, "a failed write ended all writing, and the node was started anew")            \
    X(DAMAGE_TOLD, "a node said that its data is damaged")                                         \
    X(CORRUPT, "a request for a damaged record was answered with that")                            \
    X(LOST_TOLD, "after damage what was acknowledged was gone, and that was told")                 \
    X(REPAIRED, "a damaged node that did not start was repaired, and started")                     \
    X(SNAPSHOT, "a snapshot was made under load")                                                  \
    X(SNAPSHOT_BUSY, "a snapshot was refused, since one was under way")                            \
    X(SNAPSHOT_FAILED, "a snapshot was not made, since the disk had no room or failed")            \
    X(SNAPSHOT_DELETED, "a snapshot was deleted under load")                                       \
    X(SNAPSHOT_KILLED, "a process ended in the middle of a snapshot")                              \
    X(SNAPSHOT_STARTED, "a node started on a snapshot, which was one moment of all keys")          \
    X(SNAPSHOT_SPREAD, "and with another number of cores")                                         \
    X(CLEAN, "after SIGTERM a node came back with its data")

#define LOAD_MARK_ENUM(name, text) MARK_##name,
enum load_mark { LOAD_MARKS(LOAD_MARK_ENUM) MARK_COUNT };
#undef LOAD_MARK_ENUM
