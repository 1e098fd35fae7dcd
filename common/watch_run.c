#include "common/watch_run.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/linux/privileges.h"
#include "common/linux/publish.h"
#include "common/lock_listener.h"
#include "common/survey.h"
#include "common/watch.h"
#include "common/watch_identify.h"
#include "common/watch_report.h"
#include "common/watch_screen.h"
#include "common/watch_svg.h"

/* Between two times that the kernel's buffer is emptied, and between two looks at /proc/locks. */
static const double hear_pause = 0.05, look_pause = 0.01;

/* Between two walks over all processes: at least so long, and so many times as long as a walk takes. */
static const double survey_pause = 5, survey_share = 200;

static const double bury_pause = 1, draw_pause = 0.5;

struct session {
	const struct watch_request *request;
	const struct proc_root *root;
	struct lock_listener listener;
	struct watch watch;
	struct watch_about about;
	char *database;	       /* as `about` calls it: the listener's name goes with the file */
	struct survey openers; /* who had it open at the last walk */
	double next_survey, next_bury, next_tell, end;
	uint64_t looks;
	bool unheard; /* nobody reads what we say */
	bool on_screen; /* then lines go to `latest`, and the figures come when the screen is given back */
	struct watch_latest latest;
	double next_draw;
};

static void say(struct session *session, const char *text)
{
	if (*text && session->on_screen)
		watch_latest_add(&session->latest, text);
	else if (*text && !session->unheard)
		session->unheard = !session->request->write(text);
}

static void say_json(struct session *session, struct json_t *line)
{
	auto_text text = { 0 };
	auto_free char *words = json_take_line(line);

	text_append(&text, "%s\n", words);
	say(session, text_string(&text));
}

static void note(struct session *session, const struct watch_note *told)
{
	auto_text text = { 0 };

	if (session->request->settings->quiet)
		return;
	if (session->request->settings->json) {
		say_json(session, watch_report_note_json(&session->about, told));
		return;
	}
	watch_report_note(&text, &session->about, told);
	say(session, text_string(&text));
}

static void note_file(struct session *session, enum listener_news news)
{
	static const char *const events[] = {
		[LISTENER_REPLACED] = "replaced",
		[LISTENER_REMOVED] = "removed",
		[LISTENER_BACK] = "back",
	};

	session->about.replaced += news == LISTENER_REPLACED || news == LISTENER_BACK;
	if (news != LISTENER_SAME)
		note(session, &(struct watch_note){ .time = clock_now(), .event = events[news] });
}

static void note_lost(struct session *session)
{
	const uint64_t lost = session->listener.lost - session->about.lost;

	session->about.lost = session->listener.lost;
	if (lost)
		note(session,
		     &(struct watch_note){ .time = clock_now(), .event = "lost", .lost = lost });
}

static bool has_opener(const struct survey *survey, const struct holder *holder)
{
	const struct holder *found = survey_find(survey, holder->process.pid);

	return found && found->process.start_ticks == holder->process.start_ticks;
}

/* Those of the one survey that are not in the other. */
static void note_difference(struct session *session, const struct survey *of,
			    const struct survey *without, const char *event)
{
	for (size_t i = 0; i < of->holders.count; i++)
		if (!has_opener(without, &of->holders.items[i]))
			note(session,
			     &(struct watch_note){ .time = clock_now(),
						   .event = event,
						   .process = &of->holders.items[i].process });
}

/* Who has it open, with or without a lock. While there is none at the path, nobody is said to have closed it. */
static void look_for_openers(struct session *session)
{
	const struct survey_options options = { .scan = true };
	const double before = clock_now();
	struct error ignored = { 0 };
	struct survey now = { 0 };

	if (survey_take(&now, session->root, session->listener.path, &options, &ignored)) {
		note_difference(session, &session->openers, &now, "closed");
		note_difference(session, &now, &session->openers, "opened");
		survey_release(&session->openers);
		session->openers = now;
	} else {
		survey_release(&now);
	}
	session->next_survey =
		clock_now() + fmax(survey_pause, survey_share * (clock_now() - before));
}

static void tell_changes(struct session *session)
{
	struct watch_changes changes = { 0 };

	watch_changes(&session->watch, clock_now(), &changes);
	for (size_t i = 0; i < changes.count && !session->request->settings->quiet; i++) {
		auto_text text = { 0 };

		if (session->request->settings->json) {
			say_json(session, watch_report_change_json(&session->about, &session->watch,
								   &changes.items[i]));
			continue;
		}
		watch_report_change(&text, &session->about, &session->watch, &changes.items[i]);
		say(session, text_string(&text));
	}
	watch_changes_release(&changes);
}

static void tell_start(struct session *session)
{
	auto_text text = { 0 };

	if (session->request->settings->quiet)
		return;
	if (session->request->settings->json) {
		say_json(session, watch_report_start_json(&session->about, session->watch.began));
		return;
	}
	watch_report_start(&text, &session->about);
	say(session, text_string(&text));
}

/* Never "free" where somebody may hold a lock that does not show. */
static const char *unseen(const struct session *session)
{
	if (session->listener.target.trust == FILESYSTEM_SHARED)
		return "locks held elsewhere, by other machines that share this file system, cannot be seen from here";
	if (!session->root->initial_pid_namespace)
		return "locks held outside of this PID namespace cannot be seen from here";
	if (session->listener.unowned)
		return "OFD locks that were held already are not known until they change";
	return NULL;
}

static void tell_totals(struct session *session)
{
	const double now = clock_now();
	const struct watch_totals totals = {
		.now = now,
		.period =
			session->looks ? (now - session->watch.began) / (double)session->looks : 0,
	};
	auto_text text = { 0 };

	watch_finish(&session->watch, now);
	session->about.unseen = unseen(session);
	if (session->request->settings->json) {
		say_json(session,
			 watch_report_totals_json(&session->about, &session->watch, &totals));
		return;
	}
	watch_report_totals(&text, &session->about, &session->watch, &totals);
	say(session, text_string(&text));
}

static void draw_screen(struct session *session, double now)
{
	struct screen_page page = { 0 };
	size_t lines = 0, columns = 0;

	if (!session->on_screen || now < session->next_draw)
		return;
	screen_size(&lines, &columns);
	watch_screen(&page, &session->about, &session->watch, &session->latest, now, lines,
		     columns);
	screen_show(&page);
	screen_page_release(&page);
	session->next_draw = now + draw_pause;
}

/* One turn: what happened since the last one, and what is due. */
static bool turn(struct session *session, struct error *err)
{
	enum listener_news news = LISTENER_SAME;

	if (!listener_hear(&session->listener, &session->watch, &news, err))
		return false;
	session->looks++;
	watch_draw(&session->watch, clock_now());
	privileges_raise();
	watch_identify(&session->watch, session->root);
	privileges_lower();

	const double now = clock_now();

	if (now >= session->next_bury) {
		watch_bury(&session->watch, session->root, now);
		session->next_bury = now + bury_pause;
	}
	if (now >= session->next_tell) {
		tell_changes(session);
		note_lost(session);
		session->next_tell = now + session->request->interval;
	}
	note_file(session, news);
	draw_screen(session, now);
	if (now >= session->next_survey || news != LISTENER_SAME)
		look_for_openers(session);
	return true;
}

static bool start(struct session *session, const char *path, struct error *err)
{
	const struct watch_request *request = session->request;
	struct timespec wall = { 0 };

	if (!listener_start(&session->listener, &session->watch, request->tracefs,
			    &request->untraced, session->root, path, err))
		return false;
	wall = clock_wall();
	session->database = memory_copy_text(session->listener.target.absolute);
	session->about = (struct watch_about){
		.tool = request->tool,
		.given = path,
		.database = session->database,
		.traced = session->listener.traced,
		.untraced = session->listener.untraced.text,
		.unseen = unseen(session),
		.wall_offset = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - clock_now(),
		.verbose = request->settings->verbose,
	};
	session->end = request->seconds < 0 ? INFINITY : session->watch.began + request->seconds;
	tell_start(session);
	session->on_screen =
		!request->settings->json && !request->settings->quiet && screen_start();
	session->about.brief = session->on_screen;
	look_for_openers(session);
	return true;
}

static bool go_on(struct session *session, struct error *err)
{
	const double pause = session->about.traced ? hear_pause : look_pause;

	for (;;) {
		const double next = clock_now() + pause;
		const bool last = clock_now() >= session->end || signals_pending() != 0 ||
				  (session->on_screen && screen_wants_end());

		/* What happened until now is heard a moment later. */
		if (last)
			clock_sleep_until(clock_now() + look_pause);
		if (!turn(session, err))
			return false;
		if (last || session->unheard)
			return true;
		clock_sleep_until(next < session->end ? next : session->end);
	}
}

/* Makes a file of that name; never over one that is there: it could be the database. */
static bool write_picture(const struct session *session, const struct text *picture,
			  struct error *err)
{
	const char *path = session->request->svg;
	auto_free char *shown = text_printable(path);
	auto_free char *temporary = memory_format("%s.%d.new", path, session->root->self);

	if (!publish_write(AT_FDCWD, temporary, text_string(picture), picture->length, shown, err))
		return false;
	if (publish_new(AT_FDCWD, temporary, AT_FDCWD, path, shown, err))
		return true;
	(void)unlink(temporary);
	return false;
}

/* Whether there will be a place for the picture; better known before the watch than after it. */
static bool try_picture(const struct session *session, struct error *err)
{
	const struct text nothing = { 0 };

	if (!session->request->svg)
		return true;
	if (!write_picture(session, &nothing, err))
		return false;
	(void)unlink(session->request->svg);
	return true;
}

static bool draw_picture(const struct session *session, struct error *err)
{
	auto_text picture = { 0 };

	if (!session->request->svg)
		return true;
	watch_svg(&picture, &session->about, &session->watch, clock_now());
	return write_picture(session, &picture, err);
}

bool watch_run(const struct watch_request *request, const struct proc_root *root, const char *path,
	       struct error *err)
{
	struct session session = { .request = request,
				   .root = root,
				   .listener = LOCK_LISTENER_NONE };
	bool done =
		try_picture(&session, err) && start(&session, path, err) && go_on(&session, err);

	if (session.on_screen) {
		screen_end();
		session.on_screen = session.about.brief = false;
	} else if (done) {
		tell_changes(&session);
		note_lost(&session);
	}
	if (done) {
		tell_totals(&session);
		done = draw_picture(&session, err);
	}
	listener_stop(&session.listener);
	survey_release(&session.openers);
	watch_release(&session.watch);
	watch_latest_release(&session.latest);
	free(session.database);
	return done;
}
