#include "tests/unit/child.h"
#include "tests/unit/tracing.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/lock_trace.h"

static int set_up(void **state)
{
	struct tracing *tracing = memory_allocate(1, sizeof *tracing);

	*state = tracing;
	return tracing_make(tracing) ? 0 : -1;
}

static int tear_down(void **state)
{
	auto_free struct tracing *tracing = *state;

	return tracing_remove(tracing);
}

static int make_file(const struct tracing *tracing, const char *name, struct lock_key *key)
{
	char path[PATH_MAX];
	struct stat about;
	const int fd =
		open(folder_path(tracing->folder, name, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &about), 0);
	*key = (struct lock_key){ major(about.st_dev), minor(about.st_dev), about.st_ino };
	return fd;
}

static int set_lock(int fd, short type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_start = start, .l_len = length };

	return fcntl(fd, F_SETLK, &lock);
}

static void start(struct lock_trace *trace, const struct tracing *tracing,
		  const struct lock_key *key)
{
	const struct lock_trace_filter filter = { key, 1, 120, 128 };
	struct error err = { 0 };

	if (!lock_trace_start(trace, tracing->tracefs, &tracing->root, &err) ||
	    !lock_trace_listen(trace, &filter, &err))
		fail_msg("%s", err.text);
}

/* The machine's other databases are heard as well: bytes such as a -shm has, of any file. */
static void keep_those_of(struct lock_trace_events *events, pid_t pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < events->count; i++)
		if (events->items[i].pid == pid)
			events->items[kept++] = events->items[i];
	events->count = kept;
}

/* Reads until there are that many events of a process; the kernel holds none back for long. */
static void read_events(struct lock_trace *trace, struct lock_trace_events *events, pid_t pid,
			size_t count)
{
	const double until = clock_now() + 10;
	struct error err = { 0 };

	do {
		assert_true(lock_trace_read(trace, events, &err));
		keep_those_of(events, pid);
	} while (events->count < count && clock_now() < until);
	assert_int_equal(events->count, count);
}

static size_t instances(const struct tracing *tracing, const char *name)
{
	char path[PATH_MAX];
	struct stat about;

	(void)snprintf(path, sizeof path, "instances/%s", name);
	return fstatat(tracing->tracefs, path, &about, 0) == 0;
}

static void locks_on_the_file_are_heard_in_order(void **state)
{
	const struct tracing *tracing = *state;
	auto_lock_trace trace = LOCK_TRACE_NONE;
	struct lock_trace_events events = { 0 };
	struct lock_key key, other;

	if (!tracing_works(tracing))
		return;

	const int fd = make_file(tracing, "bot.db", &key);
	const int unrelated = make_file(tracing, "other.db", &other);
	const double before = clock_now();

	start(&trace, tracing, &key);
	assert_int_equal(set_lock(fd, F_WRLCK, 1073741825, 1), 0);
	assert_int_equal(set_lock(unrelated, F_WRLCK, 1073741825, 1), 0);
	assert_int_equal(set_lock(unrelated, F_RDLCK, 128, 1), 0); /* may be its -shm */
	assert_int_equal(set_lock(fd, F_UNLCK, 0, 0), 0);
	assert_int_equal(set_lock(fd, F_RDLCK, 1073741826, 510), 0);
	(void)close(fd);
	read_events(&trace, &events, getpid(), 5);

	const struct lock_trace_event *first = &events.items[0];

	assert_int_equal(first->pid, getpid());
	assert_int_equal(first->inode, key.inode);
	assert_int_equal(first->major, key.major);
	assert_int_equal(first->minor, key.minor);
	assert_int_equal(first->act, LOCK_TRACE_WRITE);
	assert_int_equal(first->first, 1073741825);
	assert_int_equal(first->last, 1073741825);
	assert_int_equal(first->error, 0);
	assert_true((double)first->nanoseconds / 1e9 >= before);
	assert_true((double)first->nanoseconds / 1e9 <= clock_now());
	assert_int_equal(events.items[1].inode, other.inode);
	assert_int_equal(events.items[1].first, 128);
	assert_int_equal(events.items[2].act, LOCK_TRACE_UNLOCK);
	assert_int_equal(events.items[3].act, LOCK_TRACE_READ);
	assert_int_equal(events.items[4].act, LOCK_TRACE_UNLOCK); /* by the close */
	assert_true(events.items[4].last == UINT64_MAX);
	assert_int_equal(events.lost, 0);
	(void)close(unrelated);
	lock_trace_events_release(&events);
}

static void hold(const struct child_side *side, void *argument)
{
	if (set_lock(*(int *)argument, F_WRLCK, 120, 1) == 0)
		child_say_ready(side);
	child_stay(side);
}

static void a_refused_attempt_is_heard_with_its_reason(void **state)
{
	const struct tracing *tracing = *state;
	auto_lock_trace trace = LOCK_TRACE_NONE;
	struct lock_trace_events events = { 0 };
	struct lock_key key;

	if (!tracing_works(tracing))
		return;

	int fd = make_file(tracing, "bot.db", &key);
	struct child child = child_start(hold, &fd);

	start(&trace, tracing, &key);
	assert_int_equal(set_lock(fd, F_WRLCK, 120, 1), -1);
	read_events(&trace, &events, getpid(), 1);
	assert_int_equal(events.items[0].act, LOCK_TRACE_WRITE);
	assert_true(events.items[0].error == EAGAIN || events.items[0].error == EACCES);
	child_finish(&child);
	(void)close(fd);
	lock_trace_events_release(&events);
}

static void a_process_that_is_killed_gives_its_locks_back_before_our_ears(void **state)
{
	const struct tracing *tracing = *state;
	auto_lock_trace trace = LOCK_TRACE_NONE;
	struct lock_trace_events events = { 0 };
	struct lock_key key;

	if (!tracing_works(tracing))
		return;

	int fd = make_file(tracing, "bot.db", &key);
	struct child child = child_start(hold, &fd);

	start(&trace, tracing, &key);
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	child_finish(&child);
	read_events(&trace, &events, child.pid, 1);
	assert_int_equal(events.items[0].act, LOCK_TRACE_UNLOCK);
	(void)close(fd);
	lock_trace_events_release(&events);
}

static void the_instance_is_gone_when_the_trace_ends(void **state)
{
	const struct tracing *tracing = *state;
	struct lock_trace trace = LOCK_TRACE_NONE;
	struct lock_key key;

	if (!tracing_works(tracing))
		return;
	(void)close(make_file(tracing, "bot.db", &key));
	start(&trace, tracing, &key);

	char *name = memory_copy_text(trace.name);

	assert_int_equal(instances(tracing, name), 1);
	lock_trace_stop(&trace);
	assert_int_equal(instances(tracing, name), 0);
	lock_trace_stop(&trace); /* once more does nothing */
	free(name);
}

/* Another run may be removing it at the same time, and the kernel takes its time for that. */
static bool goes(const struct tracing *tracing, const char *name)
{
	const double until = clock_now() + 10;

	while (instances(tracing, name) && clock_now() < until)
		continue;
	return !instances(tracing, name);
}

/* One that a run of this test left that did not come to its end is taken. */
static void make_instance(const struct tracing *tracing, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "instances/%s", name);
	assert_true(mkdirat(tracing->tracefs, path, 0700) == 0 || errno == EEXIST);
}

static void what_a_killed_run_left_is_removed_and_nobody_elses(void **state)
{
	static const char *const strangers[] = { "dblockcheck-test", "dblockcheck-1-",
						 "other-1-1" };
	const struct tracing *tracing = *state;
	auto_lock_trace trace = LOCK_TRACE_NONE;
	struct lock_key key;
	char path[PATH_MAX];

	if (!tracing_works(tracing))
		return;
	(void)close(make_file(tracing, "bot.db", &key));
	make_instance(tracing, "dblockcheck-1-77");
	for (size_t i = 0; i < 3; i++)
		make_instance(tracing, strangers[i]);
	start(&trace, tracing, &key);
	assert_true(goes(tracing, "dblockcheck-1-77")); /* PID 1 is somebody else */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(instances(tracing, strangers[i]), 1);
		(void)snprintf(path, sizeof path, "instances/%s", strangers[i]);
		assert_int_equal(unlinkat(tracing->tracefs, path, AT_REMOVEDIR), 0);
	}
	assert_int_equal(instances(tracing, trace.name), 1);
}

static void in_another_pid_namespace_it_is_refused(void **state)
{
	const struct tracing *tracing = *state;
	auto_lock_trace trace = LOCK_TRACE_NONE;
	struct proc_root elsewhere = tracing->root;
	struct error err = { 0 };

	elsewhere.initial_pid_namespace = false;
	assert_false(lock_trace_start(&trace, tracing->tracefs, &elsewhere, &err));
	assert_non_null(strstr(err.text, "PID namespace"));
}

static int reach_as_nobody(void *argument)
{
	struct error err = { 0 };

	(void)argument;
	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 2;
	return lock_trace_reach(&err) < 0 && strstr(err.text, "root") ? 0 : 1;
}

static void without_rights_it_says_what_is_missing(void **state)
{
	const struct tracing *tracing = *state;

	if (!tracing_works(tracing) || access("/sys/kernel/tracing/instances", F_OK) == 0)
		return; /* mounted: then the refusal comes with the instance */
	assert_int_equal(WEXITSTATUS(child_run(reach_as_nobody, NULL)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(locks_on_the_file_are_heard_in_order, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_refused_attempt_is_heard_with_its_reason, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_process_that_is_killed_gives_its_locks_back_before_our_ears, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(the_instance_is_gone_when_the_trace_ends, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_run_left_is_removed_and_nobody_elses,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_another_pid_namespace_it_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_rights_it_says_what_is_missing, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
