/*
 * pause_sqlite - run SQL, and stand still at the moment when SQLite has just taken a lock.
 *
 *	pause_sqlite DATABASE BYTE SQL
 *
 * For the tests: a checkpoint and a recovery are over before anybody can look. This is the real
 * SQLite doing them; only its fcntl() is replaced (sqlite3_vfs.xSetSystemCall) by one that waits
 * for a line on standard input after the first write lock that includes BYTE: 121 for CKPT, 122
 * for RECOVER, 123 for READ0.
 *
 * "ready PID" says that it stands still. At the end: "ended", or "error TEXT".
 */

#include <err.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static off_t pause_byte;
static bool paused;

static void say(const char *word, const char *text)
{
	printf("%s %s\n", word, text);
	fflush(stdout);
}

static void stand_still(void)
{
	char pid[16];

	paused = true;
	snprintf(pid, sizeof(pid), "%d", getpid());
	say("ready", pid);
	while (getchar() != '\n' && !feof(stdin))
		continue;
}

static bool is_the_lock(int command, const struct flock *lock)
{
	return command == F_SETLK && lock->l_type == F_WRLCK && lock->l_start <= pause_byte &&
	       pause_byte < lock->l_start + lock->l_len;
}

static int pausing_fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);

	int result = fcntl(fd, command, argument);

	if (!paused && result == 0 && is_the_lock(command, argument))
		stand_still();
	return result;
}

int main(int argc, char **argv)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
	sqlite3 *database = NULL;

	if (argc != 4)
		errx(2, "usage: pause_sqlite DATABASE BYTE SQL");
	pause_byte = atol(argv[2]);
	vfs->xSetSystemCall(vfs, "fcntl", (sqlite3_syscall_ptr)pausing_fcntl);

	if (sqlite3_open(argv[1], &database) || sqlite3_exec(database, argv[3], NULL, NULL, NULL))
		say("error", sqlite3_errmsg(database));
	else
		say("ended", "");
	sqlite3_close(database);
	return 0;
}
