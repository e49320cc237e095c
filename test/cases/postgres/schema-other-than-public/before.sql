CREATE TYPE local AS ENUM ('a', 'b');
CREATE TABLE t (id serial PRIMARY KEY, v "Odd schema".local, w integer);
INSERT INTO t (v, w) SELECT 'a', n FROM generate_series(1, 20) AS n;
