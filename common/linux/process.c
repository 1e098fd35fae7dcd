#include "common/linux/process.h"

#include <errno.h>
#include <libproc2/pids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/linux/stat_line.h"

/* libproc2 takes at most this many PIDs in one call (procps 4.0.6 lifts the limit). */
enum { MOST_AT_ONCE = 200, NAME_SIZE = 64, MOST_COMMAND = 4 << 20, MOST_STATUS = 64 << 10 };

enum field {
	FIELD_PID,
	FIELD_PPID,
	FIELD_UID,
	FIELD_USER,
	FIELD_START,
	FIELD_TTY,
	FIELD_FLAGS,
	FIELD_GROUP,
	FIELD_SESSION,
	FIELD_COUNT
};

static const enum pids_item items[FIELD_COUNT] = {
	[FIELD_PID] = PIDS_ID_PID,	   [FIELD_PPID] = PIDS_ID_PPID,
	[FIELD_UID] = PIDS_ID_EUID,	   [FIELD_USER] = PIDS_ID_EUSER,
	[FIELD_START] = PIDS_TICS_BEGAN,   [FIELD_TTY] = PIDS_TTY_NAME,
	[FIELD_FLAGS] = PIDS_FLAGS,	   [FIELD_GROUP] = PIDS_ID_PGRP,
	[FIELD_SESSION] = PIDS_ID_SESSION,
};

/* include/linux/sched.h, PF_KTHREAD and PF_FORKNOEXEC: proc(5) shows them among the flags. */
static const unsigned long kernel_thread_flag = 0x00200000, forked_flag = 0x00000040;

/* PIDS_VAL() has four arguments in procps 4.0.2 and three from 4.0.5 on; this works with both. */
#define VALUE(stack, field, type) ((stack)->head[field].result.type)

void process_release(struct process *process)
{
	for (size_t i = 0; i < process->command_count; i++)
		free(process->command[i]);
	free(process->command);
	free(process->user);
	free(process->name);
	free(process->exe);
	free(process->cwd);
	free(process->tty);
	*process = (struct process){ .pid = process->pid };
}

static char *read_file(const struct proc_root *root, pid_t pid, const char *name, size_t most,
		       size_t *length)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "%d/%s", pid, name);
	return proc_read(root->fd, path, most, length);
}

static char *read_link(const struct proc_root *root, pid_t pid, const char *name)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "%d/%s", pid, name);
	return proc_read_link(root->fd, path);
}

/* cmdline: each argument ends with a NUL. A program may have overwritten it, also without a NUL. */
static void read_command(const struct proc_root *root, struct process *process)
{
	size_t length = 0, capacity = 0;
	auto_free char *bytes = read_file(root, process->pid, "cmdline", MOST_COMMAND, &length);

	for (size_t at = 0; bytes && at < length;) {
		const size_t size = strnlen(bytes + at, length - at);

		process->command = memory_grow(process->command, &capacity,
					       process->command_count + 1, sizeof(char *));
		process->command[process->command_count++] = memory_copy(bytes + at, size);
		at += size + 1;
	}
}

static void read_name(const struct proc_root *root, struct process *process)
{
	size_t length = 0;

	process->name = read_file(root, process->pid, "comm", NAME_SIZE, &length);
	if (process->name && length > 0 && process->name[length - 1] == '\n')
		process->name[length - 1] = '\0';
}

/* status: "NSpid:\t4123\t17\t1" from our namespace to its own, and "SigCgt:\t0000000000014a07". */
static void read_status(const struct proc_root *root, struct process *process)
{
	auto_free char *text = read_file(root, process->pid, "status", MOST_STATUS, NULL);
	const char *blocked = text ? strstr(text, "\nSigBlk:\t") : NULL;
	const char *pids = text ? strstr(text, "\nNSpid:") : NULL;
	const char *caught = text ? strstr(text, "\nSigCgt:\t") : NULL;
	uint64_t pid = 0;
	int levels = 0;

	if (caught) {
		caught += strlen("\nSigCgt:\t");
		(void)parse_number_at(&caught, 16, UINT64_MAX, &process->catches);
	}
	if (blocked) {
		blocked += strlen("\nSigBlk:\t");
		(void)parse_number_at(&blocked, 16, UINT64_MAX, &process->blocks);
	}
	if (!pids)
		return;
	for (pids += strlen("\nNSpid:"); parse_word_at(&pids, "\t"); levels++)
		if (!parse_number_at(&pids, 10, INT32_MAX, &pid))
			return;
	process->container_pid = levels > 1 ? (pid_t)pid : 0;
}

static void read_supervisor(const struct proc_root *root, struct process *process)
{
	auto_free char *cgroups = read_file(root, process->pid, "cgroup", MOST_STATUS, NULL);

	auto_free char *own = proc_read(root->fd, "self/cgroup", MOST_STATUS, NULL);

	if (cgroups)
		supervisor_read(cgroups, own, &process->supervisor);
}

/* Its parents, from the nearest on. Each may end while we look: then the chain ends there. */
static void read_ancestors(const struct proc_root *root, struct process *process)
{
	for (pid_t pid = process->ppid; pid > 0 && process->ancestor_count < MOST_ANCESTORS;) {
		struct ancestor *ancestor = &process->ancestors[process->ancestor_count];
		size_t length = 0;
		struct stat_line line = { 0 };
		auto_free char *stat = read_file(root, pid, "stat", MOST_STATUS, &length);
		size_t name_length = 0;
		auto_free char *name =
			read_file(root, pid, "comm", sizeof ancestor->name, &name_length);

		if (!stat || !name || !stat_line_read(stat, length, &line))
			return;
		ancestor->pid = pid;
		if (name_length > 0) /* without the newline that ends it */
			memcpy(ancestor->name, name, name_length - 1);
		process->ancestor_count++;
		pid = line.ppid;
	}
}

/*
 * Who was only forked runs the same program as its parent; a parent that runs another one has taken it over from the
 * first, which is gone. (One that was forked before its parent's execve(2) looks the same, and shells do not do that.)
 */
static bool has_lost_parent(const struct proc_root *root, const struct process *process)
{
	auto_free char *exe = read_link(root, process->ppid, "exe");

	if (!process->forked || !process->exe || process->ppid <= 0)
		return false;
	if (!exe)
		return process->ppid == 1 && root->initial_pid_namespace;
	return strcmp(exe, process->exe) != 0;
}

/* setsid(2) makes it, and the process or its parent, which then ends, leads it (daemon(7)). */
static bool has_own_session(const struct proc_root *root, const struct process *process,
			    pid_t group, pid_t session)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "%d", session);
	return session == process->pid ||
	       (session == group && faccessat(root->fd, path, F_OK, 0) != 0);
}

static void take_facts(const struct proc_root *root, const struct pids_stack *facts,
		       struct process *process)
{
	const char *tty = VALUE(facts, FIELD_TTY, str);

	process->known = true;
	process->ppid = VALUE(facts, FIELD_PPID, s_int);
	process->kernel_thread = VALUE(facts, FIELD_FLAGS, ul_int) & kernel_thread_flag;
	process->uid = VALUE(facts, FIELD_UID, u_int);
	process->forked = VALUE(facts, FIELD_FLAGS, ul_int) & forked_flag;
	process->user = memory_copy_text(VALUE(facts, FIELD_USER, str));
	process->start_ticks = VALUE(facts, FIELD_START, ull_int);
	if (tty && strcmp(tty, "?") != 0)
		process->tty = memory_copy_text(tty);
	process->exe = read_link(root, process->pid, "exe");
	process->cwd = read_link(root, process->pid, "cwd");
	process->orphaned = has_lost_parent(root, process);
	process->daemon = has_own_session(root, process, VALUE(facts, FIELD_GROUP, s_int),
					  VALUE(facts, FIELD_SESSION, s_int));
	read_name(root, process);
	read_command(root, process);
	read_status(root, process);
	read_supervisor(root, process);
	read_ancestors(root, process);
}

/* The facts of up to MOST_AT_ONCE processes. */
static bool read_some(const struct proc_root *root, struct pids_info *info,
		      struct process *processes, size_t count, struct error *err)
{
	unsigned ids[MOST_AT_ONCE] = { 0 };

	for (size_t i = 0; i < count; i++)
		ids[i] = (unsigned)processes[i].pid;

	const struct pids_fetch *fetched =
		procps_pids_select(info, ids, (int)count, PIDS_SELECT_PID);

	if (!fetched)
		return fail_errno(err, STATUS_TROUBLE, "/proc: cannot read about processes");
	for (int found = 0; found < fetched->counts->total; found++)
		for (size_t i = 0; i < count; i++)
			if (VALUE(fetched->stacks[found], FIELD_PID, s_int) == processes[i].pid)
				take_facts(root, fetched->stacks[found], &processes[i]);
	return true;
}

bool processes_read(const struct proc_root *root, struct process *processes, size_t count,
		    struct error *err)
{
	enum pids_item wanted[FIELD_COUNT];
	struct pids_info *info = NULL;
	bool done = true;

	if (count == 0)
		return true;
	memcpy(wanted, items, sizeof wanted);

	const int result = procps_pids_new(&info, wanted, FIELD_COUNT);

	if (result < 0) {
		errno = -result;
		return fail_errno(err, STATUS_TROUBLE, "/proc: cannot read about processes");
	}
	for (size_t at = 0; done && at < count; at += MOST_AT_ONCE)
		done = read_some(root, info, processes + at,
				 count - at < MOST_AT_ONCE ? count - at : MOST_AT_ONCE, err);
	(void)procps_pids_unref(&info); /* returns the references left, not an error */
	return done;
}
