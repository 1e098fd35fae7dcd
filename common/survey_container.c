#include "common/survey_container.h"

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"

/* Whether what was surveyed is what the container has at that path: it may have been replaced meanwhile, by a link too. */
static bool is_that_of(const struct survey *survey, const struct container_path *place,
		       const char *path, struct error *err)
{
	auto_container_path now = CONTAINER_PATH_NONE;

	if (survey->device == place->file.st_dev && survey->inode == place->file.st_ino)
		return container_path_holds(place, err);
	if (!container_path_find(&now, place->name, path, err))
		return false;
	if (survey->device == now.file.st_dev && survey->inode == now.file.st_ino)
		return true;

	auto_free char *shown = text_printable(path);

	return fail(err, STATUS_TROUBLE, "container %s: %s: is being replaced", place->name, shown);
}

bool survey_note_container(struct survey *survey, struct container_path *place, const char *path,
			   struct error *err)
{
	if (!is_that_of(survey, place, path, err))
		return false;
	survey->container = take_pointer(&place->name);
	survey->inside = take_pointer(&place->inside);
	return true;
}
