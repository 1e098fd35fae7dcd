/*
 * Programs that open databases though they are not the application: editors whose language servers and indexers read
 * every file of a project, and tools to look into databases. Pure functions of a process's program and command line,
 * which anybody can forge: for advice only.
 */
#ifndef COMMON_KNOWN_PROGRAMS_H
#define COMMON_KNOWN_PROGRAMS_H

#include "common/linux/process.h"

enum known_kind {
	KNOWN_EDITOR,  /* an editor or IDE: its indexers can be told to leave a file alone */
	KNOWN_BROWSER, /* shows databases: may have changes that are not written yet */
	KNOWN_INDEXER, /* of the desktop, or of locate(1) */
};

struct known_program {
	const char *name; /* "VS Code" */
	enum known_kind kind;
};

/* NULL when it is none that is known. */
const struct known_program *known_program(const struct process *process);

#endif
