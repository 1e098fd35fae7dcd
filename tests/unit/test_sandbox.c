#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include <grp.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/scope.h"
#include "common/linux/privileges.h"
#include "common/linux/sandbox.h"

enum { NOBODY = 65534, CANNOT = 77 };

#define WANT(condition)                            \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 200 + 1; \
	} while (0)

/* A folder with a database in it, and the sandbox for it. */
struct scene {
	char folder[PATH_MAX];
	const char *name;
	int folder_fd;
	struct sandbox sandbox;
	struct error err;
};

/* Also for children, which must not use cmocka. */
static const char *join(const char *folder, const char *name, char path[PATH_MAX])
{
	const int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (length < 1 || length >= PATH_MAX)
		abort();
	return path;
}

static bool make(struct scene *scene)
{
	struct stat stat = { 0 };

	scene->folder_fd = open(scene->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return scene->folder_fd >= 0 && fstat(scene->folder_fd, &stat) == 0 &&
	       sandbox_make(&scene->sandbox, scene->folder_fd, scene->folder, stat.st_uid,
			    stat.st_gid, 4096, "bot.db", &scene->err);
}

static void set_up(struct scene *scene, const char *top, const char *folder, const char *name)
{
	*scene = (struct scene){ .name = name, .folder_fd = -1, .sandbox = SANDBOX_NONE };
	(void)folder_path(top, folder, scene->folder);
	assert_int_equal(mkdir(scene->folder, 0700), 0);
	folder_write_text(scene->folder, "other.txt", "other");
	folder_write_text(scene->folder, name, "real");
	/* What is found by TMPDIR is tested on its own. */
	(void)unsetenv("TMPDIR");
}

static void tear_down(struct scene *scene)
{
	sandbox_remove(&scene->sandbox);
	scope_close(&scene->folder_fd);
}

static void made(struct scene *scene)
{
	if (!make(scene))
		fail_msg("%s", scene->err.text);
}

static bool put_at(int fd, const char *name, const char *words)
{
	auto_close int file = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return file >= 0 && write(file, words, strlen(words)) == (ssize_t)strlen(words);
}

static bool holds_at(int fd, const char *name, const char *words)
{
	char bytes[64] = "";
	auto_close int file = openat(fd, name, O_RDONLY | O_CLOEXEC);

	return file >= 0 && read(file, bytes, sizeof bytes - 1) == (ssize_t)strlen(words) &&
	       strcmp(bytes, words) == 0;
}

static bool holds(const struct scene *scene, const char *name, const char *words)
{
	char path[PATH_MAX];

	(void)join(scene->folder, name, path);
	return holds_at(AT_FDCWD, path, words);
}

static bool write_in(const struct scene *scene, const char *name, const char *words)
{
	char path[PATH_MAX];

	(void)join(scene->folder, name, path);
	return put_at(AT_FDCWD, path, words);
}

static bool is_there(int fd, const char *name)
{
	return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Runs `work` in a child that can become anybody and enter anything; skips where there is no private view. */
static void run(int (*work)(void *argument), struct scene *scene)
{
	/* Valgrind does not know pidfd_open(2), without which nothing can be tried. */
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd < 0) {
		tear_down(scene);
		skip();
	}

	const int status = child_run(work, scene);

	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT) {
		tear_down(scene);
		skip();
	}
	if (status != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

static bool cannot_cover(struct scene *scene)
{
	const bool cannot = !sandbox_can_cover(&scene->sandbox, &scene->err);

	if (cannot)
		(void)fprintf(stderr, "%s\n", scene->err.text);
	return cannot;
}

/* --- where it is, and how it looks -------------------------------------------------------------------------------- */

static void it_is_a_private_folder_beside_the_databases_folder(void **state)
{
	struct scene scene;
	struct stat stat = { 0 }, parent = { 0 }, top = { 0 };

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	assert_int_equal(strncmp(scene.sandbox.name, SANDBOX_PREFIX, strlen(SANDBOX_PREFIX)), 0);
	assert_int_equal(strlen(scene.sandbox.name), strlen(SANDBOX_PREFIX) + 16);
	assert_int_equal(fstat(scene.sandbox.fd, &stat), 0);
	assert_int_equal(stat.st_mode & 07777, 0700);
	assert_int_equal(fstat(scene.sandbox.parent_fd, &parent), 0);
	assert_int_equal(lstat(*state, &top), 0);
	assert_int_equal(parent.st_ino, top.st_ino);
	tear_down(&scene);
	assert_int_equal(scene.sandbox.parent_fd, -1);
}

static void its_path_is_where_the_copy_belongs(void **state)
{
	struct scene scene;
	char path[PATH_MAX];

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	assert_true(put_at(scene.sandbox.upper_fd, "bot.db", "copy"));
	assert_int_equal(scene.sandbox.path[0], '/');
	(void)join(scene.sandbox.path, "bot.db", path);
	assert_true(holds_at(AT_FDCWD, path, "copy"));
	tear_down(&scene);
}

static void where_the_copy_belongs_looks_like_the_folder(void **state)
{
	struct scene scene;
	struct stat home = { 0 }, upper = { 0 };
	struct error err = { 0 };

	set_up(&scene, *state, "db", "bot.db");
	if (geteuid() == 0)
		assert_int_equal(chown(scene.folder, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(scene.folder, 02750), 0);
	made(&scene);
	/* Until it is lent it is nobody else's. */
	assert_int_equal(fstat(scene.sandbox.fd, &home), 0);
	assert_int_equal(home.st_uid, geteuid());
	assert_true(sandbox_lend(&scene.sandbox, &err));
	assert_int_equal(fstat(scene.sandbox.fd, &home), 0);
	assert_int_equal(fstat(scene.sandbox.upper_fd, &upper), 0);
	assert_int_equal(upper.st_mode & 07777, 02750);
	assert_int_equal(home.st_uid, geteuid() == 0 ? NOBODY : geteuid());
	assert_int_equal(upper.st_uid, home.st_uid);
	assert_true(sandbox_take_back(&scene.sandbox, &err));
	assert_int_equal(fstat(scene.sandbox.upper_fd, &upper), 0);
	assert_int_equal(upper.st_uid, geteuid());
	if (geteuid() == 0)
		assert_int_equal(upper.st_mode & 0777, 0700);
	tear_down(&scene);
}

static void a_parent_that_everybody_may_change_is_not_taken(void **state)
{
	struct scene scene;
	struct stat parent = { 0 }, top = { 0 };
	char other[PATH_MAX];

	set_up(&scene, *state, "db", "bot.db");
	folder_write_text(*state, "db/other/file", "x");
	assert_int_equal(mkdir(folder_path(*state, "other", other), 0700), 0);
	assert_int_equal(setenv("TMPDIR", other, 1), 0);
	assert_int_equal(chmod(*state, 0770), 0);
	made(&scene);
	assert_int_equal(fstat(scene.sandbox.parent_fd, &parent), 0);
	assert_int_equal(lstat(other, &top), 0);
	assert_int_equal(parent.st_ino, top.st_ino);
	tear_down(&scene);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void it_never_lies_in_the_databases_folder(void **state)
{
	struct scene scene;
	char inner[PATH_MAX];

	set_up(&scene, *state, "db", "bot.db");
	assert_int_equal(mkdir(folder_path(scene.folder, "tmp", inner), 0700), 0);
	assert_int_equal(setenv("TMPDIR", inner, 1), 0);
	assert_int_equal(chmod(*state, 0770), 0);
	made(&scene);
	assert_int_equal(strncmp(scene.sandbox.path, "/var/tmp/", 9), 0);
	tear_down(&scene);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void without_room_it_says_what_is_missing_and_makes_nothing(void **state)
{
	struct scene scene;
	struct stat before = { 0 }, after = { 0 };

	set_up(&scene, *state, "db", "bot.db");
	scene.folder_fd = open(scene.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(lstat(*state, &before), 0);
	assert_false(sandbox_make(&scene.sandbox, scene.folder_fd, scene.folder, geteuid(),
				  getegid(), UINT64_C(1) << 60, "bot.db", &scene.err));
	assert_int_equal(scene.err.status, STATUS_TROUBLE);
	assert_non_null(strstr(scene.err.text, "no room for the copy: 1.0 EiB needed, "));
	assert_non_null(strstr(scene.err.text, " free in /"));
	assert_int_equal(lstat(*state, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	tear_down(&scene);
}

/* --- leftovers ---------------------------------------------------------------------------------------------------- */

static void leave_one(const char *top, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/upper/deep/bot.db", name);
	folder_write_text(top, path, "left");
	(void)snprintf(path, sizeof path, "%s/%s/work", top, name);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/%s/work/work", top, name);
	assert_int_equal(mkdir(path, 0), 0);
}

static int opened(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static const char left[] = SANDBOX_PREFIX "0123456789abcdef";

static void what_a_killed_run_left_goes_when_one_is_made(void **state)
{
	struct scene scene;
	auto_close int top = opened(*state);

	set_up(&scene, *state, "db", "bot.db");
	leave_one(*state, left);
	made(&scene);
	assert_false(is_there(top, left));
	tear_down(&scene);
}

static void one_of_another_user_goes_only_for_root(void **state)
{
	auto_close int top = opened(*state);

	if (geteuid() != 0)
		skip();
	leave_one(*state, left);
	assert_int_equal(fchownat(top, left, NOBODY, NOBODY, 0), 0);
	assert_int_equal(sandbox_sweep(top), 1);
	assert_false(is_there(top, left));
}

static int sweep_as_nobody(void *argument)
{
	const char *folder = argument;
	const int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	WANT(chown(folder, NOBODY, NOBODY) == 0);
	WANT(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	WANT(sandbox_sweep(top) == 0);
	WANT(is_there(top, left));
	return 0;
}

static void one_of_root_stays_for_a_user(void **state)
{
	if (geteuid() != 0)
		skip();
	leave_one(*state, left);
	assert_int_equal(child_run(sweep_as_nobody, *state), 0);
}

static void one_that_is_used_stays(void **state)
{
	struct scene scene, second;
	auto_close int top = opened(*state);

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	set_up(&second, *state, "db2", "bot.db");
	made(&second);
	assert_true(is_there(top, scene.sandbox.name));
	assert_int_equal(sandbox_sweep(top), 0);
	tear_down(&second);
	tear_down(&scene);
}

static void folders_that_only_look_like_one_stay(void **state)
{
	static const char *const names[] = { SANDBOX_PREFIX "0123456789abcde",
					     SANDBOX_PREFIX "0123456789abcdef0",
					     SANDBOX_PREFIX "0123456789ABCDEF",
					     "x" SANDBOX_PREFIX "0123456789abcdef" };
	auto_close int top = opened(*state);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		leave_one(*state, names[i]);
	/* One with something else in it, one that others may read, a link, a file. */
	leave_one(*state, SANDBOX_PREFIX "1111111111111111");
	folder_write_text(*state, SANDBOX_PREFIX "1111111111111111/precious", "x");
	leave_one(*state, SANDBOX_PREFIX "2222222222222222");
	assert_int_equal(fchmodat(top, SANDBOX_PREFIX "2222222222222222", 0755, 0), 0);
	assert_int_equal(symlinkat(names[0], top, SANDBOX_PREFIX "3333333333333333"), 0);
	folder_write_text(*state, SANDBOX_PREFIX "4444444444444444", "x");
	assert_int_equal(sandbox_sweep(top), 0);
	assert_true(is_there(top, SANDBOX_PREFIX "1111111111111111/precious"));
	assert_true(is_there(top, SANDBOX_PREFIX "2222222222222222/upper"));
	assert_true(is_there(top, SANDBOX_PREFIX "0123456789abcde/upper"));
	assert_true(is_there(top, SANDBOX_PREFIX "4444444444444444"));
}

/* --- the view ----------------------------------------------------------------------------------------------------- */

/* What a program may do to the copy and to what is around it; the real ones must not change. */
static int see_the_copy(void *argument)
{
	struct scene *scene = argument;

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	WANT(holds(scene, scene->name, "copy"));
	WANT(holds(scene, "other.txt", "other"));
	WANT(write_in(scene, scene->name, "changed"));
	WANT(write_in(scene, "made", "by the program"));
	WANT(holds(scene, "made", "by the program"));
	return 0;
}

static int cover_and_see(void *argument)
{
	struct scene *scene = argument;
	char path[PATH_MAX];

	if (cannot_cover(scene))
		return CANNOT;
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	WANT(child_run(see_the_copy, scene) == 0);
	WANT(holds(scene, scene->name, "real"));
	WANT(holds_at(scene->sandbox.upper_fd, scene->name, "changed"));
	(void)join(scene->folder, "made", path);
	WANT(!is_there(AT_FDCWD, path));
	return 0;
}

static void in_it_the_copy_stands_at_the_real_path(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	run(cover_and_see, &scene);
	tear_down(&scene);
}

static void a_path_may_have_any_character(void **state)
{
	static const char *const names[] = { "with blanks", "a,b:c\\d",	   "lowerdir=x,ro",
					     "new\nline",   "Tür 猫 \xff", "-o",
					     "#'\"$(x)`" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct scene scene;

		set_up(&scene, *state, names[i], names[sizeof names / sizeof *names - 1 - i]);
		made(&scene);
		run(cover_and_see, &scene);
		tear_down(&scene);
	}
}

static int see_no_sidecars(void *argument)
{
	static const char *const gone[] = { "bot.db-wal", "bot.db-shm", "bot.db-journal" };
	struct scene *scene = argument;
	char path[PATH_MAX];

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		(void)join(scene->folder, gone[i], path);
		WANT(!is_there(AT_FDCWD, path));
		/* Nor is there a mark in their place, for those who come to the copy from outside. */
		WANT(!is_there(scene->sandbox.upper_fd, gone[i]));
	}
	WANT(holds(scene, "bot.db-other", "kept"));
	/* The program works on the copy, and is killed. */
	WANT(write_in(scene, "bot.db-wal", "of the copy"));
	return 0;
}

static int see_the_copys_own(void *argument)
{
	struct scene *scene = argument;

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	WANT(holds(scene, "bot.db-wal", "of the copy"));
	return 0;
}

static int cover_and_see_sidecars(void *argument)
{
	struct scene *scene = argument;

	if (cannot_cover(scene))
		return CANNOT;
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	WANT(child_run(see_no_sidecars, scene) == 0);
	WANT(child_run(see_the_copys_own, scene) == 0);
	WANT(holds(scene, "bot.db-wal", "live"));
	return 0;
}

static void the_live_wal_is_hidden_and_the_copys_own_is_not(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	folder_write_text(scene.folder, "bot.db-wal", "live");
	folder_write_text(scene.folder, "bot.db-shm", "live");
	folder_write_text(scene.folder, "bot.db-journal", "live");
	folder_write_text(scene.folder, "bot.db-other", "kept");
	made(&scene);
	run(cover_and_see_sidecars, &scene);
	tear_down(&scene);
}

static void without_a_copy_nobody_gets_in(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	assert_false(sandbox_enter(&scene.sandbox, "bot.db", &scene.err));
	assert_non_null(strstr(scene.err.text, "no copy"));
	tear_down(&scene);
}

/* After that /proc/self is root's, unless it is said that there is nothing to hide. */
static bool become_nobody(void)
{
	return geteuid() != 0 ||
	       (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}

static int make_and_see_as_nobody(void *argument)
{
	struct scene *scene = argument;
	struct stat stat = { 0 };

	WANT(become_nobody());
	WANT(make(scene));
	WANT(fstat(scene->sandbox.fd, &stat) == 0 && stat.st_uid == geteuid());

	const int result = cover_and_see(scene);

	sandbox_remove(&scene->sandbox);
	return result;
}

static void a_normal_user_has_one_too(void **state)
{
	struct scene scene;
	char path[PATH_MAX];

	set_up(&scene, *state, "db", "bot.db");
	if (geteuid() == 0) {
		assert_int_equal(chown(*state, NOBODY, NOBODY), 0);
		assert_int_equal(chown(scene.folder, NOBODY, NOBODY), 0);
		assert_int_equal(chown(join(scene.folder, "bot.db", path), NOBODY, NOBODY), 0);
		assert_int_equal(chown(join(scene.folder, "other.txt", path), NOBODY, NOBODY), 0);
	}
	run(make_and_see_as_nobody, &scene);
}

static int see_it_as_its_owner(void *argument)
{
	struct scene *scene = argument;

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	WANT(become_nobody());
	WANT(write_in(scene, "bot.db-journal", "of the copy"));
	/* By the host's path, as a program in a container would. */
	WANT(holds_at(AT_FDCWD, scene->sandbox.path, "") || errno == EISDIR);
	WANT(access(scene->sandbox.path, R_OK | W_OK | X_OK) == 0);
	return 0;
}

static int cover_for_its_owner(void *argument)
{
	struct scene *scene = argument;

	if (cannot_cover(scene))
		return CANNOT;
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	WANT(child_run(see_it_as_its_owner, scene) == 0);
	return 0;
}

static void the_owner_of_a_closed_folder_can_work_in_it(void **state)
{
	struct scene scene;

	if (geteuid() != 0)
		skip();
	set_up(&scene, *state, "db", "bot.db");
	assert_int_equal(chmod(*state, 0711), 0);
	assert_int_equal(chown(scene.folder, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(scene.folder, 0750), 0);
	struct error err = { 0 };

	made(&scene);
	assert_true(sandbox_lend(&scene.sandbox, &err));
	run(cover_for_its_owner, &scene);
	tear_down(&scene);
}

/* --- where it is harder ------------------------------------------------------------------------------------------- */

/* Lets the rest run with mounts that go away with this process. */
static bool have_own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool mount_tmpfs(const char *path)
{
	(void)mkdir(path, 0700);
	return mount("none", path, "tmpfs", 0, NULL) == 0;
}

static int cover_where_mounts_are_shared(void *argument)
{
	struct scene *scene = argument;

	if (!have_own_mounts() || mount("none", "/", "none", MS_REC | MS_SHARED, NULL) != 0)
		return CANNOT;
	WANT(make(scene));

	const int result = cover_and_see(scene);

	sandbox_remove(&scene->sandbox);
	return result;
}

static void where_mounts_are_shared_nobody_else_sees_it(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	run(cover_where_mounts_are_shared, &scene);
}

static int cover_with_few_rights(void *argument)
{
	struct scene *scene = argument;

	WANT(privileges_keep_migrating(&scene->err));
	WANT(make(scene));

	const int result = cover_and_see(scene);

	sandbox_remove(&scene->sandbox);
	return result;
}

static void the_rights_that_dbmigrate_keeps_are_enough(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	if (geteuid() == 0)
		assert_int_equal(chown(scene.folder, NOBODY, NOBODY), 0);
	run(cover_with_few_rights, &scene);
}

static int see_what_is_mounted(void *argument)
{
	struct scene *scene = argument;

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	WANT(holds(scene, scene->name, "copy"));
	WANT(holds(scene, "logs/file", "mounted"));
	WANT(holds(scene, "logs/deep/er/file", "deeper"));
	return 0;
}

static int cover_with_mounts_below(void *argument)
{
	struct scene *scene = argument;
	char path[PATH_MAX];

	if (!have_own_mounts() || !mount_tmpfs(join(scene->folder, "logs", path)))
		return CANNOT;
	WANT(write_in(scene, "logs/file", "mounted"));
	WANT(mkdir(join(scene->folder, "logs/deep", path), 0700) == 0);
	WANT(mount_tmpfs(join(scene->folder, "logs/deep/er", path)));
	WANT(write_in(scene, "logs/deep/er/file", "deeper"));
	/* The database itself may be a mount: a container's volume of one file. */
	(void)join(scene->folder, scene->name, path);
	WANT(mount(path, path, NULL, MS_BIND, NULL) == 0);
	WANT(make(scene));
	if (cannot_cover(scene))
		return CANNOT;
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	WANT(child_run(see_what_is_mounted, scene) == 0);
	WANT(holds(scene, scene->name, "real"));
	sandbox_remove(&scene->sandbox);
	return 0;
}

static void what_is_mounted_below_the_folder_is_seen_in_it(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	run(cover_with_mounts_below, &scene);
}

/* Puts everything on an overlay, which is no place for another overlay's upper folder. */
static bool mount_overlay(const char *top, const char *at)
{
	char lower[PATH_MAX], upper[PATH_MAX], work[PATH_MAX], options[3 * PATH_MAX + 64];

	(void)mkdir(join(top, "o-lower", lower), 0700);
	(void)mkdir(join(top, "o-upper", upper), 0700);
	(void)mkdir(join(top, "o-work", work), 0700);
	(void)mkdir(at, 0700);
	(void)snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper,
		       work);
	return mount("overlay", at, "overlay", 0, options) == 0;
}

static int see_it_without_an_overlay(void *argument)
{
	struct scene *scene = argument;
	char path[PATH_MAX], text[32] = "";

	WANT(sandbox_enter(&scene->sandbox, scene->name, &scene->err));
	WANT(holds(scene, scene->name, "copy"));
	WANT(holds(scene, "other.txt", "other"));
	WANT(holds(scene, "folder/file", "inner"));
	WANT(readlink(join(scene->folder, "link", path), text, sizeof text - 1) == 9);
	WANT(!is_there(AT_FDCWD, join(scene->folder, "bot.db-wal", path)));
	WANT(write_in(scene, scene->name, "changed"));
	WANT(write_in(scene, "bot.db-journal", "of the copy"));
	return 0;
}

static int cover_on_an_overlay(void *argument)
{
	struct scene *scene = argument;
	char at[PATH_MAX], path[PATH_MAX];

	(void)snprintf(at, sizeof at, "%s", scene->folder);
	*strrchr(at, '/') = '\0';
	(void)join(at, "o", path);
	/* Every place for a sandbox is on it. */
	if (!have_own_mounts() || !mount_overlay(at, path) ||
	    mount(path, "/var/tmp", NULL, MS_BIND, NULL) != 0)
		return CANNOT;
	(void)join(path, "db", scene->folder);
	WANT(mkdir(scene->folder, 0700) == 0);
	WANT(write_in(scene, scene->name, "real") && write_in(scene, "other.txt", "other") &&
	     write_in(scene, "bot.db-wal", "live"));
	WANT(mkdir(join(scene->folder, "folder", path), 0700) == 0);
	WANT(write_in(scene, "folder/file", "inner"));
	WANT(symlink("other.txt", join(scene->folder, "link", path)) == 0);
	WANT(make(scene));
	WANT(!cannot_cover(scene));
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	WANT(child_run(see_it_without_an_overlay, scene) == 0);
	WANT(holds(scene, scene->name, "real") && holds(scene, "bot.db-wal", "live"));
	WANT(!is_there(AT_FDCWD, join(scene->folder, "bot.db-journal", path)));
	WANT(holds_at(scene->sandbox.upper_fd, scene->name, "changed"));
	sandbox_remove(&scene->sandbox);
	WANT(holds(scene, "other.txt", "other") && holds(scene, "folder/file", "inner"));
	return 0;
}

static void on_an_overlay_a_folder_does_in_its_place(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	run(cover_on_an_overlay, &scene);
}

static int be_refused(void *argument)
{
	struct scene *scene = argument;

	WANT(become_nobody());
	if (unshare(CLONE_NEWUSER) != 0)
		return CANNOT;

	/* In a user namespace that may have no others, and no mounts of its own. */
	auto_close int users = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	auto_close int mounts = open("/proc/sys/user/max_mnt_namespaces", O_WRONLY | O_CLOEXEC);

	if (users < 0 || mounts < 0 || write(users, "0", 1) != 1 || write(mounts, "0", 1) != 1)
		return CANNOT;
	WANT(!sandbox_can_cover(&scene->sandbox, &scene->err));
	WANT(scene->err.status == STATUS_TROUBLE);
	WANT(strstr(scene->err.text, "no private view: "));
	WANT(strstr(scene->err.text, "/proc/sys/user"));
	return 0;
}

static void where_namespaces_are_refused_it_says_so(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	run(be_refused, &scene);
	tear_down(&scene);
}

static int be_somebody_else(void *argument)
{
	struct scene *scene = argument;

	WANT(become_nobody());
	WANT(!sandbox_can_cover(&scene->sandbox, &scene->err));
	WANT(strstr(scene->err.text, "no private view: ") &&
	     strstr(scene->err.text, "CAP_SYS_ADMIN"));
	return 0;
}

static void for_another_users_database_it_takes_rights(void **state)
{
	struct scene scene;

	if (geteuid() != 0)
		skip();
	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	run(be_somebody_else, &scene);
	tear_down(&scene);
}

static int cover_again_and_again(void *argument)
{
	struct scene *scene = argument;

	for (int i = 0; i < 20; i++)
		if (cannot_cover(scene))
			return i == 0 ? CANNOT : 1;
	WANT(put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	for (int i = 0; i < 20; i++)
		WANT(child_run(see_the_copy, scene) == 0 &&
		     put_at(scene->sandbox.upper_fd, scene->name, "copy"));
	return 0;
}

static void it_can_be_entered_many_times(void **state)
{
	struct scene scene;

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	run(cover_again_and_again, &scene);
	tear_down(&scene);
}

static void nothing_is_left_of_it(void **state)
{
	struct scene scene;
	char path[PATH_MAX];

	set_up(&scene, *state, "db", "bot.db");
	made(&scene);
	run(cover_and_see, &scene);
	(void)join((const char *)*state, scene.sandbox.name, path);
	assert_true(is_there(AT_FDCWD, path));
	tear_down(&scene);
	assert_false(is_there(AT_FDCWD, path));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(it_is_a_private_folder_beside_the_databases_folder),
		TEST(its_path_is_where_the_copy_belongs),
		TEST(where_the_copy_belongs_looks_like_the_folder),
		TEST(a_parent_that_everybody_may_change_is_not_taken),
		TEST(it_never_lies_in_the_databases_folder),
		TEST(without_room_it_says_what_is_missing_and_makes_nothing),
		TEST(what_a_killed_run_left_goes_when_one_is_made),
		TEST(one_of_another_user_goes_only_for_root),
		TEST(one_of_root_stays_for_a_user),
		TEST(one_that_is_used_stays),
		TEST(folders_that_only_look_like_one_stay),
		TEST(in_it_the_copy_stands_at_the_real_path),
		TEST(a_path_may_have_any_character),
		TEST(the_live_wal_is_hidden_and_the_copys_own_is_not),
		TEST(without_a_copy_nobody_gets_in),
		TEST(a_normal_user_has_one_too),
		TEST(the_owner_of_a_closed_folder_can_work_in_it),
		TEST(where_mounts_are_shared_nobody_else_sees_it),
		TEST(the_rights_that_dbmigrate_keeps_are_enough),
		TEST(what_is_mounted_below_the_folder_is_seen_in_it),
		TEST(on_an_overlay_a_folder_does_in_its_place),
		TEST(where_namespaces_are_refused_it_says_so),
		TEST(for_another_users_database_it_takes_rights),
		TEST(it_can_be_entered_many_times),
		TEST(nothing_is_left_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
