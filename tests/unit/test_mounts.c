#include "tests/unit/folder.h"

#include "common/linux/mounts.h"

static void a_line_of_the_manual_is_read_in_full(void **state)
{
	struct mount mount = { 0 };

	(void)state;
	assert_true(mount_line_read("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root "
				    "rw,errors=continue\n",
				    &mount));
	assert_int_equal(mount.id, 36);
	assert_int_equal(mount.major, 98);
	assert_int_equal(mount.minor, 0);
	assert_string_equal(mount.point, "/mnt2");
	assert_string_equal(mount.type, "ext3");
	assert_string_equal(mount.options, "rw,errors=continue");
	mount_release(&mount);
	assert_null(mount.point);
}

static void there_may_be_any_number_of_optional_fields(void **state)
{
	static const char *const optional[] = { "", "shared:5 ",
						"shared:5 master:1 propagate_from:2 ",
						"unbindable ", "a-b:- " };
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
		struct mount mount = { 0 };

		(void)snprintf(line, sizeof line, "24 1 254:0 / / rw %s- ext4 /dev/vda rw",
			       optional[i]);
		assert_true(mount_line_read(line, &mount));
		assert_string_equal(mount.type, "ext4");
		assert_string_equal(mount.options, "rw");
		mount_release(&mount);
	}
}

static void the_kernels_escapes_are_undone(void **state)
{
	struct mount mount = { 0 };

	(void)state;
	assert_true(mount_line_read("36 35 0:44 / /mnt/a\\040b\\011c\\012d\\134e rw - fuse.x y z\n",
				    &mount));
	assert_string_equal(mount.point, "/mnt/a b\tc\nd\\e");
	mount_release(&mount);
}

static void a_backslash_that_is_no_escape_stays(void **state)
{
	struct mount mount = { 0 };

	(void)state;
	assert_true(mount_line_read("36 35 0:44 / /m\\04 rw - x y z\\", &mount));
	assert_string_equal(mount.point, "/m\\04");
	assert_string_equal(mount.options, "z\\");
	mount_release(&mount);
	assert_true(mount_line_read("36 35 0:44 / /m\\08x\\400 rw - x y z", &mount));
	assert_string_equal(mount.point, "/m\\08x\\400");
	mount_release(&mount);
}

static void lines_of_another_form_are_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"36",
		"x 35 98:0 / / rw - ext3 a b",
		"36 35 98 / / rw - ext3 a b",
		"36 35 98:x / / rw - ext3 a b",
		"36 35 98:4294967296 / / rw - ext3 a b",
		"36 35 98:0 / / rw master:1",
		"36 35 98:0 / / rw\n- ext3 a b",
		"-1 35 98:0 / / rw - ext3 a b",
		"18446744073709551616 35 98:0 / / rw - ext3 a b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct mount mount = { 0 };

		if (mount_line_read(lines[i], &mount))
			fail_msg("was taken: %s", lines[i]);
		mount_release(&mount);
	}
}

static void the_whole_list_is_read_and_searched_by_id(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_mounts mounts = { 0 };
	struct error err = { 0 };

	folder_write_text(*state, "self/mountinfo",
			  "24 1 254:0 / / rw - ext4 /dev/vda rw\n"
			  "junk\n"
			  "31 24 0:30 /@home /home rw - btrfs /dev/vdb rw,subvol=/@home\n");
	assert_true(proc_root_open(&root, *state, &err));
	assert_true(mounts_read(&root, &mounts, &err));
	assert_int_equal(mounts.count, 2);
	assert_string_equal(mounts_find(&mounts, 31)->type, "btrfs");
	assert_int_equal(mounts_find(&mounts, 31)->minor, 30);
	assert_null(mounts_find(&mounts, 30));
}

static void a_proc_without_mounts_is_an_error(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_mounts mounts = { 0 };
	struct error err = { 0 };

	assert_true(proc_root_open(&root, *state, &err));
	assert_false(mounts_read(&root, &mounts, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void this_machines_own_mounts_are_read(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_mounts mounts = { 0 };
	struct error err = { 0 };
	bool has_root = false;

	(void)state;
	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(mounts_read(&root, &mounts, &err));
	for (size_t i = 0; i < mounts.count; i++)
		has_root = has_root || strcmp(mounts.items[i].point, "/") == 0;
	assert_true(has_root);
}

static void only_local_file_systems_are_trusted(void **state)
{
	static const char *const local[] = { "ext4", "xfs", "btrfs", "tmpfs", "overlay" };
	static const char *const shared[] = { "nfs",  "nfs4",	     "cifs",	"smb3",
					      "9p",   "virtiofs",    "fuse",	"fuse.sshfs",
					      "ceph", "fuse.rclone", "fuseblk", "vboxsf" };
	static const char *const unknown[] = { "",	  "ext",  "ext4x",	"nfsd",
					       "fusectl", "proc", "somethingfs" };

	(void)state;
	for (size_t i = 0; i < sizeof local / sizeof *local; i++)
		assert_int_equal(filesystem_trust(local[i]), FILESYSTEM_LOCAL);
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
		assert_int_equal(filesystem_trust(shared[i]), FILESYSTEM_SHARED);
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_int_equal(filesystem_trust(unknown[i]), FILESYSTEM_UNKNOWN);
}

/* Adds one overlay as mountinfo would show it. */
static void add_overlay(struct mounts *mounts, const char *point, const char *options)
{
	char line[512];

	(void)snprintf(line, sizeof line, "%zu 24 0:55 / %s rw - overlay overlay %s", mounts->count,
		       point, options);
	mounts->items = realloc(mounts->items, (mounts->count + 1) * sizeof *mounts->items);
	assert_non_null(mounts->items);
	mounts->items[mounts->count] = (struct mount){ 0 };
	assert_true(mount_line_read(line, &mounts->items[mounts->count++]));
}

static void assert_over(const struct mounts *mounts, const char *path, const char *expected)
{
	const char *rest = NULL;
	const char *over = mounts_overlay_over(mounts, path, &rest);

	if (expected && !over)
		fail_msg("%s: not found to be in an upper folder", path);
	else if (expected)
		assert_string_equal(over, expected);
	else
		assert_null(over);
}

static void a_path_in_an_upper_folder_leads_to_the_merged_one(void **state)
{
	auto_mounts mounts = { 0 };

	(void)state;
	add_overlay(&mounts, "/merged", "rw,lowerdir=/lower,upperdir=/u/upper,workdir=/u/work");
	assert_over(&mounts, "/u/upper/data/bot.db", "/merged");
	assert_over(&mounts, "/u/upper/bot.db", "/merged");
	assert_over(&mounts, "/u/upper2/bot.db", NULL);
	assert_over(&mounts, "/u/upper", NULL);
	assert_over(&mounts, "/merged/bot.db", NULL);
	assert_over(&mounts, "/lower/bot.db", NULL);
	assert_over(&mounts, "/x/u/upper/bot.db", NULL);
}

static void an_overlay_without_an_upper_folder_takes_nothing(void **state)
{
	auto_mounts mounts = { 0 };

	(void)state;
	add_overlay(&mounts, "/merged", "ro,lowerdir=/a:/b");
	add_overlay(&mounts, "/second", "rw,lowerdir=/a,upperdir=/u,workdir=/w");
	assert_over(&mounts, "/a/bot.db", NULL);
	assert_over(&mounts, "/u/bot.db", "/second");
}

static void a_relative_upper_folder_is_any_that_ends_like_it(void **state)
{
	auto_mounts mounts = { 0 };

	(void)state;
	/* The kernel repeats it as it was given to mount(2). */
	add_overlay(&mounts, "/merged", "rw,lowerdir=l,upperdir=c1/upper,workdir=w");
	assert_over(&mounts, "/var/lib/c1/upper/bot.db", "/merged");
	assert_over(&mounts, "/c1/upper/bot.db", "/merged");
	assert_over(&mounts, "/var/lib/xc1/upper/bot.db", NULL);
	assert_over(&mounts, "/var/lib/c1/upper2/bot.db", NULL);
	assert_over(&mounts, "/var/lib/c1/upper", NULL);
}

static void a_descriptor_leads_to_its_mount(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_mounts mounts = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(mounts_read(&root, &mounts, &err));

	const struct mount *mount = mounts_of_descriptor(&mounts, &root, root.fd);

	assert_non_null(mount);
	assert_string_equal(mount->type, "proc");
	assert_null(mounts_of_descriptor(&mounts, &root, 9999));
}

static void commas_and_equals_signs_in_overlay_paths_stay_where_they_belong(void **state)
{
	auto_mounts mounts = { 0 }, forged = { 0 };

	(void)state;
	/* A comma is shown as \054, an equals sign as it is (linux/seq_file.h, seq_show_option). */
	add_overlay(&mounts, "/merged", "rw,lowerdir=/l,upperdir=/u\\054v/up=per,workdir=/w");
	assert_over(&mounts, "/u,v/up=per/bot.db", "/merged");
	assert_over(&mounts, "/u/bot.db", NULL);
	/* So does mount(8) with mount(2): the backslash that kept the comma is shown as well. */
	add_overlay(&mounts, "/second", "rw,lowerdir=/l,upperdir=/x\\134\\054y/up,workdir=/w");
	assert_over(&mounts, "/x,y/up/bot.db", "/second");
	add_overlay(&forged, "/merged", "rw,lowerdir=/l\\054upperdir=/srv,upperdir=/u,workdir=/w");
	assert_over(&forged, "/srv/bot.db", NULL);
	assert_over(&forged, "/u/bot.db", "/merged");
}

static void a_container_engines_layer_is_known_by_its_path(void **state)
{
	static const char layer[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct mounts none = { 0 };
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof path, "/var/lib/docker/overlay2/%s/diff/data/bot.db", layer);
	assert_over(&none, path, "");
	(void)snprintf(path, sizeof path, "/var/lib/docker/overlay2/%s-init/diff/bot.db", layer);
	assert_over(&none, path, "");
	(void)snprintf(path, sizeof path,
		       "/home/a/.local/share/containers/storage/overlay/%s/diff/bot.db", layer);
	assert_over(&none, path, "");
	(void)snprintf(path, sizeof path, "/var/lib/docker/overlay2/%s/merged/bot.db", layer);
	assert_over(&none, path, NULL);
	assert_over(&none, "/srv/overlay2/notes/diff/bot.db", NULL);
	assert_over(&none, "/srv/overlay/bot.db", NULL);
	assert_over(&none, "/srv/bot.db", NULL);
	/* A folder of that name further up hides nothing. */
	(void)snprintf(path, sizeof path, "/mnt/overlay2/docker/overlay2/%s/diff/bot.db", layer);
	assert_over(&none, path, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_the_manual_is_read_in_full),
		cmocka_unit_test(there_may_be_any_number_of_optional_fields),
		cmocka_unit_test(the_kernels_escapes_are_undone),
		cmocka_unit_test(a_backslash_that_is_no_escape_stays),
		cmocka_unit_test(lines_of_another_form_are_refused),
		cmocka_unit_test_setup_teardown(the_whole_list_is_read_and_searched_by_id,
						folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(a_proc_without_mounts_is_an_error, folder_make,
						folder_remove),
		cmocka_unit_test(this_machines_own_mounts_are_read),
		cmocka_unit_test(only_local_file_systems_are_trusted),
		cmocka_unit_test(a_path_in_an_upper_folder_leads_to_the_merged_one),
		cmocka_unit_test(an_overlay_without_an_upper_folder_takes_nothing),
		cmocka_unit_test(a_relative_upper_folder_is_any_that_ends_like_it),
		cmocka_unit_test(a_descriptor_leads_to_its_mount),
		cmocka_unit_test(commas_and_equals_signs_in_overlay_paths_stay_where_they_belong),
		cmocka_unit_test(a_container_engines_layer_is_known_by_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
