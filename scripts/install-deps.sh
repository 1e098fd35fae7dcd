#!/usr/bin/env bash
# install-deps.sh - install the Debian packages that this project needs, and only the missing ones.
set -euo pipefail

usage() {
	cat <<'END'
Usage: install-deps.sh [OPTION]... [build|run|demo|test]...
Install the Debian packages that are missing, as root or through sudo.

  build   to compile the tools
  run     what safe_migrate.sh and the targets of bot.mk use
  demo    to run scripts/demo.sh
  test    to run scripts/check.sh
          (no group means all of them)

  -n, --dry-run   say what would be installed, and install nothing
  -q, --quiet     say nothing when nothing is missing
  -h, --help      show this text
END
}

declare -A packages=(
	[build]="gcc make pkg-config libc6-dev libsqlite3-dev libjansson-dev libproc2-dev libcap-dev
		libssl-dev libzstd-dev libncurses-dev"
	[run]="jq make util-linux findutils coreutils libc-bin"
	[demo]="python3 sqlite3 procps alembic python3-alembic"
	[test]="git clang clang-format libclang-rt-dev llvm cppcheck shellcheck codespell mandoc
		bats jq gojq libcmocka-dev valgrind strace lsof psmisc procps tmux python3 sqlite3
		util-linux mount e2fsprogs btrfs-progs xfsprogs bindfs acl attr xxd libcap2-bin bsdutils
		zstd patch restic rclone openssh-client openssh-server
		docker.io docker-compose podman systemd prometheus
		alembic python3-alembic python3-aiosqlite
		libdbd-sqlite3-perl tcl libsqlite3-tcl php-cli php-sqlite3"
)
# The tests fetch dbmate with npm, whoever has installed that: Debian's npm and another Node.js exclude each other.
command -v npm >/dev/null || packages[test]+=" npm"

say() { printf 'install-deps: %s\n' "$*"; }

die() {
	printf 'install-deps: %s\n' "$*" >&2
	exit "${status:-3}"
}

parse_arguments() {
	dry_run=false quiet=false groups=()
	while (($# > 0)); do
		case $1 in
		-h | --help) usage && exit 0 ;;
		-n | --dry-run) dry_run=true ;;
		-q | --quiet) quiet=true ;;
		build | run | demo | test) groups+=("$1") ;;
		*) status=2 die "unknown argument '$1' (see --help)" ;;
		esac
		shift
	done
	((${#groups[@]} > 0)) || groups=(build run demo test)
}

# Prints the packages of these groups that are not installed, one a line.
find_missing() {
	local group wanted installed
	# shellcheck disable=SC2086 # the tables are lists of words
	wanted=$(for group; do printf '%s\n' ${packages[$group]}; done | sort -u)
	# dpkg-query fails when there is a name that it does not know: that one is missing.
	# shellcheck disable=SC2086
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		sed -n 's/^installed //p') || true
	grep -vxF -e "$installed" <<<"$wanted" || true
}

# A package must not start its daemon here: nobody asked for one. Debian asks this file before it starts anything.
policy=/usr/sbin/policy-rc.d

forbid_daemons() {
	[[ -e $policy ]] && return # the machine has a policy of its own
	trap allow_daemons EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	printf '#!/bin/sh\n# made by install-deps.sh for as long as it runs\nexit 101\n' |
		"${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod 755 "$policy"
}

allow_daemons() { "${as_root[@]}" rm -f "$policy"; }

become_root() {
	as_root=(env)
	((EUID == 0)) && return
	command -v sudo >/dev/null ||
		die "not root, and there is no sudo; as root: apt-get install --no-install-recommends $*"
	as_root=(sudo)
}

install_packages() {
	local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
	forbid_daemons
	"${apt[@]}" update || say "could not refresh the package lists; going on with those that are there"
	"${apt[@]}" install --no-install-recommends "$@" ||
		die "apt-get could not install: $*"
	say "done"
}

main() {
	parse_arguments "$@"
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		die "this is for Debian, with apt-get and dpkg; elsewhere install what these hold:" \
			"$(tr -s '\n\t' ' ' <<<"${packages[*]}")"
	fi
	local missing
	mapfile -t missing <<<"$(find_missing "${groups[@]}")"
	[[ -n ${missing[0]} ]] || missing=()
	if ((${#missing[@]} == 0)); then
		"$quiet" || say "nothing is missing for: ${groups[*]}"
	elif "$dry_run"; then
		say "would install: ${missing[*]}"
	else
		become_root "${missing[@]}"
		say "installing: ${missing[*]}"
		install_packages "${missing[@]}" </dev/null
	fi
}

main "$@"
