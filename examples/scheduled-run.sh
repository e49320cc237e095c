#!/bin/sh
# Starts the change that the configuration file describes, or goes on with it where an earlier run was interrupted.
# For cron, systemd and Kubernetes: see the files beside this one. The exit code is that of tableshift.
#
# It resumes the only unfinished migration of the server; where others run migrations there too, give resume an ID.
set -u
config=${1:?usage: scheduled-run.sh CONFIG}

if tableshift list --config "$config" --output json | grep -q '"state":"open"'; then
  exec tableshift resume --config "$config" --output json
fi
exec tableshift migrate --config "$config" --output json
