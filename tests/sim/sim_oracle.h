// Who judges a run: every violation is found by one of these, and named so in what is printed.
#pragma once

// X(NAME, "name", what it holds the run to)
#define SIM_ORACLES(X)                                                                             \
    X(REPLIES, "replies", "replies have the right type, text and order, in RESP as specified")     \
    X(HISTORY, "history", "each object's operations are linearizable, in the connections' order")  \
    X(WHOLE, "whole", "a command over several keys is seen as a whole")                            \
    X(SCAN, "scan", "SCAN and KEYS return every key that was there all the time, and no stranger") \
    X(HANG_UP, "hang-up", "the node ends a connection only for a reason")                          \
    X(PROGRESS, "progress", "everything ends in bounded virtual time")                             \
    X(SLEEP, "sleep", "no core sleeps with work in its hands or inbox")                            \
    X(IDLE, "idle", "an idle node takes few turns")                                                \
    X(LEFT_OVER, "left-over", "what was taken is given back when all clients are gone")            \
    X(MEMORY, "memory", "data and unread replies stay inside their bounds")                        \
    X(SLICE, "slice", "a turn does no more work than its slice")                                   \
    X(EVICTIONS, "evictions", "a key that is gone was deleted, expired or counted as evicted")     \
    X(DURABLE, "durable", "after a crash what was acknowledged is there, without holes")           \
    X(SNAPSHOT, "snapshot", "a snapshot is one moment of all keys, whole, and there when told so") \
    X(DAMAGE, "damage", "what is served is whole; errors and damage are told where there are any") \
    X(CLOCK, "clock", "a clock goes on after every stamp that it gave before, in whatever life")   \
    X(TRACE, "trace", "the same seed makes the same trace")                                        \
    X(CHECK, "check", "no CHECK of the code or of the world fails, no sanitizer complains")

#define SIM_ORACLE_ENUM(name, text, what) SIM_ORACLE_##name,
enum sim_oracle { SIM_ORACLES(SIM_ORACLE_ENUM) SIM_ORACLE_COUNT };
#undef SIM_ORACLE_ENUM

static inline const char *sim_oracle_name(enum sim_oracle oracle)
{
#define SIM_ORACLE_NAME(name, text, what) [SIM_ORACLE_##name] = (text),
    static const char *const names[] = {SIM_ORACLES(SIM_ORACLE_NAME)};
#undef SIM_ORACLE_NAME

    return names[oracle];
}

// A violation, in words.
typedef void sim_violation_fn(void *context, enum sim_oracle oracle, const char *text);
