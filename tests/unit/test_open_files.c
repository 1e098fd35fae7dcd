#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "common/linux/open_files.h"

/* One file in a folder of the test's own, and what to ask about it. */
struct fixture {
	char path[PATH_MAX];
	struct open_target target;
	struct open_query query;
};

static void fixture_start(struct fixture *fixture, const char *folder)
{
	struct stat about = { 0 };

	folder_write_text(folder, "bot.db", "content");
	(void)folder_path(folder, "bot.db", fixture->path);
	assert_int_equal(stat(fixture->path, &about), 0);
	fixture->target = (struct open_target){
		.wanted = true,
		.major = major(about.st_dev),
		.minor = minor(about.st_dev),
		.inode = about.st_ino,
		.path = fixture->path,
		.key = { major(about.st_dev), minor(about.st_dev), about.st_ino },
	};
	fixture->query = (struct open_query){
		.targets = &fixture->target,
		.count = 1,
		.self = getpid(),
	};
}

static void walk(const struct fixture *fixture, bool deep, struct open_files *found)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(open_files_walk(&root, &fixture->query, deep, found, &err));
}

static void look_at(const struct fixture *fixture, pid_t pid, struct open_files *found)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	assert_true(proc_root_open(&root, NULL, &err));
	open_files_of(&root, &fixture->query, pid, true, found);
}

static void nobody_has_a_closed_file_open(void **state)
{
	struct fixture fixture;
	auto_open_files quick = { 0 }, deep = { 0 };

	fixture_start(&fixture, *state);
	walk(&fixture, false, &quick);
	walk(&fixture, true, &deep);
	assert_int_equal(quick.count, 0);
	assert_int_equal(deep.count, 0);
}

static void the_callers_own_descriptors_are_not_looked_at(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	const int fd = open(fixture.path, O_RDONLY | O_CLOEXEC);

	walk(&fixture, true, &found);
	assert_int_equal(found.count, 0);
	(void)close(fd);
}

static void open_as_zero(const struct child_side *side, void *path)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, 0) < 0 || close(fd) != 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void a_file_open_as_descriptor_zero_is_found(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_as_zero, fixture.path);

	walk(&fixture, false, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].pid, child.pid);
	assert_int_equal(found.items[0].fd, 0);
	assert_int_equal(found.items[0].target, 0);
	assert_true(found.items[0].writable);
	assert_false(found.items[0].replaced);
	assert_string_equal(found.items[0].path, fixture.path);
	assert_int_equal(found.items[0].lock_count, 0);
}

static void open_read_only_high(const struct child_side *side, void *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_DUPFD, 200) != 200 || close(fd) != 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void who_only_reads_is_told_apart(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_read_only_high, fixture.path);

	look_at(&fixture, child.pid, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].fd, 200);
	assert_false(found.items[0].writable);
}

static void open_and_delete(const struct child_side *side, void *path)
{
	if (open(path, O_RDWR) < 0 || unlink(path) != 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void a_deleted_file_is_found_as_replaced(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_and_delete, fixture.path);

	folder_write_text(*state, "bot.db", "its successor");
	fixture.target.wanted = false;
	walk(&fixture, false, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].pid, child.pid);
	assert_true(found.items[0].replaced);
}

static void a_deleted_file_of_another_name_is_not_our_predecessor(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };
	char other[PATH_MAX];

	fixture_start(&fixture, *state);
	folder_write_text(*state, "other.db", "x");

	struct child child = child_start(open_and_delete,
					 (void *)(uintptr_t)folder_path(*state, "other.db", other));

	walk(&fixture, true, &found);
	child_finish(&child);
	assert_int_equal(found.count, 0);
}

static void a_file_whose_name_says_deleted_is_just_a_file(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };
	char odd[PATH_MAX];

	fixture_start(&fixture, *state);
	folder_write_text(*state, "bot.db (deleted)", "x");

	struct child child = child_start(
		open_as_zero, (void *)(uintptr_t)folder_path(*state, "bot.db (deleted)", odd));

	walk(&fixture, true, &found);
	child_finish(&child);
	assert_int_equal(found.count, 0);
}

static void open_only_as_path(const struct child_side *side, void *path)
{
	if (open(path, O_PATH) < 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void a_descriptor_that_only_names_the_file_is_no_use_of_it(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 }, quick = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_only_as_path, fixture.path);

	look_at(&fixture, child.pid, &found);
	walk(&fixture, false, &quick);
	child_finish(&child);
	assert_int_equal(found.count, 0);
	assert_int_equal(quick.count, 0);
}

static void map_and_close(const struct child_side *side, void *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED || close(fd) != 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void a_mapping_without_a_descriptor_is_found_by_the_deep_look_only(void **state)
{
	struct fixture fixture;
	auto_open_files quick = { 0 }, deep = { 0 }, one = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(map_and_close, fixture.path);

	walk(&fixture, false, &quick);
	walk(&fixture, true, &deep);
	look_at(&fixture, child.pid, &one);
	child_finish(&child);
	assert_int_equal(quick.count, 0);
	assert_int_equal(deep.count, 1);
	assert_int_equal(deep.items[0].pid, child.pid);
	assert_int_equal(deep.items[0].fd, -1);
	assert_int_equal(one.count, 1);
}

/* A thread that stays; what it has to do first, and how it says that it is done. */
struct thread_task {
	const struct child_side *side;
	const char *path;
	bool own_table; /* has descriptors of its own, and opens the file there */
};

static void *stay_in_thread(void *argument)
{
	const struct thread_task *task = argument;

	if (task->own_table && (unshare(CLONE_FILES) != 0 || open(task->path, O_RDWR) < 0))
		_exit(72);
	child_say_ready(task->side);
	child_stay(task->side);
	_exit(0);
}

static void leave_a_thread_behind(const struct child_side *side, void *path)
{
	/* Of this function nothing is left when the thread looks. */
	static struct child_side own_side;
	static struct thread_task task;

	own_side = *side;
	task = (struct thread_task){ &own_side, path, false };

	pthread_t thread;

	if (open(path, O_RDWR) < 0 || pthread_create(&thread, NULL, stay_in_thread, &task) != 0)
		_exit(71);
	pthread_exit(NULL);
}

/* Blocks until the leader of the process is a zombie: its thread runs on, so it cannot be waited for. */
static void wait_for_exit_of_leader(pid_t pid)
{
	char path[64], line[512] = "";

	(void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
	while (!strstr(line, ") Z ")) {
		const int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		line[read(fd, line, sizeof line - 1) > 0 ? sizeof line - 1 : 0] = '\0';
		(void)close(fd);
		(void)sched_yield();
	}
}

static void a_process_whose_leader_has_exited_is_found_by_its_thread(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(leave_a_thread_behind, fixture.path);

	wait_for_exit_of_leader(child.pid);
	walk(&fixture, false, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].pid, child.pid);
	assert_true(found.items[0].writable);
}

static void open_in_a_thread_of_its_own(const struct child_side *side, void *path)
{
	struct thread_task task = { side, path, true };
	pthread_t thread;

	if (pthread_create(&thread, NULL, stay_in_thread, &task) != 0)
		_exit(71);
	(void)pthread_join(thread, NULL);
}

static void a_thread_with_descriptors_of_its_own_is_found_by_the_deep_look(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_in_a_thread_of_its_own, fixture.path);

	walk(&fixture, true, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].pid, child.pid);
}

static void open_beside_a_thread(const struct child_side *side, void *path)
{
	/* Of this function nothing is left when the thread looks. */
	static struct child_side own_side;
	static struct thread_task task;

	own_side = *side;
	task = (struct thread_task){ &own_side, path, false };

	pthread_t thread;

	if (open(path, O_RDWR) < 0 || pthread_create(&thread, NULL, stay_in_thread, &task) != 0)
		_exit(71);
	(void)pthread_join(thread, NULL);
}

static void a_descriptor_that_threads_share_is_listed_once(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_beside_a_thread, fixture.path);

	look_at(&fixture, child.pid, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
}

static void lock_in_all_ways(const struct child_side *side, void *path)
{
	struct flock posix = { .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
	struct flock ofd = { .l_type = F_WRLCK, .l_start = 5, .l_len = 2 };
	const int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_SETLK, &posix) != 0 || fcntl(fd, F_OFD_SETLK, &ofd) != 0 ||
	    flock(fd, LOCK_SH) != 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void the_locks_of_a_descriptor_come_with_it(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };
	bool posix = false, ofd = false, flock = false;

	fixture_start(&fixture, *state);

	struct child child = child_start(lock_in_all_ways, fixture.path);

	look_at(&fixture, child.pid, &found);
	child_finish(&child);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].lock_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct lock_line *lock = &found.items[0].locks[i];

		posix = posix || (lock->class == LOCK_POSIX && lock->pid == child.pid &&
				  lock->write && lock->first == 1 && lock->last == 1);
		ofd = ofd || (lock->class == LOCK_OFD && lock->pid == -1 && lock->first == 5 &&
			      lock->last == 6);
		flock = flock || (lock->class == LOCK_FLOCK && !lock->write);
	}
	assert_true(posix && ofd && flock);
}

static void open_twice(const struct child_side *side, void *path)
{
	if (open(path, O_RDWR) < 0 || open(path, O_RDONLY) < 0)
		_exit(71);
	child_say_ready(side);
	child_stay(side);
}

static void each_descriptor_is_listed(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_twice, fixture.path);

	walk(&fixture, false, &found);
	child_finish(&child);
	assert_int_equal(found.count, 2);
	assert_int_not_equal(found.items[0].fd, found.items[1].fd);
	assert_int_equal(found.items[0].writable + found.items[1].writable, 1);
}

static void files_below_a_mount_to_avoid_are_not_looked_at(void **state)
{
	struct fixture fixture;
	auto_open_files avoided = { 0 }, found = { 0 };
	const char *const folders[] = { "/nowhere", *state };
	char sibling[PATH_MAX];

	fixture_start(&fixture, *state);

	struct child child = child_start(open_as_zero, fixture.path);

	fixture.query.avoid = folders;
	fixture.query.avoid_count = 2;
	walk(&fixture, false, &avoided);

	/* A folder whose name only starts like ours is another one. */
	(void)snprintf(sibling, sizeof sibling, "%s", (const char *)*state);
	sibling[strlen(sibling) - 1] = '\0';

	const char *const others[] = { sibling };

	fixture.query.avoid = others;
	fixture.query.avoid_count = 1;
	walk(&fixture, false, &found);
	child_finish(&child);
	assert_int_equal(avoided.count, 0);
	assert_int_equal(found.count, 1);
}

static void a_process_that_is_gone_has_nothing_open(void **state)
{
	struct fixture fixture;
	auto_open_files found = { 0 };

	fixture_start(&fixture, *state);

	struct child child = child_start(open_as_zero, fixture.path);

	child_finish(&child);
	look_at(&fixture, child.pid, &found);
	assert_int_equal(found.count, 0);
	assert_int_equal(found.hidden, 0);
}

static void become_nobody(const struct child_side *side, void *argument)
{
	struct open_files found = { 0 };
	struct fixture *fixture = argument;

	if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
		_exit(71);

	struct proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	fixture->query.self = getpid();
	if (!proc_root_open(&root, NULL, &err) ||
	    !open_files_walk(&root, &fixture->query, false, &found, &err) || found.hidden == 0)
		_exit(72);
	open_files_release(&found);
	proc_root_close(&root);
	child_say_ready(side);
	child_stay(side);
}

static void processes_that_may_not_be_looked_at_are_counted(void **state)
{
	struct fixture fixture;

	if (geteuid() != 0)
		skip();
	fixture_start(&fixture, *state);

	struct child child = child_start(become_nobody, &fixture);

	child_finish(&child);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(nobody_has_a_closed_file_open),
		TEST(the_callers_own_descriptors_are_not_looked_at),
		TEST(a_file_open_as_descriptor_zero_is_found),
		TEST(who_only_reads_is_told_apart),
		TEST(a_deleted_file_is_found_as_replaced),
		TEST(a_deleted_file_of_another_name_is_not_our_predecessor),
		TEST(a_file_whose_name_says_deleted_is_just_a_file),
		TEST(a_descriptor_that_only_names_the_file_is_no_use_of_it),
		TEST(a_mapping_without_a_descriptor_is_found_by_the_deep_look_only),
		TEST(a_process_whose_leader_has_exited_is_found_by_its_thread),
		TEST(a_thread_with_descriptors_of_its_own_is_found_by_the_deep_look),
		TEST(a_descriptor_that_threads_share_is_listed_once),
		TEST(the_locks_of_a_descriptor_come_with_it),
		TEST(each_descriptor_is_listed),
		TEST(files_below_a_mount_to_avoid_are_not_looked_at),
		TEST(a_process_that_is_gone_has_nothing_open),
		TEST(processes_that_may_not_be_looked_at_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
