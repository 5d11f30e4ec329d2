#!/bin/sh
# redmine.sh start DIR PORT | count DIR PORT: Redmine with a copy of the empty database that
# its package makes, and the project support.
# Debian: redmine redmine-sqlite puma
set -e
export DATABASE_URL="sqlite3:$2/redmine.sqlite3" RAILS_ENV=production X_DEBIAN_SITEID=default
case $1 in
start)
	cp /var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default "$2/redmine.sqlite3"
	cat >"$2/setup.rb" <<-'EOF'
		Setting.mail_handler_api_enabled = "1"
		Setting.mail_handler_api_key = "s3cr3t-of-the-service"
		Setting.default_language = "en"
		Tracker.first || Tracker.create!(name: "Bug", default_status: IssueStatus.create!(name: "New"))
		IssuePriority.first || IssuePriority.create!(name: "Normal", is_default: true)
		Project.create!(name: "Support", identifier: "support", trackers: Tracker.all.to_a, enabled_module_names: %w[issue_tracking])
	EOF
	cd /usr/share/redmine
	ruby bin/rails runner "$2/setup.rb"
	exec puma -q -e production -b "tcp://127.0.0.1:$3" config.ru
	;;
count) ruby -rsqlite3 -e 'puts SQLite3::Database.new(ARGV[0]).execute("select count(*) from issues")' "$2/redmine.sqlite3" ;;
esac
