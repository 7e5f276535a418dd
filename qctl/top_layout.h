/* SPDX-License-Identifier: MIT */
/*
 * What top shows: a page made from what is known and what the user looks at.
 * It draws nothing; any size of the page will do.
 */
#ifndef GSQ_QCTL_TOP_LAYOUT_H
#define GSQ_QCTL_TOP_LAYOUT_H

#include "base/limits.h"
#include "qctl/page.h"
#include "qctl/snapshot.h"

#include <stdbool.h>
#include <stddef.h>

enum top_sort {
	TOP_SORT_NAME,
	TOP_SORT_READY,
	TOP_SORT_RATE, /* of jobs that are done */
	TOP_SORT_DEAD,
	TOP_SORT_COUNT
};

const char *top_sort_name(enum top_sort sort);

enum top_kind {
	TOP_NOTHING,
	TOP_QUEUE,  /* a queue in stats */
	TOP_CHILD,  /* a child in the tree */
	TOP_FOREIGN /* a worker that the supervisor did not start */
};

/* What a key does. */
struct top_help {
	const char *key;
	const char *word; /* at the foot of the page; NULL: only in the help */
	const char *help;
};

#define TOP_WORDS_MAX 512

/* What the user looks at. All zero: nothing yet. */
struct top_view {
	enum top_sort sort;
	enum top_kind selected; /* TOP_NOTHING: none yet */
	char selected_name[NAME_BYTES_MAX + 1];
	bool wants_help;
	const struct top_help *help;
	size_t help_count;
	char queue_away[TOP_WORDS_MAX]; /* why; "": it answers */
	char supervisor_away[TOP_WORDS_MAX];
	char message[TOP_WORDS_MAX]; /* what became of the last key */
	char question[TOP_WORDS_MAX];
};

/* One that can be selected. */
struct top_entry {
	enum top_kind kind;
	uint32_t at; /* its place in the answer it is from */
	const msgpack_object *object;
	int64_t rank; /* among queues; the greatest stands first */
};

/* All of them in the order in which they are shown; owned by the caller, with
 * free. NULL when there are none. */
struct top_entry *top_entries(const struct snapshot *snapshot,
    const struct top_view *view, size_t *ret_count);

/* The one that is selected: that of the view, else the first; NULL without
 * any. */
const struct top_entry *top_selected(
    const struct top_entry *entries, size_t count, const struct top_view *view);

/* Selects another one. */
void top_select(struct top_view *view, const struct top_entry *entry);

/* The page. It was begun, and is empty. */
void top_layout(struct page *page, const struct snapshot *snapshot,
    const struct top_view *view);

#endif
