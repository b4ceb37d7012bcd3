#!/bin/sh
# Starts the app with spawn-fcgi: it opens the socket, gives it mode and owner, and starts the app
# as another user. With multiwatch between them there are several processes, and one that dies is
# started again. Stays in the foreground (-n), as systemd, runit or a container want it.
set -eu

SOCKET=/run/myapp/app.sock
APP=/srv/myapp/app.fcgi
PROCESSES=${PROCESSES:-2}

# Everything after -- is the program. Options for mode and owner: -M 0660 -U www-data -G www-data;
# options for the user of the app: -u myapp -g myapp.
exec spawn-fcgi -n -s "$SOCKET" -M 0660 -- \
    /usr/bin/multiwatch -f "$PROCESSES" -- "$APP"
