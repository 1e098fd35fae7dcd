# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2015 # what the libraries share
# The first lines of the scripts that work on a project, which have set PATH by now and kept the caller's. They run as root, from cron, in a folder that a user gave: nothing of the caller's
# environment decides what is run here; the bot gets its caller's locale, mask and PATH back (bot.bash).
#
# One library a subject, all of one shell: talk (what is said), conf (the settings), record (lock, log and record of a run), tools (the
# five, and what is true), bot (stop and start), migrate (dbmigrate and backups), chain (the steps of a run, and its end). They share $project, $database, $state, $work,
# $tools, $bot and the array $conf_values; a function's result is in $reply, or in what its comment names.

# All three are there, so that nothing else gets their numbers; an answer that nobody can get is a failure.
[[ -e /dev/fd/0 ]] || exec </dev/null
[[ -e /dev/fd/1 ]] || exec >/dev/full
[[ -e /dev/fd/2 ]] || exec 2>/dev/null
set +o posix
set -u
unset POSIXLY_CORRECT BASH_COMPAT BASH_ENV ENV CDPATH GLOBIGNORE IFS
[[ -d ${TMPDIR-} && -w $TMPDIR ]] || unset TMPDIR
IFS=$' \t\n'
callers_umask=$(umask)
umask 077
if ((EUID == 0)); then callers_path=$PATH; else callers_path=${callers_path:+$callers_path:}$PATH; fi
callers_locale=(-u LC_ALL)
[[ ! ${LC_ALL+set} ]] || callers_locale=("LC_ALL=$LC_ALL")
export PATH LC_ALL=C.UTF-8
shopt -s nullglob

for library in talk conf record tools bot migrate chain; do
	# shellcheck source=/dev/null # checked by themselves
	. "$here/lib/$library.bash" || exit 3
done
unset library
