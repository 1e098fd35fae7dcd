#include "common/linux/mounts.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/fdinfo.h"

enum { MOST_BYTES = 64 * 1024 * 1024 };

void mount_release(struct mount *mount)
{
	free(mount->point);
	free(mount->type);
	free(mount->options);
	*mount = (struct mount){ 0 };
}

void mounts_release(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		mount_release(&mounts->items[i]);
	free(mounts->items);
	*mounts = (struct mounts){ 0 };
}

/* Appends text with the kernel's \\040-like escapes undone. */
static void append_unescaped(struct text *text, const char *escaped, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char *at = escaped + i;
		char byte = *at;

		if (*at == '\\' && i + 3 < length && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
		    at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
			byte = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			i += 3;
		}
		text_append_bytes(text, &byte, 1);
	}
}

/* A blank-separated field; moves *cursor behind it. */
static char *take_field(const char **cursor, bool unescape)
{
	const size_t length = strcspn(*cursor, " \n");
	auto_text field = { 0 };

	if (unescape)
		append_unescaped(&field, *cursor, length);
	else
		text_append_bytes(&field, *cursor, length);
	*cursor += length;
	*cursor += **cursor == ' ';
	return text_take(&field);
}

static void skip_field(const char **cursor)
{
	*cursor += strcspn(*cursor, " \n");
	*cursor += **cursor == ' ';
}

/*
 *   36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *   id parent dev root point options optional…  - type source superoptions    (proc(5))
 */
bool mount_line_read(const char *line, struct mount *mount)
{
	const char *cursor = line;
	uint64_t major = 0, minor = 0;

	if (!parse_number_at(&cursor, 10, UINT64_MAX, &mount->id) || !parse_word_at(&cursor, " "))
		return false;
	skip_field(&cursor);
	if (!parse_number_at(&cursor, 10, UINT_MAX, &major) || !parse_word_at(&cursor, ":") ||
	    !parse_number_at(&cursor, 10, UINT_MAX, &minor) || !parse_word_at(&cursor, " "))
		return false;
	mount->major = (unsigned)major;
	mount->minor = (unsigned)minor;
	skip_field(&cursor);
	mount->point = take_field(&cursor, true);
	skip_field(&cursor);
	while (*cursor && *cursor != '\n' && strncmp(cursor, "- ", 2) != 0)
		skip_field(&cursor);
	if (!parse_word_at(&cursor, "- "))
		return false;
	mount->type = take_field(&cursor, true);
	skip_field(&cursor);
	mount->options = take_field(&cursor, false);
	return true;
}

static void read_lines(const char *text, struct mounts *mounts)
{
	for (const char *line = text; *line;) {
		const size_t length = strcspn(line, "\n");
		struct mount mount = { 0 };

		if (mount_line_read(line, &mount))
			*memory_append(mounts) = mount;
		else
			mount_release(&mount);
		line += length + (line[length] == '\n');
	}
}

bool mounts_read(const struct proc_root *root, struct mounts *mounts, struct error *err)
{
	auto_free char *text = proc_read(root->fd, "self/mountinfo", MOST_BYTES, NULL);

	if (!text)
		return fail_errno(err, STATUS_TROUBLE, "/proc/self/mountinfo: cannot read");
	read_lines(text, mounts);
	return true;
}

void mounts_read_along(const struct proc_root *root, const char *path, struct mounts *mounts)
{
	uint64_t pid = 0;

	if (!parse_word_at(&path, "/proc/") || !parse_number_at(&path, 10, INT32_MAX, &pid) ||
	    !parse_word_at(&path, "/root/"))
		return;

	auto_free char *name = memory_format("%d/mountinfo", (int)pid);
	auto_free char *text = proc_read(root->fd, name, MOST_BYTES, NULL);

	if (text)
		read_lines(text, mounts);
}

const struct mount *mounts_find(const struct mounts *mounts, uint64_t id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->items[i].id == id)
			return &mounts->items[i];
	return NULL;
}

const struct mount *mounts_of_descriptor(const struct mounts *mounts, const struct proc_root *root,
					 int fd)
{
	auto_free char *path = memory_format("self/fdinfo/%d", fd);
	auto_free char *text = proc_read(root->fd, path, 4096, NULL);
	struct fdinfo info = { 0 };

	return text && fdinfo_read(text, &info) ? mounts_find(mounts, info.mount) : NULL;
}

static bool is_listed(const char *const *list, const char *type)
{
	for (; *list; list++)
		if (strcmp(*list, type) == 0)
			return true;
	return false;
}

enum filesystem_trust filesystem_trust(const char *type)
{
	static const char *const local[] = { "ext2",  "ext3",	  "ext4",   "xfs",  "btrfs",
					     "tmpfs", "overlay",  "ramfs",  "f2fs", "zfs",
					     "jfs",   "bcachefs", "nilfs2", "udf",  "vfat",
					     "exfat", NULL };
	static const char *const shared[] = {
		"nfs",	  "nfs4",    "cifs",  "smb3",	   "smbfs",    "9p",	 "afs",	   "ceph",
		"lustre", "gfs2",    "ocfs2", "coda",	   "virtiofs", "vboxsf", "vmhgfs", "prl_fs",
		"drvfs",  "fuseblk", "fuse",  "glusterfs", "orangefs", "beegfs", NULL
	};

	if (is_listed(local, type))
		return FILESYSTEM_LOCAL;
	if (is_listed(shared, type) || strncmp(type, "fuse.", 5) == 0)
		return FILESYSTEM_SHARED;
	return FILESYSTEM_UNKNOWN;
}

const char *filesystem_type_of(long magic)
{
	static const struct {
		long magic;
		const char *type;
	} types[] = {
		{ EXT4_SUPER_MAGIC, "ext4" },	{ XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" }, { TMPFS_MAGIC, "tmpfs" },
		{ RAMFS_MAGIC, "ramfs" },	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ F2FS_SUPER_MAGIC, "f2fs" },	{ MSDOS_SUPER_MAGIC, "vfat" },
		{ EXFAT_SUPER_MAGIC, "exfat" }, { NFS_SUPER_MAGIC, "nfs" },
		{ CIFS_SUPER_MAGIC, "cifs" },	{ SMB2_SUPER_MAGIC, "smb3" },
		{ V9FS_MAGIC, "9p" },		{ FUSE_SUPER_MAGIC, "fuse" },
		{ CEPH_SUPER_MAGIC, "ceph" },	{ AFS_SUPER_MAGIC, "afs" },
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].magic == magic)
			return types[i].type;
	return "unknown";
}

/*
 * Whether `path` lies below a folder. The kernel repeats a relative one as it was given: then any folder that ends
 * like it must be taken for it.
 */
static bool lies_below(const char *path, const char *folder, size_t length)
{
	if (length == 0 || (*folder == '/' && length == 1))
		return false;
	if (*folder == '/')
		return strncmp(path, folder, length) == 0 && path[length] == '/';
	for (const char *at = path; (at = strchr(at, '/')); at++)
		if (strncmp(at + 1, folder, length) == 0 && at[1 + length] == '/')
			return true;
	return false;
}

/* docker's and podman's layers: …/overlay2/ID/diff/… and …/overlay/ID/diff/… */
static bool looks_like_a_layer(const char *path)
{
	static const char *const stores[] = { "/overlay2/", "/overlay/" };

	for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
		for (const char *at = path; (at = strstr(at, stores[i]));) {
			at += strlen(stores[i]) - 1; /* the slash may begin the next one */

			const size_t id = strspn(at + 1, "0123456789abcdef-init");

			if (id >= 32 && strncmp(at + 1 + id, "/diff/", 6) == 0)
				return true;
		}
	return false;
}

/*
 * The value of "key=" among a superblock's options, which are separated by commas; free() it. A comma in a value is
 * escaped by the kernel (\054), and by mount(8) with a backslash before that.
 */
static char *option_value(const char *options, const char *key)
{
	const size_t length = strlen(key);

	for (const char *at = options; *at;) {
		const size_t end = strcspn(at, ",");

		if (end > length && strncmp(at, key, length) == 0) {
			auto_text value = { 0 };
			auto_text plain = { 0 };

			append_unescaped(&value, at + length, end - length);
			for (const char *byte = text_string(&value); *byte; byte++)
				if (*byte != '\\' || byte[1] == '\\')
					text_append_bytes(&plain, byte, 1);
			return text_take(&plain);
		}
		at += end + (at[end] == ',');
	}
	return NULL;
}

const char *mounts_overlay_over(const struct mounts *mounts, const char *path, const char **rest)
{
	*rest = "";
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount *mount = &mounts->items[i];
		auto_free char *upper = strcmp(mount->type, "overlay") == 0
						? option_value(mount->options, "upperdir=")
						: NULL;

		if (upper && lies_below(path, upper, strlen(upper))) {
			*rest = path + strlen(upper);
			return mount->point;
		}
	}
	return looks_like_a_layer(path) ? "" : NULL;
}
