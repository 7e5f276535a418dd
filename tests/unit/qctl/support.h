/* SPDX-License-Identifier: MIT */
/*
 * Answers of gsq, and pages to be looked at, for the tests of this folder.
 */
#ifndef GSQ_TESTS_QCTL_SUPPORT_H
#define GSQ_TESTS_QCTL_SUPPORT_H

#include "qctl/page.h"
#include "wire/message.h"

/* The answer that looks so as JSON, with ' for "; good to the end. */
const msgpack_object *answer_like(const char *json);

/* The lines of a page, without blanks at their ends; each ends in a line feed.
 * No piece lies on another one, nor beyond the page. Good until the next call.
 */
const char *lines_of(const struct page *page);

void expect_page(const struct page *page, const char *lines);

#endif
