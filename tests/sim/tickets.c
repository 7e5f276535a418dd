/* SPDX-License-Identifier: MIT */
/*
 * The judge of tokens that producers say with what they enqueue. Here they are
 * tickets, as a token is what tells one body from all others.
 *
 * What has one ticket is one job, however often it is said, unless that job may
 * have been lost: its ticket is lost with it then, and with nothing else. Who
 * says the same again is told of that job; who says something else is refused.
 */
#include "tests/sim/known.h"

#include "base/check.h"
#include "base/limits.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#define TICKETS_MAX 4096u
#define RECENT	    40u

struct ticket {
	uint32_t token; /* it was sent with that first; 0: not yet */
	bool is_shared; /* and with another one, too */
	uint64_t job;	/* that is known, the last one; 0: none */
};

static struct ticket tickets[TICKETS_MAX];
static uint32_t count;
static uint32_t recent[RECENT]; /* tokens, in a ring */
static uint64_t recent_count;

void
tickets_reset(void)
{
	count = 0;
	recent_count = 0;
}

uint32_t
oracle_new_ticket(void)
{
	if (count + 1 == TICKETS_MAX)
		return 0;
	tickets[++count] = (struct ticket){ 0 };
	return count;
}

/* Of any length that one may have. */
struct span
oracle_ticket(uint32_t ticket)
{
	static char text[TOKEN_BYTES_MAX + 1];
	size_t least = (size_t)snprintf(text, sizeof(text), "%u", ticket);
	size_t bytes = 1 + ticket * 37 % TOKEN_BYTES_MAX;
	if (bytes <= least)
		return (struct span){ text, least };
	memset(text + least, '=', bytes - least);
	return (struct span){ text, bytes };
}

uint32_t
oracle_some_ticketed(void)
{
	uint64_t most = recent_count < RECENT ? recent_count : RECENT;
	return most > 0 ? recent[draw(most)] : 0;
}

/* NULL: it has none. */
static struct ticket *
ticket_of(uint32_t number)
{
	uint32_t ticket = oracle_enqueue(number)->ticket;
	return ticket != 0 ? &tickets[ticket] : NULL;
}

/* The job of that ticket, which is remembered for certain; or NULL. */
static const struct known *
job_of(const struct ticket *ticket)
{
	const struct known *job =
	    ticket->job != 0 ? oracle_job(ticket->job) : NULL;
	return job != NULL && !job->may_be_lost ? job : NULL;
}

void
tickets_sent(uint32_t number)
{
	struct ticket *ticket = ticket_of(number);
	if (ticket == NULL)
		return;
	if (oracle_token(number)->sends == 1)
		recent[recent_count++ % RECENT] = number;
	if (ticket->token == 0)
		ticket->token = number;
	ticket->is_shared |= ticket->token != number;
}

/* ---- answers ---- */

static void
look_at_repetition(const struct known *job)
{
	sight(SIGHT_REPEATED);
	if (job->is_known && job->known_life != queue_life())
		sight(SIGHT_REPEATED_OVER_RESTART);
	if (job->over_power)
		sight(SIGHT_REPEATED_OVER_POWER);
	if (job->ended != ENDED_NOT)
		sight(SIGHT_REPEATED_AFTER_END);
}

void
tickets_acknowledged(
    const struct acknowledged *acknowledged, const struct known *job)
{
	uint32_t number = acknowledged->token;
	const struct ticket *ticket = ticket_of(number);
	if (!acknowledged->is_repeated) {
		if (ticket != NULL && job->is_known &&
		    job->known_at < acknowledged->sent_at)
			broken("what is said again is known again",
			    "token %u is new, and job %llu was known before it "
			    "was sent",
			    number, (unsigned long long)job->id);
		return;
	}
	if (ticket == NULL || oracle_token(number)->sends < 2)
		broken("only what was said before is said again",
		    "token %u is job %llu already", number,
		    (unsigned long long)job->id);
	const struct known *first = job_of(ticket);
	if ((first != NULL && first != job) ||
	    (job->is_known && job->token != number))
		broken("what is said again is answered as at first",
		    "token %u is job %llu, and was job %llu", number,
		    (unsigned long long)job->id,
		    (unsigned long long)ticket->job);
	look_at_repetition(job);
}

void
tickets_known(const struct known *job)
{
	struct ticket *ticket = ticket_of(job->token);
	if (ticket == NULL || job->may_be_lost)
		return;
	const struct known *first = job_of(ticket);
	if (first != NULL && first != job)
		broken("what has one token is one job",
		    "job %llu of token %u, and job %llu of token %u",
		    (unsigned long long)job->id, job->token,
		    (unsigned long long)first->id, first->token);
	if (ticket->job != 0)
		sight(SIGHT_TICKET_LOST);
	ticket->job = job->id;
}

void
oracle_reused(uint32_t number)
{
	const struct ticket *ticket = ticket_of(number);
	const struct known *first = ticket != NULL ? job_of(ticket) : NULL;
	if (ticket == NULL || !ticket->is_shared ||
	    (first != NULL && first->token == number))
		broken("only another job has a token in vain",
		    "token %u is refused", number);
	oracle_token(number)->is_given_up = true;
	sight(SIGHT_REUSED_REFUSED);
}
