#include "common/base/progress.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/message.h"
#include "common/base/text.h"

/* Back to the start of the line, and clear it. */
static const char wipe[] = "\r\x1b[K";

struct progress progress_start(bool quiet, bool verbose)
{
	return (struct progress){
		.drawn = !quiet && isatty(STDERR_FILENO) == 1,
		.told = !quiet && verbose,
	};
}

static void append_rate(struct text *line, const struct progress *progress, uint64_t done,
			uint64_t total)
{
	const double seconds = clock_now() - progress->began;

	if (seconds < 0.5 || done == 0)
		return;
	text_append(line, ", ");
	text_append_size(line, (uint64_t)((double)done / seconds));
	text_append(line, "/s, %.0f s left", (double)(total - done) * seconds / (double)done);
}

void progress_show(struct progress *progress, const char *phase, uint64_t done, uint64_t total)
{
	auto_text line = { 0 };

	if (!progress->phase || strcmp(progress->phase, phase) != 0) {
		progress->phase = phase;
		progress->began = clock_now();
		progress_clear(progress);
		if (progress->told)
			message_line(phase);
		return;
	}
	if (!progress->drawn)
		return;
	if (done > total)
		done = total;
	text_append(&line, "%s%s", wipe, phase);
	if (total > 0) {
		text_append(&line, " %3.0f %%, ", 100.0 * (double)done / (double)total);
		text_append_size(&line, done);
		text_append(&line, " of ");
		text_append_size(&line, total);
		append_rate(&line, progress, done, total);
	}
	message_write(text_string(&line));
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		message_write(wipe);
	progress->shown = false;
}
