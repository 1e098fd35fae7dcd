#include "common/linux/user.h"

#include <pwd.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/scope.h"

enum { MOST_ACCOUNT = 64 << 10 };

bool user_find(uid_t uid, struct user *user)
{
	auto_free char *buffer = memory_allocate(MOST_ACCOUNT, 1);
	struct passwd account = { 0 };
	struct passwd *found = NULL;

	if (getpwuid_r(uid, &account, buffer, MOST_ACCOUNT, &found) != 0 || !found)
		return false;
	user->name = memory_copy_text(found->pw_name);
	user->home = memory_copy_text(found->pw_dir);
	user->gid = found->pw_gid;
	return true;
}

void user_release(struct user *user)
{
	free(user->name);
	free(user->home);
	*user = (struct user){ 0 };
}
