CREATE TABLE t (k0 integer, k1 text, row_text text, PRIMARY KEY (k0, k1));
INSERT INTO t SELECT n, chr(97 + n % 26), 'x' FROM generate_series(-60, 60) AS n;
