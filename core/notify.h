// Tells a supervisor how far start and stop have come, as systemd's sd_notify(3) defines it: one
// datagram of NAME=value lines to the unix socket named by $NOTIFY_SOCKET ('@' first: an abstract
// name). Written by hand, since libsystemd would be linked for these forty lines alone. Called from
// cli/ only.
#pragma once

// Sends `state`, such as "READY=1" or "STOPPING=1", to `socket_name`, the value of $NOTIFY_SOCKET.
// 0 also when socket_name is NULL or empty: nobody asked. -EINVAL for a name that is neither
// absolute nor abstract, or too long; -errno.
int notify_send(const char *socket_name, const char *state);
