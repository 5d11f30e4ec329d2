# A Rails application with Action Mailbox and nothing else, see rails.sh. GET /messages has
# the SHA-256 of each message that arrived, a line each.
ENV["RAILS_ENV"] = "production"
require "logger"
require "rails"
%w[active_record active_storage action_controller action_mailer action_mailbox].each do |name|
  require name == "action_mailbox" || name == "active_storage" ? "#{name}/engine" : "#{name}/railtie"
end
require "active_job/railtie"

class Service < Rails::Application
  config.root = Dir.pwd
  config.eager_load = false
  config.secret_key_base = "0" * 64
  config.hosts.clear
  config.logger = Logger.new("rails.log")
  config.action_mailbox.ingress = :relay
  config.active_storage.service = :local
  config.active_storage.service_configurations = { "local" => { "service" => "Disk", "root" => "storage" } }
  config.active_job.queue_adapter = :async
  config.action_mailbox.queues = { routing: nil, incineration: nil }
end

require "sqlite3"
ENV["DATABASE_URL"] = "sqlite3:#{Dir.pwd}/rails.sqlite3?timeout=5000"
Rails.application.initialize!

ActiveRecord::Schema.define do
  unless table_exists?(:action_mailbox_inbound_emails)
    create_table :active_storage_blobs do |t|
      t.string :key, null: false
      t.string :filename, null: false
      t.string :content_type
      t.text :metadata
      t.string :service_name, null: false
      t.bigint :byte_size, null: false
      t.string :checksum, null: false
      t.datetime :created_at, null: false
      t.index [:key], unique: true
    end
    create_table :active_storage_attachments do |t|
      t.string :name, null: false
      t.references :record, null: false, polymorphic: true, index: false
      t.references :blob, null: false
      t.datetime :created_at, null: false
    end
    create_table :action_mailbox_inbound_emails do |t|
      t.integer :status, default: 0, null: false
      t.string :message_id, null: false
      t.string :message_checksum, null: false
      t.timestamps
      t.index [:message_id, :message_checksum], name: "unique_messages", unique: true
    end
  end
end

class ApplicationMailbox < ActionMailbox::Base
  routing all: :application
  def process; end
end

class MessagesController < ActionController::Base
  def index
    render plain: ActionMailbox::InboundEmail.all.map { |m| Digest::SHA256.hexdigest(m.raw_email.download) + "\n" }.join
  end
end
Rails.application.routes.append { get "/messages", to: "messages#index" }
Rails.application.reload_routes!
run Rails.application
