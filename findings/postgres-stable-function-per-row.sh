#!/usr/bin/env bash
# PostgreSQL says that STABLE "allows the optimizer to optimize multiple calls of the function to a single call", as it does
# for the condition of an index scan. In the list of a SELECT, a STABLE function of constants is called for each row: to
# write nextval(pg_get_serial_sequence('t', 'id')) into an INSERT ... SELECT of many rows costs about as much as the INSERT
# itself or more, since each call looks the table, the column and the sequence up in the catalogue. Around the function,
# (SELECT ...) makes it an InitPlan, which runs once.
# Source: https://www.postgresql.org/docs/15/xfunc-volatility.html; eval_const_expressions in
# https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/optimizer/util/clauses.c folds IMMUTABLE functions only.
set -euo pipefail
. "$(dirname "$0")/lib/postgres.sh"
dir=$(mktemp -d)
trap 'stop_postgres "$dir"; rm -rf "$dir"' EXIT
start_postgres "$dir"
export PGHOST=$dir/socket PGUSER=postgres PGDATABASE=postgres
"$bin/psql" -q -c 'CREATE TABLE t (id bigserial PRIMARY KEY, v bigint)'

# best EXPRESSION prints the shortest of five times, in tenths of a millisecond, that an INSERT of 100000 rows takes with it.
best() {
  for _ in 1 2 3 4 5; do
    "$bin/psql" -qAt -c 'TRUNCATE t' -c "EXPLAIN (ANALYZE, TIMING OFF) INSERT INTO t (id, v) SELECT $1, n FROM generate_series(1, 100000) n"
  done | sed -n 's/^Execution Time: \([0-9]*\)\.\([0-9]\).*/\1\2/p' | sort -n | head -1
}

echo "pg_get_serial_sequence is: $("$bin/psql" -qAt -c "SELECT CASE provolatile WHEN 's' THEN 'STABLE' ELSE provolatile::text END
  FROM pg_proc WHERE proname = 'pg_get_serial_sequence'")"
name=$(best "nextval('t_id_seq')")
row=$(best "nextval(pg_get_serial_sequence('t', 'id'))")
once=$(best "nextval((SELECT pg_get_serial_sequence('t', 'id')::regclass))")
echo "100000 rows, best of five, compared with the INSERT that names the sequence:"
echo "  nextval('t_id_seq')                                              100 %  ($((name / 10)) ms)"
echo "  nextval(pg_get_serial_sequence('t', 'id'))                       $((100 * row / name)) %"
echo "  nextval((SELECT pg_get_serial_sequence('t', 'id')::regclass))    $((100 * once / name)) %"
if [ "$row" -lt $((8 * name / 5)) ] || [ "$once" -gt $((3 * row / 4)) ]; then
  echo "CHANGED: the second should take about twice as long as the first or longer, and the third clearly less than that"
  exit 1
fi
