# backup.awk - the tables and the verdict of backup.sh; see measure() and its like there.

$1 == "idle" || $1 == "busy" {
	key = $1 "-" $2
	times[key, ++count[key]] = $3
	status[key] = $5
	if ($5 != 0 && $2 != "sqlite3-limited")
		wrong(label(key) ": exit status " $5)
	for (i = 6; i <= NF; i++)
		if ($i == "refused")
			wrong(label(key) ": the writer was refused")
		else
			commit[key, ++commits[key]] = $i
}

$1 == "lock" {
	locks[$2, ++lock_count[$2]] = $3
	lock_times[$2, lock_count[$2]] = $5
	methods[$2] = $4
	if ($6 != 0)
		wrong($2 ": exit status " $6)
	if ($4 != "reflink")
		wrong($2 ": the method is " $4)
}

$1 == "memory" {
	memories[++memory_count] = $2
	private[$2] = $3 / 1024
	share[$2] = $4 / 1024
	largest[$2] = $5 / 1024
	if ($6 != 0)
		wrong("memory of " $2 ": exit status " $6)
}

$1 == "huge" {
	sub(/^huge /, "")
	name = $1
	sub(/^[^ ]* /, "")
	huge[name] = $0
}

END {
	if (wants("speed") || wants("writer"))
		print_times()
	if (wants("writer"))
		print_commits()
	if (wants("reflink"))
		print_locks()
	if (memory_count)
		print_memories()
	printf "%-66s %10s %10s\n", "limits", "measured", "at most"
	judge_all()
	for (i = 1; i <= mistakes; i++)
		printf "  %-64s %10s %10s  MISSED\n", mistake[i], "", ""
	exit missed + mistakes > 0
}

function wants(part)
{
	return index("," parts ",", "," part ",")
}

function wrong(text)
{
	if (!(text in told)) {
		told[text]
		mistake[++mistakes] = text
	}
}

function label(key,    text)
{
	text = key
	sub(/^(idle|busy)-/, "", text)
	if (text == "cp-sync")
		text = "cp && sync of the file"
	else if (text ~ /^sqlite3/)
		text = "sqlite3 .backup"
	else if (text ~ /^(none|quick|full)$/)
		text = "dbbackup --verify=" text
	return text (key ~ /^busy/ ? ", beside the writer" : "")
}

# Sorts list[key, 1..n] into `sorted`.
function sort_of(list, key, n,    i, j, t)
{
	for (i = 1; i <= n; i++) {
		t = list[key, i] + 0
		for (j = i - 1; j > 0 && sorted[j] > t; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = t
	}
}

function median(list, key, n)
{
	sort_of(list, key, n)
	return n ? (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2 : 0
}

function quantile(list, key, n, share,    rank)
{
	sort_of(list, key, n)
	rank = int(n * share)
	return n ? sorted[rank < n * share ? rank + 1 : rank] : 0
}

function time_of(key)
{
	return median(times, key, count[key])
}

function print_times(    i, n, keys, base, t)
{
	base = time_of("idle-cp-sync")
	n = split("idle-cp-sync idle-none idle-sqlite3 idle-quick busy-none busy-cp-sync busy-cp busy-sqlite3-limited",
		keys, " ")
	printf "A database of %.2f GB on %s, medians of %d runs\n\n", size / 1e9, where, rounds
	printf "  %-44s %9s %9s %9s %8s\n", "", "ms", "least", "most", "x cp"
	for (i = 1; i <= n; i++) {
		t = time_of(keys[i])
		if (!t)
			continue
		if (keys[i] ~ /limited/ && status[keys[i]] == 124) {
			printf "  %-44s not finished after %d s\n", label(keys[i]), t / 1000
			continue
		}
		printf "  %-44s %9.0f %9.0f %9.0f %8s\n", label(keys[i]), t, sorted[1],
			sorted[count[keys[i]]], base ? sprintf("%.2f", t / base) : "-"
	}
	printf "\n"
}

function print_commits(    i, n, keys, key)
{
	n = split("busy-none busy-cp-sync busy-cp", keys, " ")
	printf "Commits of a writer in WAL mode, one each %d ms, each synced\n\n", interval
	printf "  %-44s %9s %9s %9s %9s\n", "", "number", "median us", "99 % us", "worst us"
	for (i = 1; i <= n; i++) {
		key = keys[i]
		printf "  %-44s %9d %9.0f %9.0f", label(key), commits[key],
			quantile(commit, key, commits[key], 0.5), quantile(commit, key, commits[key], 0.99)
		printf " %9.0f\n", sorted[commits[key]]
	}
	printf "\n"
}

function print_locks(    i, n, types)
{
	n = split("xfs btrfs", types, " ")
	printf "How long the read lock is held beside that writer, and the whole backup without verification\n\n"
	printf "  %-24s %-16s %12s %12s %12s\n", "", "method", "median s", "longest s", "all of it ms"
	for (i = 1; i <= n; i++)
		if (lock_count[types[i]])
			printf "  %-24s %-16s %12.4f %12.4f %12.0f\n", types[i], methods[types[i]],
				median(locks, types[i], lock_count[types[i]]),
				quantile(locks, types[i], lock_count[types[i]], 1),
				median(lock_times, types[i], lock_count[types[i]])
	printf "\n"
}

function print_memories(    i, name)
{
	printf "Peak memory of all processes of dbbackup, MiB\n\n"
	printf "  %-24s %12s %12s %24s\n", "", "private", "its share", "largest with libraries"
	for (i = 1; i <= memory_count; i++) {
		name = memories[i]
		printf "  %-24s %12.1f %12.1f %24.1f\n", name, private[name], share[name], largest[name]
	}
	printf "\n"
}

function verdict(met, text, measured, limit)
{
	printf "  %-64s %10s %10s  %s\n", text, measured, limit, met ? "met" : "MISSED"
	if (!met)
		missed++
}

function judge_ratio(key, peer, limit,    t, base)
{
	t = time_of(key)
	base = time_of(peer)
	if (!t || !base)
		verdict(0, label(key) ": not measured", "-", limit)
	else
		verdict(t <= limit * base,
			sprintf("%s, x %s", label(key), peer == "idle-none" ? "idle" : label(peer)),
			sprintf("%.3f", t / base), sprintf("%.2f", limit))
}

# The 99th percentile of the commits, as a multiple of that beside a peer.
function judge_commits(key, peer, limit,    t, base)
{
	t = quantile(commit, key, commits[key], 0.99)
	base = quantile(commit, peer, commits[peer], 0.99)
	if (!t || !base)
		verdict(0, "commits: not measured", "-", limit)
	else
		verdict(t <= limit * base, "99 % of the commits beside dbbackup, x beside " \
			(peer == "busy-cp" ? "plain cp" : "cp && sync"), sprintf("%.3f", t / base),
			sprintf("%.2f", limit))
}

function judge_lock(type,    longest)
{
	longest = quantile(locks, type, lock_count[type], 1)
	verdict(lock_count[type] > 0 && longest < 0.020, "longest read lock on " type ", seconds",
		sprintf("%.4f", longest), "0.0200")
}

function judge_memories(    i, most)
{
	for (i = 1; i <= memory_count; i++)
		if (private[memories[i]] > most)
			most = private[memories[i]]
	verdict(most > 0 && most < 32, "peak memory of all runs, MiB", sprintf("%.1f", most), "32")
}

function judge_huge(name, text, wanted)
{
	verdict(huge[name] == wanted, text, huge[name], wanted)
}

function judge_all()
{
	if (wants("speed")) {
		judge_ratio("idle-none", "idle-cp-sync", 1.15)
		judge_ratio("idle-none", "idle-sqlite3", 1)
	}
	if (wants("speed") && wants("writer"))
		judge_ratio("busy-none", "idle-none", 1.3)
	if (wants("writer")) {
		judge_commits("busy-none", "busy-cp-sync", 1.5)
		judge_commits("busy-none", "busy-cp", 1.5)
	}
	if (wants("reflink")) {
		judge_lock("xfs")
		judge_lock("btrfs")
	}
	if (memory_count)
		judge_memories()
	if (wants("huge")) {
		judge_huge("wal-content", "20 GB in WAL mode: the content of the copy", "same")
		judge_huge("integrity", "20 GB in WAL mode: integrity_check of the copy", "ok")
		judge_huge("bytes", "20 GB in DELETE mode: each byte of the copy", "same")
	}
}
