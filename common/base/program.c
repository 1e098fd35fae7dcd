#include "common/base/program.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/output.h"
#include "common/base/signals.h"

static bool output_was_closed;

static bool open_standard_descriptors(void)
{
	output_was_closed = fcntl(STDOUT_FILENO, F_GETFD) < 0;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_NOCTTY) != fd)
			return false;
	return true;
}

bool program_start(void)
{
	const struct rlimit no_core = { 0, 0 };

	if (!open_standard_descriptors())
		return false;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &no_core); /* lowering a limit cannot be refused */
	(void)setlocale(LC_CTYPE, "C.UTF-8");	/* without it, what is not ASCII is shown escaped */
	return true;
}

bool program_output_was_closed(void)
{
	return output_was_closed;
}

int program_end(enum status status)
{
	status = output_finish(status);
	signals_obey();
	return (int)status;
}
