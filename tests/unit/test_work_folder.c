#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include <sys/file.h>

#include "common/base/scope.h"
#include "common/linux/work_folder.h"

static const char prefix[] = ".work.";

static int opened(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void made(struct work_folder *work, int parent_fd)
{
	struct error err = { 0 };

	if (!work_folder_make(work, parent_fd, prefix, "the folder", &err))
		fail_msg("%s", err.text);
}

static bool is_there(int parent_fd, const char *name)
{
	return faccessat(parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(int fd, const char *name)
{
	const int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	assert_int_equal(write(file, "bytes", 5), 5);
	(void)close(file);
}

/* As a run leaves one that was killed: there, but locked by nobody. */
static void leave_one(int parent_fd, const char *name, const char *file)
{
	assert_int_equal(mkdirat(parent_fd, name, 0700), 0);
	if (!file)
		return;

	auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	put_file(fd, file);
}

static void it_is_private_and_has_the_prefix_and_16_digits(void **state)
{
	auto_close int parent_fd = opened(*state);
	auto_work_folder work = WORK_FOLDER_NONE;
	struct stat stat = { 0 };

	made(&work, parent_fd);
	assert_int_equal(fstatat(parent_fd, work.name, &stat, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(stat.st_mode));
	assert_int_equal(stat.st_mode & 07777, 0700);
	assert_memory_equal(work.name, prefix, strlen(prefix));
	assert_int_equal(strlen(work.name), strlen(prefix) + 16);
	assert_int_equal(strspn(work.name + strlen(prefix), "0123456789abcdef"), 16);
}

static void two_at_a_time_do_not_meet(void **state)
{
	auto_close int parent_fd = opened(*state);
	auto_work_folder one = WORK_FOLDER_NONE, other = WORK_FOLDER_NONE;

	made(&one, parent_fd);
	made(&other, parent_fd);
	assert_string_not_equal(one.name, other.name);
}

static void it_is_locked_while_somebody_works_in_it(void **state)
{
	auto_close int parent_fd = opened(*state);
	auto_work_folder work = WORK_FOLDER_NONE;

	made(&work, parent_fd);

	auto_close int again = openat(parent_fd, work.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	assert_true(is_there(parent_fd, work.name));
}

static void it_goes_with_all_that_was_made_in_it(void **state)
{
	static const char *const files[] = {
		WORK_COPY,   WORK_COPY "-journal", WORK_COPY "-wal", WORK_COPY "-shm",
		WORK_PACKED, WORK_MANIFEST,	   WORK_SUM,
	};
	auto_close int parent_fd = opened(*state);
	auto_work_folder work = WORK_FOLDER_NONE;
	char name[WORK_NAME_SIZE];

	made(&work, parent_fd);
	memcpy(name, work.name, sizeof name);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		put_file(work.fd, files[i]);
	work_folder_remove(&work);
	assert_false(is_there(parent_fd, name));
	assert_int_equal(work.fd, -1);
	assert_int_equal(work.parent_fd, -1);
	work_folder_remove(&work);
}

static void a_foreign_file_in_it_is_not_removed(void **state)
{
	auto_close int parent_fd = opened(*state);
	struct work_folder work = WORK_FOLDER_NONE;
	char name[WORK_NAME_SIZE], path[2 * WORK_NAME_SIZE];

	made(&work, parent_fd);
	memcpy(name, work.name, sizeof name);
	put_file(work.fd, WORK_COPY);
	put_file(work.fd, "diary.txt");
	work_folder_remove(&work);
	(void)snprintf(path, sizeof path, "%s/diary.txt", name);
	assert_true(is_there(parent_fd, path));
	(void)snprintf(path, sizeof path, "%s/" WORK_COPY, name);
	assert_false(is_there(parent_fd, path));
}

static void one_that_was_renamed_is_emptied_and_its_name_left_alone(void **state)
{
	auto_close int parent_fd = opened(*state);
	struct work_folder work = WORK_FOLDER_NONE;
	char name[WORK_NAME_SIZE];

	made(&work, parent_fd);
	memcpy(name, work.name, sizeof name);
	put_file(work.fd, WORK_COPY);
	assert_int_equal(renameat(parent_fd, name, parent_fd, "moved"), 0);
	assert_int_equal(mkdirat(parent_fd, name, 0700), 0);
	work_folder_remove(&work);
	assert_true(is_there(parent_fd, name));
	assert_false(is_there(parent_fd, "moved/" WORK_COPY));
}

static void a_folder_that_gives_its_group_to_what_is_made_in_it_is_fine(void **state)
{
	auto_close int parent_fd = opened(*state);
	auto_work_folder work = WORK_FOLDER_NONE;

	/* How a folder is shared by a group: mkdir(2) hands the set-group-ID bit on. */
	assert_int_equal(fchmod(parent_fd, 02770), 0);
	made(&work, parent_fd);
	assert_true(is_there(parent_fd, work.name));
}

static void a_folder_that_is_gone_is_trouble(void **state)
{
	auto_close int parent_fd = opened(*state);

	assert_int_equal(mkdirat(parent_fd, "gone", 0700), 0);

	auto_close int gone_fd = openat(parent_fd, "gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_work_folder work = WORK_FOLDER_NONE;
	struct error err = { 0 };

	assert_int_equal(unlinkat(parent_fd, "gone", AT_REMOVEDIR), 0);
	assert_false(work_folder_make(&work, gone_fd, prefix, "gone", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_int_equal(work.parent_fd, -1);
	assert_int_equal(work_folder_sweep(gone_fd, prefix), 0);
}

/* --- sweeping ------------------------------------------------------------------------------------------------- */

static void what_a_killed_run_left_is_swept(void **state)
{
	auto_close int parent_fd = opened(*state);

	leave_one(parent_fd, ".work.0123456789abcdef", NULL);
	leave_one(parent_fd, ".work.0000000000000000", WORK_COPY);
	leave_one(parent_fd, ".work.ffffffffffffffff", WORK_COPY "-journal");
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 3);
	assert_false(is_there(parent_fd, ".work.0123456789abcdef"));
	assert_false(is_there(parent_fd, ".work.0000000000000000"));
	assert_false(is_there(parent_fd, ".work.ffffffffffffffff"));
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
}

static int make_and_die(void *argument)
{
	struct work_folder work = WORK_FOLDER_NONE;
	struct error err = { 0 };

	if (!work_folder_make(&work, *(const int *)argument, prefix, "", &err))
		return 1;
	(void)close(openat(work.fd, WORK_PACKED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return raise(SIGKILL);
}

static void the_folder_of_a_run_that_was_killed_just_now_is_swept(void **state)
{
	auto_close int parent_fd = opened(*state);
	int argument = parent_fd;
	const int status = child_run(make_and_die, &argument);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 1);
}

static void one_with_anything_foreign_in_it_is_left_whole(void **state)
{
	static const char *const files[] = {
		"diary.txt", "copy.bak", "copy-",      "copy-walx",
		"Copy",	     ".copy",	 "packed-old", "sums",
	};
	auto_close int parent_fd = opened(*state);
	char name[WORK_NAME_SIZE], path[2 * WORK_NAME_SIZE];

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(name, sizeof name, ".work.%016zx", i);
		leave_one(parent_fd, name, files[i]);

		auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		put_file(fd, WORK_COPY);
	}
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(path, sizeof path, ".work.%016zx/%s", i, files[i]);
		assert_true(is_there(parent_fd, path));
		(void)snprintf(path, sizeof path, ".work.%016zx/" WORK_COPY, i);
		assert_true(is_there(parent_fd, path));
	}
}

static void one_of_another_mode_is_left(void **state)
{
	static const mode_t modes[] = { 0755, 0770, 0701, 0500, 01700 };
	auto_close int parent_fd = opened(*state);
	char name[WORK_NAME_SIZE];

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		(void)snprintf(name, sizeof name, ".work.%016zx", i);
		leave_one(parent_fd, name, NULL);
		assert_int_equal(fchmodat(parent_fd, name, modes[i], 0), 0);
	}
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		(void)snprintf(name, sizeof name, ".work.%016zx", i);
		assert_true(is_there(parent_fd, name));
	}
}

static void one_of_another_user_is_left(void **state)
{
	auto_close int parent_fd = opened(*state);

	if (geteuid() != 0)
		skip();
	leave_one(parent_fd, ".work.0123456789abcdef", WORK_COPY);
	assert_int_equal(fchownat(parent_fd, ".work.0123456789abcdef", 65534, 65534, 0), 0);
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	assert_true(is_there(parent_fd, ".work.0123456789abcdef/" WORK_COPY));
}

static void a_link_to_a_folder_is_not_followed(void **state)
{
	auto_close int parent_fd = opened(*state);

	leave_one(parent_fd, "precious", WORK_COPY);
	assert_int_equal(symlinkat("precious", parent_fd, ".work.0123456789abcdef"), 0);
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	assert_true(is_there(parent_fd, ".work.0123456789abcdef"));
	assert_true(is_there(parent_fd, "precious/" WORK_COPY));
}

static void a_link_in_a_left_folder_goes_and_what_it_points_to_stays(void **state)
{
	auto_close int parent_fd = opened(*state);

	put_file(parent_fd, "precious");
	leave_one(parent_fd, ".work.0123456789abcdef", NULL);
	assert_int_equal(symlinkat("../precious", parent_fd, ".work.0123456789abcdef/" WORK_COPY),
			 0);
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 1);
	assert_true(is_there(parent_fd, "precious"));
}

static void a_file_of_such_a_name_is_left(void **state)
{
	auto_close int parent_fd = opened(*state);

	put_file(parent_fd, ".work.0123456789abcdef");
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	assert_true(is_there(parent_fd, ".work.0123456789abcdef"));
}

static void folders_of_other_names_are_left(void **state)
{
	static const char *const names[] = {
		".work.",
		".work.0123456789abcde",
		".work.0123456789abcdef0",
		".work.0123456789ABCDEF",
		".work.0123456789abcdeg",
		"work.0123456789abcdef",
		".other.0123456789abcdef",
		"0123456789abcdef",
		".work.0123456789abcdef.old",
	};
	auto_close int parent_fd = opened(*state);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		leave_one(parent_fd, names[i], WORK_COPY);
	assert_int_equal(work_folder_sweep(parent_fd, prefix), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_true(is_there(parent_fd, names[i]));
}

static void a_folder_in_it_keeps_it(void **state)
{
	auto_close int parent_fd = opened(*state);

	leave_one(parent_fd, ".work.0123456789abcdef", NULL);
	assert_int_equal(mkdirat(parent_fd, ".work.0123456789abcdef/" WORK_COPY, 0700), 0);
	(void)work_folder_sweep(parent_fd, prefix);
	assert_true(is_there(parent_fd, ".work.0123456789abcdef/" WORK_COPY));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(it_is_private_and_has_the_prefix_and_16_digits),
		IN_FOLDER(two_at_a_time_do_not_meet),
		IN_FOLDER(it_is_locked_while_somebody_works_in_it),
		IN_FOLDER(it_goes_with_all_that_was_made_in_it),
		IN_FOLDER(a_foreign_file_in_it_is_not_removed),
		IN_FOLDER(one_that_was_renamed_is_emptied_and_its_name_left_alone),
		IN_FOLDER(a_folder_that_gives_its_group_to_what_is_made_in_it_is_fine),
		IN_FOLDER(a_folder_that_is_gone_is_trouble),
		IN_FOLDER(what_a_killed_run_left_is_swept),
		IN_FOLDER(the_folder_of_a_run_that_was_killed_just_now_is_swept),
		IN_FOLDER(one_with_anything_foreign_in_it_is_left_whole),
		IN_FOLDER(one_of_another_mode_is_left),
		IN_FOLDER(one_of_another_user_is_left),
		IN_FOLDER(a_link_to_a_folder_is_not_followed),
		IN_FOLDER(a_link_in_a_left_folder_goes_and_what_it_points_to_stays),
		IN_FOLDER(a_file_of_such_a_name_is_left),
		IN_FOLDER(folders_of_other_names_are_left),
		IN_FOLDER(a_folder_in_it_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
