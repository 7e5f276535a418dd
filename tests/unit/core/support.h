/* SPDX-License-Identifier: MIT */
/*
 * A core and its clock for the tests of this folder.
 */
#ifndef GSQ_TESTS_CORE_SUPPORT_H
#define GSQ_TESTS_CORE_SUPPORT_H

#include "core/core.h"
#include "tests/support/memory.h"

extern struct core core;
extern int64_t now_ms;

/* 3 attempts, retries after 1 s, 2 s, 4 s, 8 s and no longer; +-10 %. */
extern const struct lane_policy usual_policy;

/* A fresh core; ids from 1. */
void begin(void);
void begin_with(const struct lane_policy *policy); /* kept by the caller */

/* Tells the core; every invariant holds afterwards. */
void tell(struct fact fact);

/* Each tells one fact that must not be refused. */
uint64_t enqueue(const char *queue);
uint64_t enqueue_sized(const char *queue, uint8_t priority, uint32_t bytes);
uint32_t subscribe(const char *queue); /* a foreign worker */
uint32_t subscribe_worker(const char *queue, int64_t pid, int64_t incarnation);
void subscribe_too(uint32_t subscriber, const char *queue);
void ask(uint32_t subscriber, const char *queue, uint32_t n);
void pass(int64_t duration_ms);
void worker_up(int64_t pid, int64_t incarnation);
void worker_down(int64_t pid, int64_t incarnation, bool planned);

/* These may be refused. */
void answer(uint32_t subscriber, uint64_t msgid, enum verdict verdict);
void gone(uint32_t subscriber);

struct lane *lane_named(const char *queue);
struct job *job_with(uint64_t id);
struct lease *lease_of(uint64_t id);

/* The n-th wish of that kind in the last step, from 0, or NULL. */
const struct wish *wished(enum wish_kind kind, unsigned n);
unsigned count_wished(enum wish_kind kind);

#endif
