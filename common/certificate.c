#include "common/certificate.h"

#include "common/base/clock.h"
#include "common/base/scope.h"
#include "common/linux/lease.h"

enum { TRIES = 8 };

/* Not a multiple of anything: two surveys that meet once shall not go on meeting. */
static const double pause_seconds = 0.00043;

static enum lease_answer ask_file(const struct target *target, enum database_file file,
				  enum lease_question question)
{
	struct error ignored = { 0 };
	auto_close int fd = target_reopen(target, file, &ignored);

	return fd < 0 ? LEASE_NOT_ALLOWED : lease_ask(fd, question);
}

static enum lease_answer ask_all(const struct target *target, enum lease_question question)
{
	enum lease_answer answer = ask_file(target, FILE_MAIN, question);

	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT && answer == LEASE_ALONE;
	     file++)
		if (target->files[file].path_fd >= 0 &&
		    ask_file(target, file, question) == LEASE_SHARED)
			answer = LEASE_SHARED;
	return answer;
}

enum certificate certificate_ask(const struct target *target, bool expected)
{
	if (target->trust != FILESYSTEM_LOCAL)
		return CERTIFICATE_NONE;

	enum lease_answer answer = ask_all(target, LEASE_ANYBODY);

	for (int i = 1; i < TRIES && answer == LEASE_SHARED && !expected; i++) {
		clock_sleep_until(clock_now() + pause_seconds);
		answer = ask_all(target, LEASE_ANYBODY);
	}
	if (answer == LEASE_ALONE)
		return CERTIFICATE_FREE;
	if (answer != LEASE_SHARED)
		return CERTIFICATE_NONE;
	return ask_all(target, LEASE_WRITER) == LEASE_ALONE ? CERTIFICATE_NO_WRITER
							    : CERTIFICATE_IN_USE;
}
