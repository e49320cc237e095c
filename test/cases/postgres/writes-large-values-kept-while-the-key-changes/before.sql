CREATE TABLE t (id int PRIMARY KEY, a int, big text, packed text);
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t SELECT n, n, repeat(chr(64 + n), 20000), repeat(md5(n::text), 4000) FROM generate_series(1, 20) AS n;
