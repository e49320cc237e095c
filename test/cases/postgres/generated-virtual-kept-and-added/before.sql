CREATE TABLE t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) VIRTUAL);
INSERT INTO t (id, a) SELECT n, n FROM generate_series(1, 200) AS n;
