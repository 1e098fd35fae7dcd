#!/usr/bin/env bash
# check-man.sh BUILD - every tool, and safe_migrate.sh, has a man page that is correct mdoc and lists the options of its --help, no others.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
build=$1
failed=0

complain() {
	printf '%s\n' "$*"
	failed=1
}

# The long options that a tool's --help explains: those that start a line, not those that a text speaks of.
options_of_help() {
	"$1" --help | sed -nE 's/^ +(-[A-Za-z0-9], )?(--[a-z][a-z0-9-]*).*/\2/p' | sort -u
}

# The long options that a page explains: ".It Fl w , Fl -wait" and the shorter ".It Fl w , -wait".
options_of_page() {
	grep '^\.It Fl' "$1" | grep -oE '(Fl|,) (-|Fl )[a-z][a-z0-9-]*' | sed -E 's/^(Fl|,) (-|Fl )/--/' | sort -u
}

check_options() {
	local tool=$1 page=$2 only_help only_page
	only_help=$(comm -23 <(options_of_help "$tool") <(options_of_page "$page"))
	only_page=$(comm -13 <(options_of_help "$tool") <(options_of_page "$page"))
	[[ -z $only_help ]] || complain "$page: lacks ${only_help//$'\n'/ }"
	[[ -z $only_page ]] || complain "$page: $tool --help lacks ${only_page//$'\n'/ }"
	[[ -n $(options_of_help "$tool") ]] || complain "$tool --help: no options found"
}

# Every page repeats the exit statuses, as ".It 0" or ".It Li 0"; these four every tool has.
check_exit_statuses() {
	local page=$1 status table
	table=$(sed -n '/^\.Sh EXIT STATUS/,/^\.Sh [^E]/p' "$page")
	[[ -n $table ]] || complain "$page: has no section EXIT STATUS"
	for status in 0 1 2 3; do
		grep -qE "^\.It ([A-Z][a-z] )?$status( |\$)" <<<"$table" || complain "$page: EXIT STATUS lacks $status"
	done
}

# check_page PROGRAM PAGE
check_page() {
	if [[ ! -f $2 ]]; then
		complain "$2: missing"
		return
	fi
	mandoc -T lint -W warning "$2" || failed=1
	check_options "$1" "$2"
	check_exit_statuses "$2"
}

for source in tools/*.c; do
	tool=$(basename "$source" .c)
	check_page "$build/$tool" "tools/$tool.1"
done
check_page scripts/safe_migrate.sh scripts/safe_migrate.1
for page in tools/*.1; do
	[[ -f ${page%.1}.c ]] || complain "$page: there is no ${page%.1}.c"
done
exit "$failed"
