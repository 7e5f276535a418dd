/* SPDX-License-Identifier: MIT */
#include "core/repetition.h"

#include "core/wish.h"

static void
refuse(struct core *core, enum refusal refusal, const char *words)
{
	core->refusal = refusal;
	core->words = words;
}

bool
repetition_answer(struct core *core, const struct fact *fact)
{
	uint32_t handle = tokens_find(&core->tokens, fact->enqueue.token);
	if (handle == 0)
		return false;
	const struct token *token = token_at(&core->tokens, handle);
	if (token->digest != fact->enqueue.digest) {
		refuse(core, REFUSAL_TOKEN_REUSED,
		    "that token came with another job, less than a day ago; a "
		    "token stands for one job");
		return true;
	}
	core->answer = token->job;
	core->result = (enum enqueue_result)token->result;
	core->is_repeated = true;
	core->counters.repeated++;
	return true;
}

uint32_t
repetition_prepare(struct core *core, const struct fact *fact)
{
	uint32_t handle = tokens_take(&core->tokens, fact->enqueue.token);
	if (handle == 0)
		refuse(core, REFUSAL_FULL,
		    "no room for another token, as each is kept for a day; "
		    "enqueue without one, or later");
	else
		token_at(&core->tokens, handle)->digest = fact->enqueue.digest;
	return handle;
}

void
repetition_settle(struct core *core, uint32_t handle, const struct lane *lane)
{
	if (core->refusal != REFUSAL_NONE) {
		tokens_give(&core->tokens, handle);
		return;
	}
	struct token *token = token_at(&core->tokens, handle);
	token->job = core->answer;
	token->result = (uint8_t)core->result;
	token->note = core->next_id++;
	token->ends_at_ms = core->now_ms + TOKEN_LIFE_MS;
	token->in_memory = lane->policy.durability == DURABILITY_MEMORY;
	tokens_append(&core->tokens, handle);
	struct wish *wish = wish_add(core, WISH_NOTE);
	wish->id = token->note;
	wish->token = handle;
	wish->lane = lane->handle;
}

void
repetition_restore(struct core *core, const struct fact *fact)
{
	const struct token *token = &fact->restore_token.token;
	tokens_restore(&core->tokens, token, fact->restore_token.text);
	if (token->note >= core->next_id)
		core->next_id = token->note + 1;
}

int64_t
repetition_wake_at(const struct core *core)
{
	uint32_t oldest = core->tokens.oldest;
	return oldest != 0 ? token_at(&core->tokens, oldest)->ends_at_ms
			   : INT64_MAX;
}

void
repetition_act(struct core *core)
{
	for (unsigned left = DUE_JOBS_PER_STEP_MAX;
	     left > 0 && repetition_wake_at(core) <= core->now_ms; left--) {
		const struct token *token =
		    token_at(&core->tokens, core->tokens.oldest);
		struct wish *wish = wish_add(core, WISH_FORGET_NOTE);
		wish->id = token->note;
		wish->body = token->body;
		wish->body_bytes = token->body_bytes;
		wish->in_memory = token->in_memory;
		tokens_drop_oldest(&core->tokens);
	}
}
