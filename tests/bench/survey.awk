# survey.awk - the tables and the verdict of survey.sh; see report() there.

FILENAME ~ /counts$/ {
	walked[$1] = $2
	descriptors[$1] = $3
	if ($4 < 1)
		wrong($1, "minimal_walk", "does not find the holder")
}

FILENAME ~ /certified$/ {
	certified[$1] = 1
}

FILENAME ~ /results$/ {
	key = $1 SUBSEP $2
	times[key, ++count[key]] = $3
	if ($4 > memory[key])
		memory[key] = $4
	if (!($2 in known)) {
		known[$2]
		names[++commands] = $2
	}
	expected = $2 ~ /^held/ ? 1 : 0
	if ($5 != expected)
		wrong($1, $2, "exits " $5 " and not " expected)
}

END {
	for (i = 1; i <= split(sizes, size, " "); i++)
		print_table(size[i])
	judge_limits()
	for (i = 1; i <= mistakes; i++)
		verdict(0, mistake[i])
	exit missed > 0
}

function wrong(processes, name, what,    text)
{
	text = label(name) " among " processes " processes: " what
	if (!(text in told)) {
		told[text]
		mistake[++mistakes] = text
	}
}

# What a row is called: free-noscan is "dblockcheck --no-scan FREE".
function label(name,    text)
{
	if (name !~ /^(free|held)/)
		return name ~ /^lslocks/ ? name : name " HELD"
	text = "dblockcheck"
	if (name ~ /-noscan/)
		text = text " --no-scan"
	if (name ~ /-sample0/)
		text = text " --sample=0"
	return text " " toupper(substr(name, 1, 4))
}

# The median time of a command, or 0 if it was not measured.
function median(processes, name,    key, n, i, j, t, sorted)
{
	key = processes SUBSEP name
	n = count[key]
	for (i = 1; i <= n; i++) {
		t = times[key, i] + 0
		for (j = i - 1; j > 0 && sorted[j] > t; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = t
	}
	return n ? (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2 : 0
}

function times_of(t, other)
{
	return other ? sprintf("%.3f", t / other) : "-"
}

function print_table(processes,    i, name, t)
{
	printf "%d processes with %d descriptors, medians of %d runs\n\n", walked[processes],
		descriptors[processes], runs
	printf "  %-40s %10s %8s %8s %9s %9s\n", "", "ms", "x lsof", "x fuser", "x minimal",
		"RSS MiB"
	for (i = 1; i <= commands; i++) {
		name = names[i]
		t = median(processes, name)
		printf "  %-40s %10.2f %8s %8s %9s %9.1f\n", label(name), t,
			times_of(t, median(processes, "lsof")), times_of(t, median(processes, "fuser")),
			times_of(t, median(processes, "minimal_walk")), memory[processes, name] / 1024
	}
	printf "\n"
}

function verdict(met, text)
{
	printf "%-6s  %s\n", met ? "met" : "MISSED", text
	if (!met)
		missed++
}

# A limit on the time of a command, in milliseconds or as a share of another command's time.
function judge(processes, name, limit, peer,    t, base)
{
	t = median(processes, name)
	base = peer ? median(processes, peer) : 1
	if (!t || !base)
		verdict(0, label(name) " among " processes " processes: not measured")
	else if (peer)
		verdict(t <= limit * base, sprintf("%s among %d processes: %.3f x %s, at most %.2f",
			label(name), processes, t / base, peer, limit))
	else
		verdict(t < limit, sprintf("%s among %d processes: %.2f ms, less than %g",
			label(name), processes, t, limit))
}

function judge_memory(    i, s, largest)
{
	for (i = 1; i <= commands; i++)
		for (s in walked)
			if (names[i] ~ /^(free|held)/ && memory[s, names[i]] > largest)
				largest = memory[s, names[i]]
	verdict(largest > 0 && largest < 16 * 1024,
		sprintf("peak memory of all runs: %.1f MiB, less than 16", largest / 1024))
}

# Linear: what a descriptor costs grows with their number no more than for the minimal walk, which
# is linear in what it does, while the kernel's caches and the other load of the machine are not.
function judge_growth(name, few, many,    first, last, base)
{
	if (!median(few, name) || !median(many, name)) {
		verdict(0, label(name) " among " few " and " many " processes: not measured")
		return
	}
	first = median(few, name) / descriptors[few]
	last = median(many, name) / descriptors[many]
	base = median(many, "minimal_walk") / descriptors[many] / \
		(median(few, "minimal_walk") / descriptors[few])
	verdict(last / first <= 1.25 * base, sprintf("%s: %.2f us a descriptor among %d processes, " \
		"%.2f among %d: %.2f x, at most 1.25 x minimal_walk's %.2f x", label(name),
		first * 1000, few, last * 1000, many, last / first, base))
}

function judge_limits(    i, name)
{
	for (i = 1; i <= 2; i++) {
		name = i == 1 ? "free" : "held"
		judge(2000, name, 0.25, "lsof")
		judge(2000, name, 0.85, "fuser")
		judge(2000, name, 1.25, "minimal_walk")
	}
	judge(4000, "free-noscan", 5)
	verdict(certified[4000], label("free-noscan") " among 4000 processes: 0, certified")
	judge(2000, "free-noscan", 0.05, "fuser")
	judge(4000, "held-noscan", 205) # 5 ms and the default sample time
	judge_growth("free-sample0", 500, 4000)
	judge_memory()
}
