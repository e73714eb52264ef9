// The HELP subcommands.
#pragma once

struct exec;

// Replies the lines, an array that ends with NULL, as Redis does: an array of statuses.
void help_reply(struct exec *x, const char *const *lines);
