#!/usr/bin/perl
# A client of the oracle: Perl's DBD::SQLite. See ../run for the protocol that all clients speak.
use strict;
use warnings;
use POSIX ();
use DBI;
use DBD::SQLite;

my ($db, $cursor, $schema);

sub connect_to {
	my $path = shift;
	$schema = 'main';
	$db = DBI->connect("dbi:SQLite:dbname=$path", '', '',
		{RaiseError => 1, PrintError => 0, sqlite_busy_timeout => 0});
	$db->sqlite_busy_timeout(0);
}

sub close_all {
	$cursor->finish if $cursor;
	undef $cursor;
	$db->disconnect if $db;
	undef $db;
}

# The child ends as a killed one does: nothing of its parent's is closed or flushed.
sub fork_child {
	my $child = fork;
	return $child if $child;
	open my $lifeline, '<&=', $ARGV[0];
	sysread $lifeline, my $nothing, 1;
	POSIX::_exit(0);
}

my %action = (
	open => \&connect_to,
	attach => sub { connect_to(':memory:'); $db->do('ATTACH ? AS shop', undef, shift); $schema = 'shop' },
	sql => sub {
		my $statement = $db->prepare(shift);
		$statement->execute;
		$statement->fetchall_arrayref if $statement->{NUM_OF_FIELDS};
		$statement->finish;
	},
	cursor => sub { $cursor = $db->prepare(shift); $cursor->execute; $cursor->fetchrow_arrayref },
	finish => sub { $cursor->finish if $cursor; undef $cursor },
	close => \&close_all,
	fork => \&fork_child,
);

sub state { $db ? $db->sqlite_txn_state($schema) : 0 }

$| = 1;
$SIG{CHLD} = 'IGNORE';
print "ok 0 $DBD::SQLite::sqlite_version\n";
while (my $line = <STDIN>) {
	chomp $line;
	my ($command, $argument) = split / /, $line, 2;
	my $result;
	if (eval { $result = $action{$command}->($argument); 1 }) {
		print 'ok ', state(), $command eq 'fork' ? " $result" : '', "\n";
	} else {
		my $error = $@ =~ s/ at \S+ line .*//sr;
		close_all() if $command =~ /^(open|attach)$/;
		print 'error ', state(), " $error\n";
	}
}
