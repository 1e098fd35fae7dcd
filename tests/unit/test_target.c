#include "tests/unit/folder.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "common/target.h"

static bool open_target(struct target *target, const char *path, struct error *err)
{
	auto_proc_root root = PROC_ROOT_CLOSED;

	assert_true(proc_root_open(&root, NULL, err));
	return target_open(target, &root, path, err);
}

static void assert_opens(struct target *target, const char *path)
{
	struct error err = { 0 };

	if (!open_target(target, path, &err))
		fail_msg("%s", err.text);
}

static void assert_refused(const char *path, const char *why)
{
	auto_target target = TARGET_NONE;
	struct error err = { 0 };

	if (open_target(&target, path, &err))
		fail_msg("%s: was taken", path);
	assert_int_equal(err.status, STATUS_TROUBLE);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void a_database_alone_has_no_other_files(void **state)
{
	auto_target target = TARGET_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "content");
	assert_opens(&target, folder_path(*state, "bot.db", path));
	assert_string_equal(target.given, path);
	assert_string_equal(target.absolute, path);
	assert_string_equal(target.resolved, path);
	assert_true(target.files[FILE_MAIN].path_fd >= 0);
	assert_int_equal(target.files[FILE_MAIN].stat.st_size, 7);
	assert_int_equal(target.files[FILE_WAL].path_fd, -1);
	assert_int_equal(target.files[FILE_SHM].path_fd, -1);
	assert_int_equal(target.files[FILE_JOURNAL].path_fd, -1);
	assert_false(target.has_dotfile);
	assert_non_null(target.filesystem);
}

static void an_empty_file_is_a_database(void **state)
{
	auto_target target = TARGET_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "");
	assert_opens(&target, folder_path(*state, "bot.db", path));
}

static void the_files_beside_it_belong_to_it(void **state)
{
	auto_target target = TARGET_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	folder_write_text(*state, "bot.db-wal", "22");
	folder_write_text(*state, "bot.db-shm", "333");
	folder_write_text(*state, "bot.db-journal", "4444");
	assert_int_equal(mkdir(folder_path(*state, "bot.db.lock", path), 0700), 0);
	assert_opens(&target, folder_path(*state, "bot.db", path));
	for (enum database_file file = 0; file < FILE_COUNT; file++)
		assert_int_equal(target.files[file].stat.st_size, file + 1);
	assert_true(target.has_dotfile);
}

static void a_file_named_like_the_lock_folder_is_no_lock(void **state)
{
	auto_target target = TARGET_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	folder_write_text(*state, "bot.db.lock", "");
	assert_opens(&target, folder_path(*state, "bot.db", path));
	assert_false(target.has_dotfile);
}

static void a_link_leads_to_the_files_beside_the_real_one(void **state)
{
	auto_target target = TARGET_NONE;
	char real[PATH_MAX], link[PATH_MAX];

	folder_write_text(*state, "real/data.db", "1");
	folder_write_text(*state, "real/data.db-wal", "22");
	folder_write_text(*state, "bot.db-wal", "not this one");
	assert_int_equal(symlink("real/data.db", folder_path(*state, "bot.db", link)), 0);
	assert_opens(&target, link);
	assert_string_equal(target.absolute, link);
	assert_string_equal(target.resolved, folder_path(*state, "real/data.db", real));
	assert_int_equal(target.files[FILE_WAL].stat.st_size, 2);
}

static void a_relative_path_is_found_from_here(void **state)
{
	auto_target target = TARGET_NONE;
	char path[PATH_MAX], *here = getcwd(NULL, 0);

	folder_write_text(*state, "data/bot.db", "1");
	assert_int_equal(chdir(*state), 0);
	assert_opens(&target, "data/bot.db");
	assert_int_equal(chdir(here), 0);
	free(here);
	assert_string_equal(target.given, "data/bot.db");
	assert_string_equal(target.absolute, folder_path(*state, "data/bot.db", path));
	assert_string_equal(target.resolved, path);
}

static void what_is_no_regular_file_is_refused_without_opening_it(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_MAX], *here = getcwd(NULL, 0);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_refused(*state, "is a folder");
	assert_int_equal(mkfifo(folder_path(*state, "fifo.db", path), 0600), 0);
	assert_refused(path, "is a FIFO"); /* opening it would wait for a writer */

	assert_int_equal(chdir(*state), 0); /* socket names are short */
	(void)snprintf(address.sun_path, sizeof address.sun_path, "socket.db");
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(chdir(here), 0);
	free(here);
	assert_refused(folder_path(*state, "socket.db", path), "is a socket");
	(void)close(fd);
	assert_refused("/dev/null", "is a device");
}

static void what_is_not_there_is_named(void **state)
{
	char path[PATH_MAX];

	assert_refused(folder_path(*state, "missing.db", path), "missing.db: No such file");
	assert_refused("", "No such file");
	assert_int_equal(symlink("nowhere", folder_path(*state, "dangling.db", path)), 0);
	assert_refused(path, "No such file");
	folder_write_text(*state, "bot.db", "1");
	assert_refused(folder_path(*state, "bot.db/", path), "Not a directory");
}

static void a_hostile_path_is_shown_printable(void **state)
{
	char path[PATH_MAX];

	assert_refused(folder_path(*state, "a\x1b[31m\n.db", path), "a\\x1b[31m\\n.db");
}

static void a_sidecar_that_is_a_link_is_refused(void **state)
{
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	folder_write_text(*state, "elsewhere", "2");
	assert_int_equal(symlink("elsewhere", folder_path(*state, "bot.db-wal", path)), 0);
	assert_refused(folder_path(*state, "bot.db", path), "bot.db-wal: is a symbolic link");
}

static void a_sidecar_that_is_no_regular_file_is_refused(void **state)
{
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	assert_int_equal(mkfifo(folder_path(*state, "bot.db-shm", path), 0600), 0);
	assert_refused(folder_path(*state, "bot.db", path), "bot.db-shm: is a FIFO");
}

static void a_deleted_database_is_refused(void **state)
{
	char path[PATH_MAX], link[64];

	folder_write_text(*state, "bot.db", "1");

	const int fd = open(folder_path(*state, "bot.db", path), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_refused(link, "was renamed or removed");

	/* Another file of the name that the kernel then shows is not the one that was opened. */
	folder_write_text(*state, "bot.db (deleted)", "2");
	assert_refused(link, "was renamed or removed");
	(void)close(fd);
}

static void a_name_of_255_bytes_has_room_for_no_sidecar(void **state)
{
	auto_target target = TARGET_NONE;
	char name[256], path[PATH_MAX];

	memset(name, 'n', 255);
	name[255] = '\0';
	folder_write_text(*state, name, "1");
	assert_opens(&target, folder_path(*state, name, path));
	assert_int_equal(target.files[FILE_WAL].path_fd, -1);
}

static void reopening_reads_the_same_file_also_after_a_rename(void **state)
{
	auto_target target = TARGET_NONE;
	struct error err = { 0 };
	char path[PATH_MAX], other[PATH_MAX], bytes[16] = "";

	folder_write_text(*state, "bot.db", "old");
	assert_opens(&target, folder_path(*state, "bot.db", path));
	assert_int_equal(rename(path, folder_path(*state, "moved.db", other)), 0);
	folder_write_text(*state, "bot.db", "new");

	const int fd = target_reopen(&target, FILE_MAIN, &err);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, sizeof bytes), 3);
	assert_memory_equal(bytes, "old", 3);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)close(fd);
}

static void two_targets_are_the_same_by_their_inode(void **state)
{
	auto_target one = TARGET_NONE, link = TARGET_NONE, other = TARGET_NONE;
	char path[PATH_MAX], name[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	folder_write_text(*state, "other.db", "1");
	assert_opens(&one, folder_path(*state, "bot.db", path));
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, folder_path(*state, "hard.db", name), 0),
			 0);
	assert_opens(&link, name);
	assert_opens(&other, folder_path(*state, "other.db", name));
	assert_true(target_same(&one, &link));
	assert_false(target_same(&one, &other));
}

static void the_kernels_name_for_locks_is_found(void **state)
{
	auto_target target = TARGET_NONE;
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_lock_table table = { 0 };
	struct error err = { 0 };
	struct flock lock = { .l_type = F_WRLCK, .l_start = 5, .l_len = 1 };
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	assert_opens(&target, folder_path(*state, "bot.db", path));

	const int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(lock_table_read(&root, &target.files[FILE_MAIN].key, 1, &table, &err));
	assert_int_equal(table.count, 1);
	assert_int_equal(table.items[0].pid, getpid());
	assert_int_equal(table.items[0].first, 5);
	(void)close(fd);
}

static void releasing_closes_and_may_be_done_twice(void **state)
{
	struct target target = TARGET_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "bot.db", "1");
	assert_opens(&target, folder_path(*state, "bot.db", path));

	const int fd = target.files[FILE_MAIN].path_fd;

	target_release(&target);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	target_release(&target);
	assert_int_equal(target.files[FILE_MAIN].path_fd, -1);
}

/* A /proc for this very process in which an overlay lies over the test's folder. */
static void a_path_in_an_upper_folder_is_refused_with_the_better_one(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_target target = TARGET_NONE;
	struct error err = { 0 };
	char path[PATH_MAX], link[PATH_MAX], mountinfo[3 * PATH_MAX];

	folder_write_text(*state, "upper/bot.db", "1");
	(void)snprintf(mountinfo, sizeof mountinfo,
		       "50 24 0:55 / /merged\\040here rw - overlay overlay "
		       "rw,lowerdir=/l,upperdir=%s/upper,workdir=/w\n",
		       (const char *)*state);
	folder_write_text(*state, "proc/self/mountinfo", mountinfo);
	assert_int_equal(symlink("/proc/self/fd", folder_path(*state, "proc/self/fd", link)), 0);
	assert_int_equal(
		symlink("/proc/self/fdinfo", folder_path(*state, "proc/self/fdinfo", link)), 0);
	assert_true(proc_root_open(&root, folder_path(*state, "proc", path), &err));
	assert_false(target_open(&target, &root, folder_path(*state, "upper/bot.db", path), &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "upper folder of an overlay"));
	assert_non_null(
		strstr(err.text, "use /merged here/bot.db (in its container it is /bot.db)"));
}

static void a_path_in_a_container_layer_is_refused(void **state)
{
	char path[PATH_MAX];
	const char *name =
		"overlay2/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/"
		"diff/bot.db";

	folder_write_text(*state, name, "1");
	assert_refused(folder_path(*state, name, path), "lies in a container's layer");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(a_database_alone_has_no_other_files),
		TEST(an_empty_file_is_a_database),
		TEST(the_files_beside_it_belong_to_it),
		TEST(a_file_named_like_the_lock_folder_is_no_lock),
		TEST(a_link_leads_to_the_files_beside_the_real_one),
		TEST(a_relative_path_is_found_from_here),
		TEST(what_is_no_regular_file_is_refused_without_opening_it),
		TEST(what_is_not_there_is_named),
		TEST(a_hostile_path_is_shown_printable),
		TEST(a_sidecar_that_is_a_link_is_refused),
		TEST(a_sidecar_that_is_no_regular_file_is_refused),
		TEST(a_deleted_database_is_refused),
		TEST(a_name_of_255_bytes_has_room_for_no_sidecar),
		TEST(reopening_reads_the_same_file_also_after_a_rename),
		TEST(two_targets_are_the_same_by_their_inode),
		TEST(the_kernels_name_for_locks_is_found),
		TEST(releasing_closes_and_may_be_done_twice),
		TEST(a_path_in_an_upper_folder_is_refused_with_the_better_one),
		TEST(a_path_in_a_container_layer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
