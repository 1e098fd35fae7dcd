#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "common/base/scope.h"
#include "common/linux/tree.h"

static int opened(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_there(int fd, const char *name)
{
	return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_file_and_a_link_are_removed_by_name(void **state)
{
	auto_close int fd = opened(*state);

	folder_write_text(*state, "precious", "x");
	folder_write_text(*state, "file", "x");
	assert_int_equal(symlinkat("precious", fd, "link"), 0);
	assert_true(tree_remove(fd, "file"));
	assert_true(tree_remove(fd, "link"));
	assert_false(is_there(fd, "file"));
	assert_false(is_there(fd, "link"));
	assert_true(is_there(fd, "precious"));
}

static void what_is_not_there_is_removed(void **state)
{
	auto_close int fd = opened(*state);

	assert_true(tree_remove(fd, "nothing"));
}

static void a_folder_goes_with_all_that_is_in_it(void **state)
{
	auto_close int fd = opened(*state);

	folder_write_text(*state, "top/a/b/c/file", "x");
	folder_write_text(*state, "top/a/other", "x");
	folder_write_text(*state, "top/-rf", "x");
	folder_write_text(*state, "top/new\nline", "x");
	assert_int_equal(mkfifoat(fd, "top/fifo", 0600), 0);
	assert_true(tree_remove(fd, "top"));
	assert_false(is_there(fd, "top"));
}

static void links_in_it_are_not_followed(void **state)
{
	auto_close int fd = opened(*state);

	folder_write_text(*state, "precious/file", "x");
	folder_write_text(*state, "top/file", "x");
	assert_int_equal(symlinkat("../precious", fd, "top/folder"), 0);
	assert_int_equal(symlinkat("../precious/file", fd, "top/link"), 0);
	assert_int_equal(symlinkat("precious", fd, "instead"), 0);
	assert_true(tree_remove(fd, "top"));
	assert_true(tree_remove(fd, "instead"));
	assert_false(is_there(fd, "top"));
	assert_true(is_there(fd, "precious/file"));
}

static void it_can_be_emptied_and_kept(void **state)
{
	auto_close int fd = opened(*state);

	folder_write_text(*state, "top/a/file", "x");

	auto_close int top = openat(fd, "top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(tree_empty(top));
	assert_true(is_there(fd, "top"));
	assert_int_equal(unlinkat(fd, "top", AT_REMOVEDIR), 0);
}

static int make_and_remove_a_deep_one(void *argument)
{
	enum { DEPTH = 3000, DESCRIPTORS = 60 };
	const int fd = open(argument, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int at = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	struct rlimit limit = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1;
	limit.rlim_cur = DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1;
	for (int i = 0; i < DEPTH; i++) {
		const int next = mkdirat(at, "d", 0700) == 0
					 ? openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
					 : -1;

		if (next < 0 || close(at) != 0)
			return 2;
		at = next;
		if (i % 100 == 0)
			(void)close(openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	(void)close(at);
	return tree_remove(fd, "d") && !is_there(fd, "d") ? 0 : 3;
}

static void one_that_is_deeper_than_there_are_descriptors_goes_too(void **state)
{
	assert_int_equal(child_run(make_and_remove_a_deep_one, *state), 0);
}

static void one_with_very_many_files_goes_too(void **state)
{
	auto_close int fd = opened(*state);
	char name[32];

	assert_int_equal(mkdirat(fd, "top", 0700), 0);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof name, "top/%d", i);
		(void)close(openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	assert_true(tree_remove(fd, "top"));
	assert_false(is_there(fd, "top"));
}

/* --- as a user without rights ------------------------------------------------------------------------------------- */

static int become_nobody(const char *folder)
{
	if (geteuid() != 0)
		return 0;
	return chown(folder, 65534, 65534) == 0 && setresgid(65534, 65534, 65534) == 0 &&
			       setresuid(65534, 65534, 65534) == 0
		       ? 0
		       : -1;
}

static int remove_closed_folders(void *argument)
{
	const char *folder = argument;

	if (become_nobody(folder) != 0)
		return 1;

	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (mkdirat(fd, "top", 0700) != 0 || mkdirat(fd, "top/a", 0700) != 0 ||
	    mkdirat(fd, "top/a/b", 0700) != 0 || mkdirat(fd, "top/c", 0) != 0 ||
	    fchmodat(fd, "top/a/b", 0, 0) != 0 || fchmodat(fd, "top/a", 0500, 0) != 0 ||
	    fchmodat(fd, "top", 0, 0) != 0)
		return 2;
	return tree_remove(fd, "top") && !is_there(fd, "top") ? 0 : 3;
}

static void folders_that_their_owner_closed_are_opened(void **state)
{
	assert_int_equal(child_run(remove_closed_folders, *state), 0);
}

static int meet_a_folder_of_root(void *argument)
{
	const char *folder = argument;
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (become_nobody(folder) != 0)
		return 1;
	if (tree_remove(fd, "top"))
		return 2;
	return errno == EACCES || errno == EPERM ? 0 : 3;
}

static void what_cannot_be_removed_is_told_and_the_rest_goes(void **state)
{
	auto_close int fd = opened(*state);

	if (geteuid() != 0)
		skip();
	folder_write_text(*state, "top/a", "x");
	folder_write_text(*state, "top/of_root/file", "x");
	folder_write_text(*state, "top/z", "x");
	assert_int_equal(fchownat(fd, "top", 65534, 65534, 0), 0);
	assert_int_equal(child_run(meet_a_folder_of_root, *state), 0);
	assert_true(is_there(fd, "top/of_root/file"));
	assert_false(is_there(fd, "top/a"));
	assert_false(is_there(fd, "top/z"));
}

static int meet_a_mount(void *argument)
{
	const char *folder = argument;
	char path[PATH_MAX];
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder_path(folder, "top/mounted", path), "tmpfs", 0, NULL) != 0)
		return 77;

	/* Of this mount namespace, so that it sees the mount. */
	const int inner = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)close(fd);
	folder_write_text(folder, "top/mounted/file", "x");
	if (tree_remove(inner, "top"))
		return 2;
	return is_there(inner, "top/mounted/file") && !is_there(inner, "top/a") ? 0 : 3;
}

static void what_is_mounted_in_it_stays(void **state)
{
	folder_write_text(*state, "top/a", "x");
	folder_write_text(*state, "top/mounted/below", "x");

	const int status = child_run(meet_a_mount, *state);

	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(a_file_and_a_link_are_removed_by_name),
		TEST(what_is_not_there_is_removed),
		TEST(a_folder_goes_with_all_that_is_in_it),
		TEST(links_in_it_are_not_followed),
		TEST(it_can_be_emptied_and_kept),
		TEST(one_that_is_deeper_than_there_are_descriptors_goes_too),
		TEST(one_with_very_many_files_goes_too),
		TEST(folders_that_their_owner_closed_are_opened),
		TEST(what_cannot_be_removed_is_told_and_the_rest_goes),
		TEST(what_is_mounted_in_it_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
