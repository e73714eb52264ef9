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

// The options and verbs as mdoc(7), for the man page rldb(1).
void help_mdoc(struct text *ret_text);

// The keys of the configuration as mdoc(7), for the man page rldbd.yaml(5). They are read from the
// text of config_full_text.
void help_mdoc_keys(struct text *ret_text);

// Copies a page and puts help_mdoc in place of its line `.\" VERBS`, help_mdoc_keys in place of
// `.\" KEYS`.
void help_mdoc_page(const char *page, struct text *ret_text);
