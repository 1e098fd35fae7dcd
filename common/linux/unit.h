/* systemd's units, the system's and users': asked and stopped through systemctl. */
#ifndef LINUX_UNIT_H
#define LINUX_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/supervisor.h"

struct unit {
	pid_t main_pid; /* 0 when it has none */
	bool kills_all; /* stopping it ends all its processes (KillMode=control-group or mixed) */
	char *restart;	/* Restart=: "no", "always", "on-failure" */
};

/* The most words before a unit's name in a systemctl command line. */
enum { UNIT_MOST_WORDS = 8 };

/*
 * Fills `arguments` with systemctl, the manager that the unit belongs to, `verb`, and the unit. `buffer` holds
 * what has to be made up; both must live as long as the arguments are used.
 */
void unit_command(const struct supervisor *unit, const char *verb, char buffer[64],
		  const char *arguments[UNIT_MOST_WORDS]);

/* Asks for at most `patience` seconds; fails too when the unit does not run. */
bool unit_show(const struct supervisor *supervisor, double patience, struct unit *unit,
	       struct error *err);
/* Whether its last stop ended in systemd's own SIGKILL. */
bool unit_stop_timed_out(const struct supervisor *supervisor, double patience);
void unit_release(struct unit *unit);

/* The command that starts it again, for a shell; free() it. */
char *unit_start_command(const struct supervisor *unit);

#endif
