#!/bin/bash -p
# Makes the image that the compose files name: folders, and the links that lead to /usr. The programs are this machine's, as the
# compose files mount /usr; nothing is downloaded. Another name may be given.
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -m 755 "$root"/{app,dev,etc,proc,root,run,sys,usr,var}
mkdir -m 1777 "$root/tmp"
for link in bin sbin lib lib32 lib64 libx32; do
	if [[ -L /$link ]]; then
		cp -P "/$link" "$root"
	fi
done
cp /etc/passwd /etc/group /etc/ld.so.cache "$root/etc"
tar -c --owner=0 --group=0 -C "$root" . | docker import - "${1:-repair-bot}"
