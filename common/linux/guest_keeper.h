/* The processes between us and a foreign program (guest.h): what runs in them, and what they tell us. */
#ifndef LINUX_GUEST_KEEPER_H
#define LINUX_GUEST_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/linux/guest.h"

/* What we tell the keeper. */
enum {
	GUEST_ASK = SIGTERM /* ask the program to end */,
	GUEST_END = SIGHUP /* end it with all it has started */
};

/* All that the children need; made before they are, since they may not ask for memory. */
struct guest_launch {
	const struct guest *guest;
	char *shown;	    /* the program's name, printable */
	char *shown_folder; /* where it starts, likewise */
	char **paths;	    /* where the program may be, absolute; ends with NULL */
	int output;	    /* the pipe's end for writing */
	bool change_user;
	gid_t *groups; /* of the user, when it is changed */
	int group_count;
};

/* In shared memory (worker_share()): what became of it. */
struct guest_fate {
	bool failed; /* it could not be run: `err` */
	bool over;   /* the program has ended: `status` */
	int status;
	unsigned ended; /* others that were ended after it */
	struct error err;
};

/* The keeper: runs in a forked child of `parent` until all is over. */
__attribute__((noreturn)) void guest_keep(const struct guest_launch *launch,
					  struct guest_fate *fate, pid_t parent);

#endif
