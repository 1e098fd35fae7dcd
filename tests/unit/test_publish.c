#include "tests/unit/folder.h"

#include <errno.h>
#include <sys/xattr.h>

#include "common/base/scope.h"
#include "common/linux/file_traits.h"
#include "common/linux/publish.h"

static int opened(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void assert_content(int folder_fd, const char *name, const char *words)
{
	auto_close int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char bytes[64];
	const ssize_t length = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

	assert_int_equal(length, strlen(words));
	assert_memory_equal(bytes, words, strlen(words));
}

static bool is_there(int folder_fd, const char *name)
{
	return faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_new_file_has_its_bytes_and_is_private(void **state)
{
	auto_close int fd = opened(*state);
	struct stat stat = { 0 };
	struct error err = { 0 };

	assert_true(publish_write(fd, "sum", "line\n", 5, "the checksum", &err));
	assert_content(fd, "sum", "line\n");
	assert_int_equal(fstatat(fd, "sum", &stat, 0), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_true(publish_write(fd, "empty", "", 0, "the checksum", &err));
	assert_content(fd, "empty", "");
}

static void writing_never_touches_what_is_there(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "sum", "old");
	assert_int_equal(symlinkat("victim", fd, "link"), 0);
	assert_false(publish_write(fd, "sum", "new", 3, "the checksum", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "the checksum: "));
	assert_content(fd, "sum", "old");
	assert_false(publish_write(fd, "link", "new", 3, "the checksum", &err));
	assert_false(is_there(fd, "victim"));
}

static void a_name_is_given_from_folder_to_folder(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "work/copy", "new");

	auto_close int work_fd = openat(fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(publish_new(work_fd, "copy", fd, "bot.db", "bot.db", &err));
	assert_content(fd, "bot.db", "new");
	assert_false(is_there(work_fd, "copy"));
}

static void a_new_name_is_never_that_of_another_file(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "copy", "new");
	folder_write_text(*state, "bot.db", "old");
	assert_int_equal(symlinkat("nowhere", fd, "link"), 0);
	assert_int_equal(mkdirat(fd, "folder", 0700), 0);

	static const char *const names[] = { "bot.db", "link", "folder", "copy" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		err = (struct error){ 0 };
		errno = 0;
		assert_false(publish_new(fd, "copy", fd, names[i], "the backup", &err));
		assert_int_equal(errno, EEXIST);
		assert_int_equal(err.status, STATUS_TROUBLE);
		assert_non_null(strstr(err.text, "the backup: "));
	}
	assert_content(fd, "bot.db", "old");
	assert_content(fd, "copy", "new");
	assert_false(is_there(fd, "nowhere"));
}

static void over_takes_the_place_of_what_is_there(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "copy", "new");
	folder_write_text(*state, "bot.db", "old");
	folder_write_text(*state, "victim", "safe");
	assert_true(publish_over(fd, "copy", fd, "bot.db", "bot.db", &err));
	assert_content(fd, "bot.db", "new");
	assert_false(is_there(fd, "copy"));
	/* A link is replaced itself. */
	assert_int_equal(symlinkat("victim", fd, "link"), 0);
	assert_true(publish_over(fd, "bot.db", fd, "link", "link", &err));
	assert_content(fd, "link", "new");
	assert_content(fd, "victim", "safe");
}

static void over_works_where_nothing_is(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "copy", "new");
	assert_true(publish_over(fd, "copy", fd, "bot.db", "bot.db", &err));
	assert_content(fd, "bot.db", "new");
}

static void what_is_not_there_cannot_be_named(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "bot.db", "old");
	errno = 0;
	assert_false(publish_new(fd, "copy", fd, "other", "other", &err));
	assert_int_equal(errno, ENOENT);
	assert_false(publish_over(fd, "copy", fd, "bot.db", "bot.db", &err));
	assert_int_equal(errno, ENOENT);
	assert_content(fd, "bot.db", "old");
}

static void a_second_link_to_the_same_file_is_no_new_name(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	folder_write_text(*state, "copy", "new");
	assert_int_equal(linkat(fd, "copy", fd, "bot.db", 0), 0);
	assert_false(publish_new(fd, "copy", fd, "bot.db", "bot.db", &err));
	assert_int_equal(errno, EEXIST);
	assert_content(fd, "copy", "new");
}

static void files_and_folders_are_synced_and_nonsense_is_an_error(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };
	int ends[2];

	assert_true(publish_sync(fd, "the folder", &err));
	assert_true(publish_sync_folder(fd, "the folder", &err));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_false(publish_sync(ends[1], "the pipe", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "the pipe: "));
	assert_false(publish_sync_folder(ends[1], "the pipe", &err));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void room_that_nobody_has_is_missing(void **state)
{
	auto_close int fd = opened(*state);
	struct error err = { 0 };

	assert_true(publish_has_room(fd, 0, "the folder", &err));
	assert_true(publish_has_room(fd, 1, "the folder", &err));
	assert_false(publish_has_room(fd, 1ULL << 62, "the folder", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "the folder: not enough room: "));
	assert_non_null(strstr(err.text, " needed, "));
}

/* --- owner, permissions and attributes ------------------------------------------------------------------------ */

static int made(const char *folder, const char *name)
{
	char path[PATH_MAX];
	const int fd =
		open(folder_path(folder, name, path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct stat looked_at(int fd)
{
	struct stat stat = { 0 };

	assert_int_equal(fstat(fd, &stat), 0);
	return stat;
}

static void permissions_are_handed_on(void **state)
{
	static const mode_t modes[] = { 0600, 0664, 0444, 0, 02640, 04755 };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		auto_close int from = made(*state, "from"), to = made(*state, "to");
		auto_close int folder = opened(*state);
		struct error err = { 0 };

		assert_int_equal(fchmod(from, modes[i]), 0);
		assert_true(file_traits_copy(from, to, "to", &err));
		assert_int_equal(looked_at(to).st_mode & 07777, modes[i]);
		assert_int_equal(unlinkat(folder, "from", 0), 0);
		assert_int_equal(unlinkat(folder, "to", 0), 0);
	}
}

static void the_owner_is_handed_on_and_takes_no_bit_away(void **state)
{
	auto_close int from = made(*state, "from"), to = made(*state, "to");
	struct error err = { 0 };

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchown(from, 4321, 1234), 0);
	assert_int_equal(fchmod(from, 06755), 0);
	assert_true(file_traits_copy(from, to, "to", &err));
	assert_int_equal(looked_at(to).st_uid, 4321);
	assert_int_equal(looked_at(to).st_gid, 1234);
	assert_int_equal(looked_at(to).st_mode & 07777, 06755);
	assert_true(file_traits_set(to, 0640, 1, 2, true, "to", &err));
	assert_int_equal(looked_at(to).st_uid, 1);
	assert_int_equal(looked_at(to).st_gid, 2);
	assert_int_equal(looked_at(to).st_mode & 07777, 0640);
}

static void attributes_are_handed_on_from_a_descriptor_that_only_names(void **state)
{
	auto_close int from = made(*state, "from"), to = made(*state, "to");
	auto_close int folder = opened(*state);
	auto_close int name = openat(folder, "from", O_PATH | O_CLOEXEC);
	struct error err = { 0 };
	char value[16];

	if (fsetxattr(from, "user.note", "kept", 4, 0) != 0)
		skip();
	assert_int_equal(fsetxattr(from, "user.empty", "", 0, 0), 0);
	assert_true(file_traits_copy(name, to, "to", &err));
	assert_int_equal(fgetxattr(to, "user.note", value, sizeof value), 4);
	assert_memory_equal(value, "kept", 4);
	assert_int_equal(fgetxattr(to, "user.empty", value, sizeof value), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_new_file_has_its_bytes_and_is_private),
		IN_FOLDER(writing_never_touches_what_is_there),
		IN_FOLDER(a_name_is_given_from_folder_to_folder),
		IN_FOLDER(a_new_name_is_never_that_of_another_file),
		IN_FOLDER(over_takes_the_place_of_what_is_there),
		IN_FOLDER(over_works_where_nothing_is),
		IN_FOLDER(what_is_not_there_cannot_be_named),
		IN_FOLDER(a_second_link_to_the_same_file_is_no_new_name),
		IN_FOLDER(files_and_folders_are_synced_and_nonsense_is_an_error),
		IN_FOLDER(room_that_nobody_has_is_missing),
		IN_FOLDER(permissions_are_handed_on),
		IN_FOLDER(the_owner_is_handed_on_and_takes_no_bit_away),
		IN_FOLDER(attributes_are_handed_on_from_a_descriptor_that_only_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
