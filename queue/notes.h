/* SPDX-License-Identifier: MIT */
/*
 * What is kept beside the jobs, as records of the store: tokens of producers,
 * and certificates of attempts (core/certificate.h says what these say in
 * bytes). Here stands what a token says.
 */
#ifndef GSQ_QUEUE_NOTES_H
#define GSQ_QUEUE_NOTES_H

#include "core/core.h"
#include "queue/store.h"

#define NOTE_BYTES_MAX (32 + TOKEN_BYTES_MAX)

/* The body of the note of a token with that text. wall_ms: the wall clock when
 * the monotonic one was 0. */
struct span notes_body(const struct core *core, uint32_t token,
    struct span text, int64_t wall_ms, char room[NOTE_BYTES_MAX]);

/* Of what an enqueue says with its token: the same for the same job. */
uint64_t notes_digest(struct span queue, struct span key, struct span body);

/* Is it told by its body? */
bool notes_need_body(const struct record *record);

/* The fact that a note is, as its store has restored it. False for what no gsq
 * has written. */
bool notes_fact(const struct record *record, struct span body, int64_t now_ms,
    int64_t wall_ms, struct fact *ret_fact);

/* The record of the note with that id; *job is the record's. False when there
 * is none. */
bool notes_find(const struct core *core, uint64_t id, struct job *job,
    struct record *ret_record);

/* The body of the note with that id, which there is, is there now. */
void notes_moved(struct core *core, uint64_t id, uint64_t body);

#endif
