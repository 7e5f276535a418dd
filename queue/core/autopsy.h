/* SPDX-License-Identifier: MIT */
/*
 * When a run has ended, and its job goes on or is dead: which certificates are
 * kept, and for how long.
 *
 * A job has those of its last ATTEMPTS_KEPT runs. It loses them when it is
 * gone: done, deleted, or folded into another one. A run that was given back
 * has none: it says nothing about the job.
 */
#ifndef GSQ_CORE_AUTOPSY_H
#define GSQ_CORE_AUTOPSY_H

#include "core/core.h"

#include <stdint.h>

/* What is to be remembered of a run that ends with that verdict, while its job
 * still runs. */
struct certificate autopsy_of_run(const struct core *core, uint32_t job,
    const struct outcome *outcome, enum verdict verdict);

/* Is anything to be remembered of it? */
bool autopsy_is_due(enum verdict verdict);

/* The job, which is saved and goes on or is dead, has that certificate. Where
 * there is no memory or no room for it, it has not. */
void autopsy_keep(
    struct core *core, uint32_t job, const struct certificate *certificate);

/* The job is about to be gone, and so are its certificates. */
void autopsy_forget(struct core *core, uint32_t job);

/* The certificate could not be kept. */
void autopsy_drop(struct core *core, uint32_t attempt);

/* One that was kept, of the job with that id. Ends the process without
 * memory. */
void autopsy_restore(struct core *core, const struct fact *fact);

/* All are restored: those whose jobs are gone are forgotten. */
void autopsy_restored(struct core *core);

#endif
