/* SPDX-License-Identifier: MIT */
#include "qctl/exit_status.h"

int
exit_status_of(enum refusal refusal)
{
	if (refusal == REFUSAL_NOT_PERMITTED)
		return EXIT_NOT_PERMITTED;
	if (refusal != REFUSAL_NONE && refusal_code(refusal) == 0)
		return EXIT_TRY_LATER;
	return EXIT_REFUSED;
}
