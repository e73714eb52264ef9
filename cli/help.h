// The help texts, the words for completion and the verbs' part of the man page, all made from the
// table of verbs.
#pragma once

#include "cli/verb.h"
#include "core/text.h"

// All verbs in lines, and the global options.
void help_program(bool colored, struct text *ret_text);

// One verb: usage, what it does, its options.
void help_verb(const struct verb *verb, bool colored, struct text *ret_text);

// What may follow, one word a line: the verbs and the global options without a verb, else the
// verb's subwords and options.
void help_words(const struct verb *verb, struct text *ret_text);

// The verbs as mdoc(7), for the man page.
void help_mdoc(struct text *ret_text);
