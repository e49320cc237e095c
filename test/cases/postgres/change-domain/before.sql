CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN label AS varchar(8) NOT NULL;
CREATE TABLE t (id integer PRIMARY KEY, a integer, b text, c positive);
INSERT INTO t SELECT n, n, 'b' || n, n FROM generate_series(1, 20) AS n;
