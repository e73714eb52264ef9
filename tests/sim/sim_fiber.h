// What waits inside the simulated world without a thread: a function with a stack of its own.
//
// rldbd's threads open their shards, and close them, in calls that wait in io_turn(). In the world
// each runs in a fiber: where it would wait it goes back to whoever resumed it, and the world goes
// on. So cores start at the same time, faults meet them in the middle of it, and a process can be
// killed there: its fibers are closed, and what their stacks lead to is lost with them.
//
// One level deep: a fiber resumes no other.
#pragma once

struct sim_fiber;
struct sim_world;

typedef void sim_fiber_fn(void *context);

// Runs `function` until it waits or returns. The caller closes it, also after it has returned.
struct sim_fiber *sim_fiber_start(struct sim_world *world, sim_fiber_fn *function, void *context);

// Not the one that runs.
void sim_fiber_close(struct sim_fiber *fiber);

// In a fiber: back to who resumed it, until it is resumed again.
void sim_fiber_wait(struct sim_fiber *fiber);

// Not in a fiber.
void sim_fiber_resume(struct sim_fiber *fiber);
