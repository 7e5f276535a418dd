/* SPDX-License-Identifier: MIT */
/*
 * Whether a batch of events can be enqueued, all or none, decided before any of
 * it is: what each key would come to is planned, and the memory is there.
 */
#ifndef GSQ_CORE_ADMIT_H
#define GSQ_CORE_ADMIT_H

#include "core/core.h"

/*
 * A FACT_ADMIT for that lane. REFUSAL_NONE, and from now on as many
 * FACT_ENQUEUEs cannot be refused; or TOO_BIG, when that batch can never be
 * taken, or FULL, with nothing changed, core->words and core->retry_after_ms
 * set.
 */
enum refusal admit_batch(struct core *core, const struct lane *lane,
    enum key_mode mode, const struct fact *fact);

/* The same of the limits of its queue for a FACT_ENQUEUE that comes alone. */
enum refusal admit_one(struct core *core, const struct lane *lane,
    enum key_mode mode, const struct fact *fact);

/* One of those that were admitted was taken. */
void admit_taken(struct core *core);

#endif
