CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE TABLE t (id integer PRIMARY KEY, v integer, g integer GENERATED ALWAYS AS (twice(v)) STORED);
INSERT INTO t (id, v) SELECT n, n FROM generate_series(1, 20) AS n;
CREATE OR REPLACE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 3 * $1';
