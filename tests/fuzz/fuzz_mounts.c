#include "tests/fuzz/fuzz.h"

#include "common/linux/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct mount mount = { 0 };

	if (mount_line_read(text, &mount)) {
		const struct mounts mounts = { .items = &mount, .count = 1 };
		const char *rest = NULL;
		const char *over = mounts_overlay_over(&mounts, text, &rest);

		CHECK(mount.point && mount.type && mount.options);
		CHECK(strlen(mount.point) <= strlen(text));
		CHECK(!strpbrk(mount.type, " ") || strstr(text, "\\040"));
		CHECK(mounts_find(&mounts, mount.id) == &mount);
		CHECK(!over || *over == '\0' || over == mount.point);
		CHECK(filesystem_trust(mount.type) <= FILESYSTEM_SHARED);
	}
	mount_release(&mount);
	free(text);
	return 0;
}
