#include "common/known_programs.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum known_id { CURSOR, VS_CODE, JETBRAINS, DB_BROWSER, DBEAVER, SQLITESTUDIO, DESKTOP, UPDATEDB };

static const struct known_program programs[] = {
	[CURSOR] = { "Cursor", KNOWN_EDITOR },
	[VS_CODE] = { "VS Code", KNOWN_EDITOR },
	[JETBRAINS] = { "a JetBrains IDE", KNOWN_EDITOR },
	[DB_BROWSER] = { "DB Browser for SQLite", KNOWN_BROWSER },
	[DBEAVER] = { "DBeaver", KNOWN_BROWSER },
	[SQLITESTUDIO] = { "SQLiteStudio", KNOWN_BROWSER },
	[DESKTOP] = { "the desktop's indexer", KNOWN_INDEXER },
	[UPDATEDB] = { "updatedb", KNOWN_INDEXER },
};

struct sign {
	const char *text;
	enum known_id id;
};

/* The program's own name; a number may follow (pycharm64, updatedb.plocate). Never a folder's: ~/code is anybody's. */
static const struct sign names[] = {
	{ "cursor", CURSOR },
	{ "code", VS_CODE },
	{ "code-insiders", VS_CODE },
	{ "code-oss", VS_CODE },
	{ "codium", VS_CODE },
	{ "vscodium", VS_CODE },
	{ "code-server", VS_CODE },
	{ "idea", JETBRAINS },
	{ "pycharm", JETBRAINS },
	{ "datagrip", JETBRAINS },
	{ "webstorm", JETBRAINS },
	{ "phpstorm", JETBRAINS },
	{ "goland", JETBRAINS },
	{ "clion", JETBRAINS },
	{ "rubymine", JETBRAINS },
	{ "rustrover", JETBRAINS },
	{ "fsnotifier", JETBRAINS },
	{ "sqlitebrowser", DB_BROWSER },
	{ "DB Browser for SQLite", DB_BROWSER },
	{ "dbeaver", DBEAVER },
	{ "dbeaver-ce", DBEAVER },
	{ "sqlitestudio", SQLITESTUDIO },
	{ "tracker-miner-fs", DESKTOP },
	{ "tracker-miner-fs-3", DESKTOP },
	{ "tracker-extract-3", DESKTOP },
	{ "localsearch", DESKTOP },
	{ "baloo_file", DESKTOP },
	{ "baloo_file_extractor", DESKTOP },
	{ "updatedb", UPDATEDB },
};

/*
 * What stands in the path of the program, or of what it runs: language servers and indexers are a Node.js, Python or
 * Java that lies in the editor's folders, or that is given their files.
 */
static const struct sign marks[] = {
	{ "/.cursor-server/", CURSOR },
	{ "/.cursor/extensions/", CURSOR },
	{ "/.vscode-server/", VS_CODE },
	{ "/.vscode/extensions/", VS_CODE },
	{ "/usr/share/code/", VS_CODE },
	{ "/usr/share/cursor/", CURSOR },
	{ "/.local/share/JetBrains/", JETBRAINS },
	{ "-Didea.", JETBRAINS },
	{ "/plugins/org.jkiss.dbeaver", DBEAVER },
	{ "/dbeaver/jre/", DBEAVER },
	{ "/dbeaver-ce/jre/", DBEAVER },
	{ "/dbeaver/plugins/", DBEAVER },
	{ "/dbeaver-ce/plugins/", DBEAVER },
};

static bool is_named(const char *name, const char *known)
{
	const size_t length = strlen(known);

	return strncasecmp(name, known, length) == 0 &&
	       (name[length] == '\0' || name[length] == '.' ||
		name[length + strspn(name + length, "0123456789")] == '\0');
}

static const struct known_program *by_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is_named(slash ? slash + 1 : path, names[i].text))
			return &programs[names[i].id];
	return NULL;
}

static const struct known_program *by_mark(const char *text)
{
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (strstr(text, marks[i].text))
			return &programs[marks[i].id];
	return NULL;
}

/*
 * A later argument may be any file that somebody works on, so of these only a virtual machine's options count, and the
 * first that is none: what is run.
 */
const struct known_program *known_program(const struct process *process)
{
	const struct known_program *found = NULL;

	if (process->exe)
		found = by_name(process->exe);
	if (!found && process->exe)
		found = by_mark(process->exe);
	for (size_t i = 1; !found && i < process->command_count; i++) {
		found = by_mark(process->command[i]);
		if (process->command[i][0] != '-')
			break;
	}
	return found;
}
