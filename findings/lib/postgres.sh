# Sourced by the findings that need a PostgreSQL server: start_postgres starts one in the folder $1, on a Unix socket in
# $1/socket only, and stop_postgres stops it. It is Debian's server (apt-get install postgresql), run as the user postgres
# where the script is run by root, because the server refuses root.
bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1) || { echo "not run: install PostgreSQL (Debian: postgresql)"; exit 2; }

as_server_user() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

start_postgres() {
  chmod 755 "$1"
  mkdir "$1/server" "$1/socket"
  if [ "$(id -u)" = 0 ]; then chown postgres "$1/server" "$1/socket"; fi
  as_server_user "$bin/initdb" -D "$1/server/data" -A trust -U postgres -N >/dev/null
  as_server_user "$bin/pg_ctl" -D "$1/server/data" -l "$1/server/log" -w start \
    -o "-c listen_addresses='' -c unix_socket_directories='$1/socket' -c fsync=off" >/dev/null
  echo "version: $("$bin/postgres" --version)"
}

stop_postgres() { as_server_user "$bin/pg_ctl" -D "$1/server/data" -m immediate -w stop >/dev/null 2>&1 || true; }
