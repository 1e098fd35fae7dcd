#include "common/linux/privileges.h"

#include <errno.h>
#include <sys/capability.h>
#include <unistd.h>

/*
 * CAP_SYS_PTRACE: descriptors, executables and folders of other users' processes.
 * CAP_DAC_READ_SEARCH: to list them, and to reach a database in somebody's private folder.
 * CAP_LEASE: to ask the kernel about a file of another owner (lease.h). Only root has it in effect when that is done.
 * CAP_FOWNER: to read a file of another owner without touching its access time (O_NOATIME); likewise.
 */
static const cap_value_t looking[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_LEASE, CAP_FOWNER };

/*
 * CAP_KILL: to signal them. CAP_DAC_OVERRIDE: to thaw a control group. Supervisors' programs, run by root, get
 * root's rights back when they start: the bounding set is left as it is.
 */
static const cap_value_t stopping[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_LEASE, CAP_FOWNER,
					CAP_KILL,	CAP_DAC_OVERRIDE };

/*
 * CAP_DAC_OVERRIDE: to reach a database and a folder of another owner. CAP_CHOWN, CAP_FOWNER, CAP_FSETID: what SQLite
 * makes beside a database gets the database's owner (F11), and so does a file that is put in its place.
 */
static const cap_value_t copying[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_LEASE, CAP_FOWNER,
				       CAP_CHOWN,      CAP_DAC_OVERRIDE,    CAP_FSETID };

/*
 * CAP_SYS_ADMIN: to make the private view in which a program works on a copy (sandbox.h). CAP_SETUID, CAP_SETGID: the
 * program runs as the database's owner. CAP_KILL: to end it. A program that root is to run gets root's rights back when
 * it starts: the bounding set is left as it is.
 */
static const cap_value_t migrating[] = {
	CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_LEASE,	 CAP_FOWNER, CAP_CHOWN, CAP_DAC_OVERRIDE,
	CAP_FSETID,	CAP_SYS_ADMIN,	     CAP_SETUID, CAP_SETGID, CAP_KILL,	CAP_SETFCAP
};

/* What this program keeps; set once, at its start. */
static const cap_value_t *kept = looking;
static int kept_count = sizeof looking / sizeof *looking;

static bool is_permitted(cap_t capabilities, cap_value_t which)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(capabilities, which, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

/* The capabilities to have, given those that we could keep. NULL with errno set on failure. */
static cap_t reduced(cap_t current, bool in_effect)
{
	cap_t wanted = cap_init();
	bool good = wanted != NULL;

	for (int i = 0; good && i < kept_count; i++) {
		if (!is_permitted(current, kept[i]))
			continue;
		good = cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], CAP_SET) == 0 &&
		       (!in_effect ||
			cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) == 0);
	}
	if (!good && wanted) {
		(void)cap_free(wanted);
		wanted = NULL;
	}
	return wanted;
}

static bool set_reduced(bool in_effect)
{
	cap_t current = cap_get_proc();
	cap_t wanted = current ? reduced(current, in_effect) : NULL;
	const bool done = wanted && cap_set_proc(wanted) == 0;
	const int error = errno;

	if (wanted)
		(void)cap_free(wanted);
	if (current)
		(void)cap_free(current);
	errno = error;
	return done;
}

bool privileges_keep_looking(struct error *err)
{
	(void)cap_reset_ambient(); /* fails only where there are none */
	if (!set_reduced(geteuid() == 0))
		return fail_errno(err, STATUS_TROUBLE, "cannot drop privileges");
	return true;
}

bool privileges_keep_stopping(struct error *err)
{
	kept = stopping;
	kept_count = sizeof stopping / sizeof *stopping;
	return privileges_keep_looking(err);
}

bool privileges_keep_copying(struct error *err)
{
	kept = copying;
	kept_count = sizeof copying / sizeof *copying;
	return privileges_keep_looking(err);
}

bool privileges_keep_migrating(struct error *err)
{
	kept = migrating;
	kept_count = sizeof migrating / sizeof *migrating;
	return privileges_keep_looking(err);
}

/* Failing to raise shows as processes that could not be looked at, which are counted and said. */
void privileges_raise(void)
{
	(void)set_reduced(true);
}

void privileges_lower(void)
{
	if (geteuid() != 0)
		(void)set_reduced(false);
}

bool privileges_see_everything(void)
{
	cap_t current = cap_get_proc();
	const bool all = current && is_permitted(current, CAP_SYS_PTRACE) &&
			 is_permitted(current, CAP_DAC_READ_SEARCH);

	if (current)
		(void)cap_free(current);
	return all;
}
