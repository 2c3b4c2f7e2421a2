#!/usr/bin/env bash
# PostgreSQL plans a statement again when a table that it uses changes, but not the expressions of a PL/pgSQL trigger that
# read NEW: after ALTER COLUMN TYPE, every INSERT of a session that has fired the trigger before fails with SQLSTATE 42804,
# the second and third too, even where the type only became wider. New sessions work, so that a migration which was tested
# by itself fails in the pooled connections of the running program, until they are replaced or run DISCARD PLANS.
# Source: https://www.postgresql.org/docs/15/plpgsql-implementation.html#PLPGSQL-PLAN-CACHING names records whose type
# changes within a session, and not tables that are altered.
set -euo pipefail
. "$(dirname "$0")/lib/postgres.sh"
dir=$(mktemp -d)
trap 'stop_postgres "$dir"; rm -rf "$dir"' EXIT
start_postgres "$dir"
export PGHOST=$dir/socket PGUSER=postgres PGDATABASE=postgres PGOPTIONS='-c client_min_messages=error'
"$bin/psql" -q -v ON_ERROR_STOP=1 <<'EOF'
CREATE TABLE orders (id bigint, cents int);
CREATE TABLE revenue (cents bigint);
CREATE FUNCTION add_revenue() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO revenue VALUES (NEW.cents); RETURN NULL; END $$;
CREATE TRIGGER revenue AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION add_revenue();
EOF
# One session; the commands after \! run in sessions of their own, in between.
"$bin/psql" -q 2>&1 <<EOF | tee "$dir/seen"
INSERT INTO orders VALUES (1, 1);
\echo the old session inserts before the change: :SQLSTATE
\! "$bin/psql" -q -c 'ALTER TABLE orders ALTER COLUMN cents TYPE bigint'
INSERT INTO orders VALUES (2, 1);
\echo the old session inserts after it: :SQLSTATE
INSERT INTO orders VALUES (3, 1);
\echo the old session inserts again: :SQLSTATE
\! "$bin/psql" -q -c 'INSERT INTO orders VALUES (4, 1)' && echo a new session inserts: 00000
DISCARD PLANS;
INSERT INTO orders VALUES (5, 1);
\echo the old session inserts after DISCARD PLANS: :SQLSTATE
EOF
if [ "$(grep -o 'inserts.*: [0-9]*$' "$dir/seen" | grep -o '[0-9]*$' | xargs)" != "00000 42804 42804 00000 00000" ]; then
  echo "CHANGED: only the second and the third INSERT should fail, with 42804"
  exit 1
fi
