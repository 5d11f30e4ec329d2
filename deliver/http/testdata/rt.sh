#!/bin/sh
# rt.sh start DIR PORT | count DIR PORT: RT 5 with a new SQLite database, in which everyone
# may write to the queue General, and nobody to the queue Closed.
# Debian: request-tracker5 rt5-db-sqlite rt5-standalone
set -e
cd "$2"
export RT_SITE_CONFIG="$2/RT_SiteConfig.pm" RT_SITE_CONFIG_DIR="$2/RT_SiteConfig.d"
case $1 in
start)
	mkdir -p RT_SiteConfig.d
	cat >RT_SiteConfig.pm <<-EOF
		Set(\$rtname, 'test');
		Set(\$Organization, 'example.org');
		Set(\$WebDomain, '127.0.0.1');
		Set(\$WebPort, $3);
		Set(\$DatabaseType, 'SQLite');
		Set(\$DatabaseName, '$2/rt.sqlite3');
		Set(\$MailCommand, 'testfile');
		Set(\$LogToSTDERR, 'error');
		Set(\$LogToSyslog, undef);
		1;
	EOF
	rt-setup-database-5 --action init --dba root --dba-password "" --skip-create
	perl -I/usr/share/request-tracker5/lib -e '
		use RT -init;
		my $closed = RT::Queue->new(RT->SystemUser);
		$closed->Create(Name => "Closed");
		my ($open, $all) = (RT::Queue->new(RT->SystemUser), RT::Group->new(RT->SystemUser));
		$open->Load("General");
		$all->LoadSystemInternalGroup("Everyone");
		$all->PrincipalObj->GrantRight(Object => $open, Right => $_) for qw(CreateTicket ReplyToTicket);'
	exec /usr/share/request-tracker5/libexec/rt-server --port "$3"
	;;
count) perl -MDBI -e 'print DBI->connect("dbi:SQLite:rt.sqlite3")->selectrow_array("select count(*) from Tickets"), "\n"' ;;
esac
