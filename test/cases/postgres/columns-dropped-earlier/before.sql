CREATE TABLE t (x int, id int PRIMARY KEY, y int, a int, z int);
INSERT INTO t SELECT n, n, n, n, n FROM generate_series(1, 200) AS n;
ALTER TABLE t DROP x;
ALTER TABLE t DROP y;
ALTER TABLE t DROP z;
ALTER TABLE t ADD w text DEFAULT 'old';
