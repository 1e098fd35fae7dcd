/* What tests of the kernel's lock events begin with: the machine's processes, tracefs, and a folder. */
#ifndef TESTS_UNIT_TRACING_H
#define TESTS_UNIT_TRACING_H

#include "tests/unit/folder.h"

#include "common/base/error.h"
#include "common/linux/lock_trace.h"
#include "common/linux/proc_root.h"

struct tracing {
	struct proc_root root;
	int tracefs; /* -1 where it cannot be had */
	char *folder;
};

static inline bool tracing_make(struct tracing *tracing)
{
	struct error err = { 0 };
	void *folder = NULL;

	if (!proc_root_open(&tracing->root, NULL, &err) || folder_make(&folder) != 0)
		return false;
	tracing->folder = folder;
	tracing->tracefs = lock_trace_reach(&err);
	return true;
}

/* 0, as cmocka has it. */
static inline int tracing_remove(struct tracing *tracing)
{
	void *folder = tracing->folder;

	proc_root_close(&tracing->root);
	if (tracing->tracefs >= 0)
		(void)close(tracing->tracefs);
	return folder_remove(&folder);
}

/* Whether the kernel lets us trace at all. Where not, the suite says so, and is not green for it. */
static inline bool tracing_works(const struct tracing *tracing)
{
	if (tracing->tracefs >= 0 && tracing->root.initial_pid_namespace && geteuid() == 0)
		return true;
	print_message("skipped: this takes root, in the initial PID namespace\n");
	skip();
	return false;
}

#endif
