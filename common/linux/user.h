/* A user's account. */
#ifndef LINUX_USER_H
#define LINUX_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct user {
	char *name;
	char *home;
	gid_t gid; /* his main group */
};

#define auto_user __attribute__((cleanup(user_release))) struct user

/* False when there is no account of that number. Fill *user from zero; user_release() it. */
bool user_find(uid_t uid, struct user *user);
void user_release(struct user *user);

#endif
