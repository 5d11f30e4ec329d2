#!/bin/sh
# rails.sh start DIR PORT | count DIR PORT: a Rails application with Action Mailbox.
# Debian: ruby-actionmailbox ruby-sqlite3 puma curl
set -e
here=$(cd "$(dirname "$0")" && pwd)
cd "$2"
case $1 in
start) RAILS_INBOUND_EMAIL_PASSWORD=s3cr3t-of-the-service exec puma -q -b "tcp://127.0.0.1:$3" "$here/rails.ru" ;;
count) curl -s "http://127.0.0.1:$3/messages" | wc -l ;;
esac
