#include "common/base/message.h"

#include <stdio.h>

static const char *speaker = "dblocktools"; /* set once, at the start */

void message_start(const char *tool)
{
	speaker = tool;
}

void message_line(const char *line)
{
	/* One call, one line: lines of tools that run side by side do not mix. There is nowhere left
	 * to report that standard error itself failed. */
	(void)fprintf(stderr, "%s: %s\n", speaker, line);
}

void message_error(const struct error *err)
{
	message_line(err->text);
}

void message_write(const char *text)
{
	(void)fputs(text, stderr);
}
