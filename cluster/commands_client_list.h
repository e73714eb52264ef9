// CLIENT INFO, LIST and KILL: the handlers, whose rows are in commands_client.c. LIST and KILL walk
// over the clients of every core, in slices.
#pragma once

struct exec;

void client_info(struct exec *x);
void client_list(struct exec *x);
void client_list_finish(struct exec *x);
void client_kill(struct exec *x);
void client_kill_finish(struct exec *x);
