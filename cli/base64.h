// Base64 (RFC 4648, section 4: the alphabet with + and /, padded), for bytes that JSON text cannot
// hold.
#pragma once

#include "core/text.h"

#include <stddef.h>

void base64_encode(const void *bytes, size_t size, struct text *ret_text);

// Strict: padding has to be there, bits beyond the last byte have to be 0, nothing else may stand
// between. 0, or -EINVAL, and then ret_text is as it was.
int base64_decode(const char *encoded, size_t size, struct text *ret_text);
