#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/linux/guest.h"
#include "common/linux/privileges.h"

enum { NOBODY = 65534, CANNOT = 77, HALF_A_MINUTE = 30000 };

#define WANT(condition)                            \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 200 + 1; \
	} while (0)

/* A program to run: a shell's words, in the test's folder, as ourselves. */
struct scene {
	const char *folder;
	const char *arguments[4];
	char **environment;
	struct guest guest;
	struct error err;
	struct text told; /* all lines, each with a newline */
	size_t longest;	  /* of them */
};

static void listen_to(void *context, const char *line)
{
	struct scene *scene = context;

	text_append(&scene->told, "%s\n", line);
	if (strlen(line) > scene->longest)
		scene->longest = strlen(line);
}

static void prepare(struct scene *scene, const char *folder, const char *words)
{
	char variable[PATH_MAX + 8];
	const char *extra[] = { variable, NULL };

	(void)snprintf(variable, sizeof variable, "TOP=%s", folder);
	*scene = (struct scene){ .folder = folder, .arguments = { "sh", "-c", words } };
	scene->environment = guest_environment(geteuid(), extra);
	scene->guest = (struct guest){ .arguments = scene->arguments,
				       .environment = scene->environment,
				       .folder = folder,
				       .uid = geteuid(),
				       .gid = getegid(),
				       .log_fd = -1,
				       .talk = listen_to,
				       .context = scene };
}

static void release(struct scene *scene)
{
	guest_environment_release(scene->environment);
	text_release(&scene->told);
}

/* Valgrind does not know pidfd_open(2) yet, and without it nothing is run. */
static void need_pidfd(void)
{
	const int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		skip();
	(void)close(fd);
}

static void run(struct scene *scene)
{
	need_pidfd();
	if (!guest_run(&scene->guest, &scene->err))
		fail_msg("%s", scene->err.text);
}

static void set_up(struct scene *scene, void **state, const char *words)
{
	need_pidfd();
	prepare(scene, *state, words);
}

static bool become_nobody(void)
{
	return geteuid() != 0 ||
	       (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void assert_good(int (*work)(void *argument), void *argument)
{
	const int status = child_run(work, argument);

	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		skip();
	if (status != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

/* A FIFO that a program and what it starts have open for writing: it is at its end when none of them lives. */
static int open_fifo(const char *folder)
{
	char path[PATH_MAX];

	if (mkfifo(folder_path(folder, "fifo", path), 0666) != 0 || chmod(path, 0666) != 0)
		fail_msg("no fifo");
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The next byte; 0 at the end; -1 when there is none within half a minute. */
static int next_byte(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	char byte = 0;

	if (poll(&event, 1, HALF_A_MINUTE) != 1)
		return -1;

	const ssize_t got = read(fd, &byte, 1);

	return got == 1 ? byte : got == 0 ? 0 : -1;
}

/* --- what comes back ---------------------------------------------------------------------------------------------- */

static void its_status_comes_back(void **state)
{
	struct scene scene;

	set_up(&scene, state, "exit 7");
	run(&scene);
	assert_int_equal(scene.guest.status, 7);
	assert_int_equal(scene.guest.ended, 0);
	release(&scene);
}

static void a_signal_that_ends_it_is_128_and_more(void **state)
{
	struct scene scene;

	set_up(&scene, state, "kill -SEGV $$");
	run(&scene);
	assert_int_equal(scene.guest.status, 128 + SIGSEGV);
	release(&scene);
}

static void each_line_is_told_and_the_last_is_kept(void **state)
{
	struct scene scene;

	set_up(&scene, state, "echo one; echo two >&2; printf '\\n  \\nthree'");
	run(&scene);
	assert_string_equal(text_string(&scene.told), "one\ntwo\n\n  \nthree\n");
	assert_string_equal(scene.guest.last_line, "three");
	release(&scene);
}

static void an_empty_last_line_does_not_count(void **state)
{
	struct scene scene;

	set_up(&scene, state, "echo reason; echo; echo '   '");
	run(&scene);
	assert_string_equal(scene.guest.last_line, "reason");
	release(&scene);
}

static void what_could_harm_a_terminal_is_escaped(void **state)
{
	struct scene scene;

	set_up(&scene, state,
	       "printf 'a\\tb\\033]0;x\\007\\000\\377\\n'; printf '\\342\\200\\256x\\n'");
	run(&scene);
	assert_string_equal(text_string(&scene.told), "a b\\x1b]0;x\\x07?\\xff\n\\u{202e}x\n");
	release(&scene);
}

static void a_progress_bar_is_one_line(void **state)
{
	struct scene scene;

	set_up(&scene, state, "printf '1%%\\r50%%\\r100%%\\r\\ndone\\r\\n'");
	run(&scene);
	assert_string_equal(text_string(&scene.told), "100%\ndone\n");
	release(&scene);
}

static void a_long_line_is_cut(void **state)
{
	struct scene scene;

	set_up(&scene, state, "head -c 1000000 /dev/zero | tr '\\0' x");
	run(&scene);
	assert_int_equal(scene.longest, GUEST_MOST_COLUMNS - 1 + strlen("…"));
	assert_int_equal(strlen(scene.guest.last_line), sizeof scene.guest.last_line - 1);
	release(&scene);
}

static void all_of_it_is_logged_raw(void **state)
{
	struct scene scene;
	char bytes[64] = "";
	auto_close int log = memfd_create("log", MFD_CLOEXEC);

	set_up(&scene, state, "printf 'a\\033[1m\\r\\n'; printf 'b\\000' >&2");
	scene.guest.log_fd = log;
	run(&scene);
	assert_int_equal(pread(log, bytes, sizeof bytes, 0), 9);
	assert_memory_equal(bytes, "a\033[1m\r\nb", 9);
	assert_false(scene.guest.log_cut);
	release(&scene);
}

static void a_gigabyte_is_read_and_not_kept(void **state)
{
	struct scene scene;
	struct stat stat = { 0 };
	auto_close int log = memfd_create("log", MFD_CLOEXEC);

	set_up(&scene, state, "yes | head -c 1073741824; echo the end");
	scene.guest.log_fd = log;
	run(&scene);
	assert_int_equal(scene.guest.status, 0);
	assert_int_equal(fstat(log, &stat), 0);
	assert_in_range(stat.st_size, GUEST_MOST_LOG, GUEST_MOST_LOG + 100);
	assert_true(scene.guest.log_cut);
	assert_in_range(scene.told.length, 1, GUEST_MOST_TALK + 100);
	assert_string_equal(scene.guest.last_line, "the end");
	release(&scene);
}

static void a_log_that_cannot_be_written_does_not_stop_it(void **state)
{
	struct scene scene;
	auto_close int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	set_up(&scene, state, "echo one; exit 3");
	scene.guest.log_fd = full;
	run(&scene);
	assert_int_equal(scene.guest.status, 3);
	assert_true(scene.guest.log_cut);
	release(&scene);
}

static void one_that_closes_its_output_goes_on(void **state)
{
	struct scene scene;
	auto_close int fifo = open_fifo(*state);

	set_up(&scene, state, "echo x; exec >&- 2>&-; printf d >\"$TOP/fifo\"; exit 5");
	run(&scene);
	assert_int_equal(next_byte(fifo), 'd');
	assert_int_equal(scene.guest.status, 5);
	release(&scene);
}

/* --- what it has -------------------------------------------------------------------------------------------------- */

static void it_has_no_input_and_no_other_descriptor(void **state)
{
	struct scene scene;
	auto_close int open_one = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

	set_up(&scene, state, "wc -c; ls -l /proc/self/fd | grep -c -- '->'");
	run(&scene);
	/* 0, 1, 2, and the folder that ls lists. */
	assert_string_equal(text_string(&scene.told), "0\n4\n");
	release(&scene);
}

static void it_has_default_signals_a_session_and_a_umask(void **state)
{
	struct scene scene;
	const mode_t before = umask(077);

	set_up(&scene, state,
	       "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'; umask;"
	       "[ \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ ] && echo session");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	run(&scene);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)umask(before);
	assert_non_null(strstr(text_string(&scene.told), "SigBlk:0000000000000000\n"));
	assert_non_null(strstr(text_string(&scene.told), "SigIgn:0000000000000000\n"));
	assert_non_null(strstr(text_string(&scene.told), "0022\n"));
	if (geteuid() == 0)
		assert_non_null(strstr(text_string(&scene.told), "session\n"));
	release(&scene);
}

static void it_starts_in_its_folder_with_its_environment(void **state)
{
	struct scene scene;
	char expected[2 * PATH_MAX + 4];

	set_up(&scene, state, "pwd; echo \"$TOP\"");
	run(&scene);
	(void)snprintf(expected, sizeof expected, "%s\n%s\n", (const char *)*state,
		       (const char *)*state);
	assert_string_equal(text_string(&scene.told), expected);
	release(&scene);
}

static void it_runs_as_another_user_for_real(void **state)
{
	struct scene scene;

	if (geteuid() != 0)
		skip();
	set_up(&scene, state,
	       "id -u; id -g; id -G; grep -E '^(Uid|Gid|Cap[IPEA])' /proc/self/status |"
	       "tr '\\t' ' '; chown 0 . 2>/dev/null || echo bound");
	assert_int_equal(chmod(*state, 0755), 0);
	scene.guest.uid = scene.guest.gid = NOBODY;

	/* Ours must not go along. */
	gid_t before[64];
	const int count = getgroups(sizeof before / sizeof *before, before);

	assert_true(count >= 0);
	assert_int_equal(setgroups(2, (const gid_t[]){ 0, 4 }), 0);
	run(&scene);
	assert_int_equal(setgroups((size_t)count, before), 0);
	assert_string_equal(text_string(&scene.told), "65534\n65534\n65534\n"
						      "Uid: 65534 65534 65534 65534\n"
						      "Gid: 65534 65534 65534 65534\n"
						      "CapInh: 0000000000000000\n"
						      "CapPrm: 0000000000000000\n"
						      "CapEff: 0000000000000000\n"
						      "CapAmb: 0000000000000000\n"
						      "bound\n");
	release(&scene);
}

static int run_with_few_rights(void *argument)
{
	struct scene *scene = argument;

	WANT(privileges_keep_migrating(&scene->err));
	WANT(guest_run(&scene->guest, &scene->err));
	WANT(scene->guest.status == 0);
	scene->guest.uid = scene->guest.gid = NOBODY;
	scene->arguments[2] = "test $(id -u) = 65534";
	WANT(guest_run(&scene->guest, &scene->err));
	WANT(scene->guest.status == 0);
	return 0;
}

static void roots_program_has_roots_rights_again(void **state)
{
	struct scene scene;

	if (geteuid() != 0)
		skip();
	/* CAP_SYS_TIME is nothing that we keep. */
	set_up(&scene, state,
	       "eff=$(sed -n 's/^CapEff:.//p' /proc/self/status);"
	       "bnd=$(sed -n 's/^CapBnd:.//p' /proc/self/status); test $eff = $bnd");
	assert_int_equal(chmod(*state, 0755), 0);
	assert_good(run_with_few_rights, &scene);
	release(&scene);
}

static int want_another_user(void *argument)
{
	struct scene *scene = argument;

	WANT(become_nobody());
	scene->guest.uid = 1;
	WANT(!guest_run(&scene->guest, &scene->err));
	WANT(strstr(scene->err.text, "sh: only root can run it as another user"));
	return 0;
}

static void a_user_cannot_run_it_as_another(void **state)
{
	struct scene scene;

	set_up(&scene, state, "true");
	assert_good(want_another_user, &scene);
	release(&scene);
}

/* --- finding it --------------------------------------------------------------------------------------------------- */

static void refused(struct scene *scene, const char *words)
{
	assert_false(guest_run(&scene->guest, &scene->err));
	assert_int_equal(scene->err.status, STATUS_TROUBLE);
	assert_string_equal(scene->err.text, words);
}

static void what_cannot_be_run_is_said_in_clear_words(void **state)
{
	struct scene scene;
	char path[PATH_MAX], words[2 * PATH_MAX];

	set_up(&scene, state, "true");
	scene.arguments[0] = "no-such-program";
	refused(&scene, "no-such-program: not found in PATH");
	scene.arguments[0] = "./no/such\nprogram";
	refused(&scene, "./no/such\\nprogram: cannot be run: No such file or directory");
	scene.arguments[0] = "";
	refused(&scene, "the program to run has no name");

	folder_write_text(*state, "script", "echo x\n");
	scene.arguments[0] = folder_path(*state, "script", path);
	(void)snprintf(words, sizeof words, "%s: cannot be run: Permission denied", path);
	refused(&scene, words);
	assert_int_equal(chmod(path, 0700), 0);
	(void)snprintf(words, sizeof words, "%s: not a program (a script needs a #! line)", path);
	refused(&scene, words);
	folder_write_text(*state, "script", "#!/no/such/python\n");
	(void)snprintf(words, sizeof words,
		       "%s: cannot be run: what its first line names is not there", path);
	refused(&scene, words);

	scene.arguments[0] = "sh";
	scene.guest.folder = "/no/such/folder";
	refused(&scene, "sh: cannot be started in /no/such/folder: No such file or directory");
	release(&scene);
}

static void the_extra_folder_comes_before_path(void **state)
{
	struct scene scene;
	char path[PATH_MAX];

	set_up(&scene, state, "exit 1");
	folder_write_text(*state, "sh", "#!/bin/sh\nexit 42\n");
	assert_int_equal(chmod(folder_path(*state, "sh", path), 0700), 0);
	scene.guest.extra_path = *state;
	run(&scene);
	assert_int_equal(scene.guest.status, 42);
	release(&scene);
}

static void path_is_that_of_its_environment_and_only_absolute_folders_count(void **state)
{
	struct scene scene;
	char path[PATH_MAX], variable[PATH_MAX + 32];
	char *environment[] = { variable, NULL };

	set_up(&scene, state, "exit 1");
	folder_write_text(*state, "bot-migrate", "#!/bin/sh\nexit 43\n");
	assert_int_equal(chmod(folder_path(*state, "bot-migrate", path), 0700), 0);
	(void)snprintf(variable, sizeof variable, "PATH=.::/nowhere");
	scene.arguments[0] = "bot-migrate";
	scene.guest.environment = environment;
	refused(&scene, "bot-migrate: not found in PATH");
	(void)snprintf(variable, sizeof variable, "PATH=/nowhere:%s", (const char *)*state);
	run(&scene);
	assert_int_equal(scene.guest.status, 43);
	release(&scene);
}

static void a_path_is_one_from_our_folder(void **state)
{
	struct scene scene;
	char path[PATH_MAX];

	set_up(&scene, state, "exit 1");
	folder_write_text(*state, "bin/own", "#!/bin/sh\nexit 44\n");
	assert_int_equal(chmod(folder_path(*state, "bin/own", path), 0700), 0);

	auto_close int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(chdir(*state), 0);
	scene.arguments[0] = "bin/own";
	scene.guest.folder = "/";
	run(&scene);
	assert_int_equal(fchdir(before), 0);
	assert_int_equal(scene.guest.status, 44);
	release(&scene);
}

/* --- what it leaves behind ---------------------------------------------------------------------------------------- */

/* Starts a daemon that forked twice, has a session of its own and ignores what it can, and waits until it is ready. */
#define START_DAEMON                                                                                 \
	"mkfifo \"$TOP/ready\"; setsid sh -c 'trap \"\" TERM HUP INT; (exec 3>\"$TOP/fifo\";"        \
	"printf d >&3; echo >\"$TOP/ready\"; exec tail -f /dev/null) &' >/dev/null 2>&1 </dev/null;" \
	"read -r line <\"$TOP/ready\";"

/* As whom a program is run, and where. */
enum kind { AS_OURSELVES, AS_NOBODY, AS_NOBODY_COVERED };

/* In a child: runs the scene's program; from guest_run() on, all is as in a tool. */
static int run_as(enum kind kind, struct scene *scene)
{
	auto_sandbox sandbox = SANDBOX_NONE;
	char path[PATH_MAX];

	if (kind != AS_OURSELVES && geteuid() == 0)
		WANT(chown(scene->folder, NOBODY, NOBODY) == 0 && become_nobody());
	scene->guest.uid = geteuid();
	scene->guest.gid = getegid();
	if (kind != AS_NOBODY_COVERED)
		return guest_run(&scene->guest, &scene->err) ? 0 : 1;

	WANT(mkdir(folder_path(scene->folder, "db", path), 0700) == 0);

	auto_close int folder_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	WANT(sandbox_make(&sandbox, folder_fd, path, geteuid(), getegid(), 1, "bot.db",
			  &scene->err));
	(void)close(openat(sandbox.upper_fd, "bot.db", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (!sandbox_can_cover(&sandbox, &scene->err))
		return CANNOT;
	scene->guest.sandbox = &sandbox;
	scene->guest.database_name = "bot.db";
	scene->guest.folder = path;
	return guest_run(&scene->guest, &scene->err) ? 0 : 1;
}

static int leave_a_daemon(enum kind kind, struct scene *scene)
{
	char path[PATH_MAX];
	const int fifo = open(folder_path(scene->folder, "fifo", path), O_RDONLY | O_NONBLOCK);
	const int result = run_as(kind, scene);

	if (result != 0)
		return result;
	WANT(scene->guest.status == 3);
	WANT(scene->guest.ended == 1);
	/* Already gone: nothing to wait for. */
	WANT(next_byte(fifo) == 'd');
	WANT(next_byte(fifo) == 0);
	return 0;
}

static int leave_one_as_ourselves(void *argument)
{
	return leave_a_daemon(AS_OURSELVES, argument);
}

static int leave_one_as_nobody(void *argument)
{
	return leave_a_daemon(AS_NOBODY, argument);
}

static int leave_one_covered(void *argument)
{
	return leave_a_daemon(AS_NOBODY_COVERED, argument);
}

static void test_daemon(void **state, int (*work)(void *argument))
{
	struct scene scene;
	auto_close int fifo = open_fifo(*state);

	set_up(&scene, state, START_DAEMON "exit 3");
	(void)close(take_descriptor(&fifo)); /* who holds it open must be in the child alone */
	assert_good(work, &scene);
	release(&scene);
}

static void a_daemon_that_it_leaves_is_ended(void **state)
{
	test_daemon(state, leave_one_as_ourselves);
}

static void a_daemon_of_a_normal_user_is_ended(void **state)
{
	test_daemon(state, leave_one_as_nobody);
}

static void a_daemon_in_a_private_view_is_ended(void **state)
{
	test_daemon(state, leave_one_covered);
}

static void many_that_it_leaves_are_ended(void **state)
{
	struct scene scene;

	set_up(&scene, state,
	       "i=0; while [ $i -lt 50 ]; do tail -f /dev/null & i=$((i+1)); done; exit 0");
	run(&scene);
	assert_int_equal(scene.guest.ended, 50);
	release(&scene);
}

static void children_that_have_ended_are_not_counted(void **state)
{
	struct scene scene;

	set_up(&scene, state, "true & true & exec true");
	run(&scene);
	assert_int_equal(scene.guest.status, 0);
	/* One that had not ended yet may be. */
	assert_in_range(scene.guest.ended, 0, 2);
	release(&scene);
}

/* --- being ended -------------------------------------------------------------------------------------------------- */

static int be_killed(enum kind kind, struct scene *scene)
{
	int ended[2];
	char path[PATH_MAX];
	const int fifo = open(folder_path(scene->folder, "fifo", path), O_RDONLY | O_NONBLOCK);

	WANT(pipe2(ended, O_CLOEXEC) == 0);

	const pid_t tool = fork();

	WANT(tool >= 0);
	if (tool == 0) {
		(void)close(fifo);
		(void)close(ended[0]);

		const char word = (char)run_as(kind, scene);

		_exit(write(ended[1], &word, 1) == 1 ? 0 : 1);
	}
	(void)close(ended[1]);

	/* The daemon's, then the program's: until both are there, or the tool has ended before. */
	struct pollfd events[] = { { .fd = fifo, .events = POLLIN }, { .fd = ended[0] } };
	char bytes[2] = "";
	size_t filled = 0;

	events[1].events = POLLIN;
	while (filled < 2 && poll(events, 2, HALF_A_MINUTE) > 0 && !events[1].revents) {
		const ssize_t got = read(fifo, bytes + filled, 2 - filled);

		filled += got > 0 ? (size_t)got : 0;
	}
	if (filled < 2) {
		char word = 1;

		(void)kill(tool, SIGKILL);
		(void)waitpid(tool, NULL, 0);
		return read(ended[0], &word, 1) == 1 && word == CANNOT ? CANNOT : 1;
	}
	WANT(kill(tool, SIGKILL) == 0 && waitpid(tool, NULL, 0) == tool);
	WANT(next_byte(fifo) == 0);
	return 0;
}

static int be_killed_as_ourselves(void *argument)
{
	return be_killed(AS_OURSELVES, argument);
}

static int be_killed_as_nobody(void *argument)
{
	return be_killed(AS_NOBODY, argument);
}

static int be_killed_covered(void *argument)
{
	return be_killed(AS_NOBODY_COVERED, argument);
}

static void test_kill(void **state, int (*work)(void *argument))
{
	struct scene scene;
	auto_close int fifo = open_fifo(*state);

	set_up(&scene, state,
	       START_DAEMON "exec 3>\"$TOP/fifo\"; trap '' TERM HUP; printf p >&3;"
			    "tail -f /dev/null; echo never");
	(void)close(take_descriptor(&fifo));
	assert_good(work, &scene);
	release(&scene);
}

static void all_of_it_ends_when_we_are_killed(void **state)
{
	test_kill(state, be_killed_as_ourselves);
}

static void all_of_a_normal_users_ends_when_we_are_killed(void **state)
{
	test_kill(state, be_killed_as_nobody);
}

static void all_of_it_in_a_private_view_ends_when_we_are_killed(void **state)
{
	test_kill(state, be_killed_covered);
}

static void when_its_time_is_over_it_is_asked_first(void **state)
{
	struct scene scene;

	set_up(&scene, state,
	       "trap 'echo bye; exit 0' TERM; tail -f /dev/null & wait; echo not reached");
	scene.guest.timeout = 0.5;
	refused(&scene, "sh: had not ended after 0.5 seconds, and was ended");
	assert_true(scene.guest.timed_out);
	assert_string_equal(scene.guest.last_line, "bye");
	release(&scene);
}

static void who_does_not_listen_is_killed_after_the_grace(void **state)
{
	struct scene scene;
	auto_close int fifo = open_fifo(*state);
	double before = 0;

	set_up(&scene, state,
	       START_DAEMON "exec 3>\"$TOP/fifo\"; trap '' TERM HUP; while :; do"
			    " tail -f /dev/null; done");
	scene.guest.timeout = 0.5;
	before = clock_now();
	refused(&scene, "sh: had not ended after 0.5 seconds, and was ended");
	assert_true(clock_now() - before > GUEST_GRACE);
	assert_true(clock_now() - before < 2 * GUEST_GRACE);
	assert_int_equal(scene.guest.status, 128 + SIGKILL);
	assert_in_range(scene.guest.ended, 1, 2);
	assert_int_equal(next_byte(fifo), 'd');
	assert_int_equal(next_byte(fifo), 0);
	release(&scene);
}

static void interrupt_ourselves(void *context, const char *line)
{
	if (strcmp(line, "ready") == 0)
		(void)kill(getpid(), SIGTERM);
	listen_to(context, line);
}

static int be_interrupted(void *argument)
{
	struct scene *scene = argument;

	scene->guest.talk = interrupt_ourselves;
	signals_hold();
	WANT(!guest_run(&scene->guest, &scene->err));
	WANT(strcmp(scene->err.text, "interrupted by SIGTERM") == 0);
	WANT(!scene->guest.timed_out);
	WANT(strcmp(scene->guest.last_line, "cleaned up") == 0);
	/* And nothing is started any more. */
	WANT(!guest_run(&scene->guest, &scene->err));
	return 0;
}

static void when_we_are_interrupted_it_may_clean_up(void **state)
{
	struct scene scene;

	set_up(&scene, state,
	       "trap 'echo cleaned up; exit 0' TERM; echo ready; tail -f /dev/null & wait");
	assert_good(be_interrupted, &scene);
	release(&scene);
}

/* --- its environment ---------------------------------------------------------------------------------------------- */

static const char *value_of(char *const *environment, const char *name)
{
	const char *found = NULL;

	for (; *environment; environment++)
		if (strncmp(*environment, name, strlen(name)) == 0 &&
		    (*environment)[strlen(name)] == '=') {
			assert_null(found); /* once only */
			found = *environment + strlen(name) + 1;
		}
	return found;
}

static void dangerous_variables_are_left_out(void **state)
{
	static const char *const gone[] = { "LD_PRELOAD",    "LD_LIBRARY_PATH", "PYTHONHOME",
					    "PYTHONSTARTUP", "PYTHONINSPECT",	"PYTHONBREAKPOINT",
					    "SQLITE_TMPDIR", "BASH_ENV",	"ENV",
					    "IFS",	     "BASH_FUNC_ls%%" };

	(void)state;
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
		assert_int_equal(setenv(gone[i], "x", 1), 0);
	assert_int_equal(setenv("PYTHONPATH", "kept", 1), 0);
	assert_int_equal(setenv("ENVIRONMENT", "kept", 1), 0);

	char **environment = guest_environment(geteuid(), NULL);

	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		assert_null(value_of(environment, gone[i]));
		assert_int_equal(unsetenv(gone[i]), 0);
	}
	assert_string_equal(value_of(environment, "PYTHONPATH"), "kept");
	assert_string_equal(value_of(environment, "ENVIRONMENT"), "kept");
	guest_environment_release(environment);
	assert_int_equal(unsetenv("PYTHONPATH"), 0);
	assert_int_equal(unsetenv("ENVIRONMENT"), 0);
}

static void extra_variables_take_the_place_of_others(void **state)
{
	static const char *const extra[] = { "OLD=new", "EMPTY=", "NEW=a=b", NULL };

	(void)state;
	assert_int_equal(setenv("OLD", "old", 1), 0);

	char **environment = guest_environment(geteuid(), extra);

	assert_string_equal(value_of(environment, "OLD"), "new");
	assert_string_equal(value_of(environment, "EMPTY"), "");
	assert_string_equal(value_of(environment, "NEW"), "a=b");
	guest_environment_release(environment);
	assert_int_equal(unsetenv("OLD"), 0);
}

static void another_user_has_a_home_of_his_own(void **state)
{
	const uid_t daemon = 1, unknown = 3999999;

	(void)state;
	if (geteuid() == daemon)
		skip();
	assert_int_equal(setenv("HOME", "/root", 1), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/0", 1), 0);

	char **environment = guest_environment(daemon, NULL);

	assert_string_not_equal(value_of(environment, "HOME"), "/root");
	assert_string_equal(value_of(environment, "USER"), "daemon");
	assert_string_equal(value_of(environment, "LOGNAME"), "daemon");
	assert_null(value_of(environment, "XDG_RUNTIME_DIR"));
	guest_environment_release(environment);

	environment = guest_environment(unknown, NULL);
	assert_string_equal(value_of(environment, "HOME"), "/");
	assert_string_equal(value_of(environment, "USER"), "3999999");
	guest_environment_release(environment);

	environment = guest_environment(geteuid(), NULL);
	assert_string_equal(value_of(environment, "HOME"), "/root");
	guest_environment_release(environment);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(its_status_comes_back),
		TEST(a_signal_that_ends_it_is_128_and_more),
		TEST(each_line_is_told_and_the_last_is_kept),
		TEST(an_empty_last_line_does_not_count),
		TEST(what_could_harm_a_terminal_is_escaped),
		TEST(a_progress_bar_is_one_line),
		TEST(a_long_line_is_cut),
		TEST(all_of_it_is_logged_raw),
		TEST(a_gigabyte_is_read_and_not_kept),
		TEST(a_log_that_cannot_be_written_does_not_stop_it),
		TEST(one_that_closes_its_output_goes_on),
		TEST(it_has_no_input_and_no_other_descriptor),
		TEST(it_has_default_signals_a_session_and_a_umask),
		TEST(it_starts_in_its_folder_with_its_environment),
		TEST(it_runs_as_another_user_for_real),
		TEST(roots_program_has_roots_rights_again),
		TEST(a_user_cannot_run_it_as_another),
		TEST(what_cannot_be_run_is_said_in_clear_words),
		TEST(the_extra_folder_comes_before_path),
		TEST(path_is_that_of_its_environment_and_only_absolute_folders_count),
		TEST(a_path_is_one_from_our_folder),
		TEST(a_daemon_that_it_leaves_is_ended),
		TEST(a_daemon_of_a_normal_user_is_ended),
		TEST(a_daemon_in_a_private_view_is_ended),
		TEST(many_that_it_leaves_are_ended),
		TEST(children_that_have_ended_are_not_counted),
		TEST(all_of_it_ends_when_we_are_killed),
		TEST(all_of_a_normal_users_ends_when_we_are_killed),
		TEST(all_of_it_in_a_private_view_ends_when_we_are_killed),
		TEST(when_its_time_is_over_it_is_asked_first),
		TEST(who_does_not_listen_is_killed_after_the_grace),
		TEST(when_we_are_interrupted_it_may_clean_up),
		TEST(dangerous_variables_are_left_out),
		TEST(extra_variables_take_the_place_of_others),
		TEST(another_user_has_a_home_of_his_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
